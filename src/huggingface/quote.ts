import { at, number, text } from './status.ts';

/** The instance that a quote is asked for. */
export interface Instance {
  readonly vendor: string;
  readonly region: string;
  readonly instanceType: string;
  readonly instanceSize: string;
  /** How many of them must fit into the quota; 1 where it is left out. */
  readonly minReplica?: number;
}

/** What an instance costs, and whether it can be had. */
export interface Quote {
  /** Micro-dollars per replica and hour; null where the list does not know the instance. */
  readonly pricePerHourMicros: number | null;
  /** `available`, `low_availability`, `not_available`, `reserved`, `deprecated`, or `unknown`. */
  readonly status: string;
  /** Accelerators left in the account's quota; null where it is not told. */
  readonly quotaLeft: number | null;
  readonly numAccelerators: number;
  readonly isDeployable: boolean;
  /** Why it cannot be had; null where it can. */
  readonly why: string | null;
}

const CLOSED = new Set(['deprecated', 'not_available']);

/**
 * Reads one instance out of `GET /v2/provider/{namespace}`: `{vendors: [{name, status, regions: [{name, status, computes:
 * [{instanceType, instanceSize, status, pricePerHour, numAccelerators, quota: {maxAccelerators, usedAccelerators}}]}]}]}`.
 * Deployable by the rule of Hugging Face's own command line: not deprecated, available, and enough quota left.
 */
export function readQuote(body: unknown, wanted: Instance): Quote {
  const { vendor, region, instanceType, instanceSize } = wanted;
  const inVendor = named(at(body, 'vendors'), vendor);
  if (inVendor === undefined) return unknown(`there is no vendor ${vendor}`, names(at(body, 'vendors')));
  const inRegion = named(at(inVendor, 'regions'), region);
  if (inRegion === undefined) return unknown(`${vendor} has no region ${region}`, names(at(inVendor, 'regions')));
  const computes = list(at(inRegion, 'computes'));
  const found = computes.find(
    (each) => at(each, 'instanceType') === instanceType && at(each, 'instanceSize') === instanceSize,
  );
  if (found === undefined) {
    const others = computes.map((each) => `${text(at(each, 'instanceType'))} ${text(at(each, 'instanceSize'))}`);
    return unknown(`${vendor} ${region} has no ${instanceType} ${instanceSize}`, others);
  }

  const price = number(at(found, 'pricePerHour'));
  const numAccelerators = number(at(found, 'numAccelerators')) ?? 1;
  const quota = at(found, 'quota');
  const most = number(at(quota, 'maxAccelerators'));
  const used = number(at(quota, 'usedAccelerators')) ?? 0;
  const quotaLeft = most === null ? null : Math.max(0, most - used);
  const needed = numAccelerators * (wanted.minReplica ?? 1);
  const status = text(at(found, 'status')) ?? 'unknown';
  let why: string | null = null;
  for (const [place, told] of [
    [vendor, text(at(inVendor, 'status'))],
    [`${vendor} ${region}`, text(at(inRegion, 'status'))],
    [`${instanceType} ${instanceSize}`, status],
  ] as const) {
    if (why === null && told !== null && CLOSED.has(told)) why = `${place} is ${told.replaceAll('_', ' ')}`;
  }
  if (why === null && quotaLeft !== null && quotaLeft < needed) {
    why = `${instanceType} needs ${needed} of the account's quota; ${used} of ${most} are used`;
  }
  return {
    pricePerHourMicros: price === null ? null : Math.round(price * 1_000_000),
    status,
    quotaLeft,
    numAccelerators,
    isDeployable: why === null,
    why,
  };
}

function unknown(what: string, others: readonly string[]): Quote {
  const known = others.length === 0 ? '' : `; there are: ${others.slice(0, 20).join(', ')}`;
  return {
    pricePerHourMicros: null,
    status: 'unknown',
    quotaLeft: null,
    numAccelerators: 1,
    isDeployable: false,
    why: `${what}${known}`,
  };
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function named(values: unknown, name: string): unknown {
  return list(values).find((value) => at(value, 'name') === name);
}

function names(values: unknown): readonly string[] {
  return list(values).flatMap((value) => text(at(value, 'name')) ?? []);
}
