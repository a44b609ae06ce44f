import type { Offer } from '../../core/sizing/offer.ts';
import { at, number, text } from '../json.ts';

const CLOSED = new Set(['deprecated', 'not_available']);

/**
 * Reads all of `GET /v2/provider/{namespace}`, or of the public `GET /v2/provider`, whose quotas are placeholders:
 * `{vendors: [{name, status, regions: [{name, status, computes: [{accelerator, instanceType, instanceSize, status,
 * pricePerHour, numAccelerators, memoryGb, gpuMemoryGb, quota: {maxAccelerators, usedAccelerators}}]}]}]}`. Rows that
 * name no instance are left out. An offer is closed if it is deprecated or not available, as in Hugging Face's own
 * command line.
 */
export function readOffers(body: unknown, { hasQuota }: { readonly hasQuota: boolean }): Offer[] {
  return list(at(body, 'vendors')).flatMap((vendor) =>
    list(at(vendor, 'regions')).flatMap((region) =>
      list(at(region, 'computes')).flatMap((compute) => readOffer(vendor, region, compute, hasQuota) ?? []),
    ),
  );
}

function readOffer(inVendor: unknown, inRegion: unknown, compute: unknown, hasQuota: boolean): Offer | null {
  const [vendor, region] = [text(at(inVendor, 'name')), text(at(inRegion, 'name'))];
  const instanceType = text(at(compute, 'instanceType'));
  const instanceSize = text(at(compute, 'instanceSize'));
  if (vendor === null || region === null || instanceType === null || instanceSize === null) return null;
  const price = number(at(compute, 'pricePerHour'));
  const status = text(at(compute, 'status')) ?? 'unknown';
  const quota = at(compute, 'quota');
  const most = number(at(quota, 'maxAccelerators'));
  const places = [
    [vendor, text(at(inVendor, 'status'))],
    [`${vendor} ${region}`, text(at(inRegion, 'status'))],
    [`${instanceType} ${instanceSize}`, status],
  ] as const;
  const closed = places.find(([, status]) => status !== null && CLOSED.has(status));
  return {
    vendor,
    region,
    accelerator: text(at(compute, 'accelerator')) ?? 'gpu',
    instanceType,
    instanceSize,
    numAccelerators: number(at(compute, 'numAccelerators')) ?? 1,
    gpuMemoryGb: number(at(compute, 'gpuMemoryGb')),
    memoryGb: number(at(compute, 'memoryGb')),
    pricePerHourMicros: price === null ? null : Math.round(price * 1_000_000),
    status,
    closed: closed === undefined ? null : `${closed[0]} is ${(closed[1] ?? '').replaceAll('_', ' ')}`,
    quota: !hasQuota || most === null ? null : { most, used: number(at(quota, 'usedAccelerators')) ?? 0 },
  };
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
