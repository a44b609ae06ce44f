import { quotaLeft, whyNotToBeHad } from '../../core/sizing/offer.ts';
import type { Offer } from '../../core/sizing/offer.ts';

/** The instance that a quote is asked for. */
export interface Instance {
  readonly vendor: string;
  readonly region: string;
  readonly instanceType: string;
  readonly instanceSize: string;
  /** Number of them that must fit into the quota; 1 by default. */
  readonly minReplica?: number;
}

/** The price of an instance, and whether it is available. */
export interface Quote {
  /** Micro-dollars per replica and hour; null if the list does not have the instance. */
  readonly pricePerHourMicros: number | null;
  /** `available`, `low_availability`, `not_available`, `reserved`, `deprecated`, or `unknown`. */
  readonly status: string;
  /** Accelerators left in the account's quota; null if it is unknown. */
  readonly quotaLeft: number | null;
  readonly numAccelerators: number;
  readonly isDeployable: boolean;
  /** Why the instance is not available; null if it is. */
  readonly why: string | null;
}

/**
 * Finds one instance among the offers of an account. It is deployable by the rule of Hugging Face's own command line:
 * not deprecated, available, and enough quota left.
 */
export function readQuote(offers: readonly Offer[], wanted: Instance): Quote {
  const found = findOffer(offers, wanted);
  if (found === undefined) return unknown(whyNotListed(offers, wanted));
  const why = whyNotToBeHad(found, wanted.minReplica ?? 1);
  return {
    pricePerHourMicros: found.pricePerHourMicros,
    status: found.status,
    quotaLeft: quotaLeft(found),
    numAccelerators: found.numAccelerators,
    isDeployable: why === null,
    why,
  };
}

function findOffer(
  offers: readonly Offer[],
  { vendor, region, instanceType, instanceSize }: Instance,
): Offer | undefined {
  return offers.find(
    (each) =>
      each.vendor === vendor &&
      each.region === region &&
      each.instanceType === instanceType &&
      each.instanceSize === instanceSize,
  );
}

/** The part of an instance's name that no offer has, and the values that exist instead. */
export function whyNotListed(offers: readonly Offer[], wanted: Partial<Instance>): string {
  const { vendor, region, instanceType, instanceSize } = wanted;
  const inVendor = offers.filter((offer) => vendor === undefined || offer.vendor === vendor);
  if (inVendor.length === 0)
    return withOthers(
      `there is no vendor ${vendor}`,
      offers.map((offer) => offer.vendor),
    );
  const inRegion = inVendor.filter((offer) => region === undefined || offer.region === region);
  if (inRegion.length === 0) {
    return withOthers(
      `${vendor ?? 'no vendor'} has no region ${region}`,
      inVendor.map((offer) => offer.region),
    );
  }
  const place = [vendor, region].filter((part) => part !== undefined).join(' ') || 'no region';
  const instance = [instanceType, instanceSize].filter((part) => part !== undefined).join(' ');
  return withOthers(
    `${place} has no ${instance}`,
    inRegion.map((offer) => `${offer.instanceType} ${offer.instanceSize}`),
  );
}

function withOthers(what: string, others: readonly string[]): string {
  const known = [...new Set(others)];
  return `${what}${known.length === 0 ? '' : `; there are: ${known.slice(0, 20).join(', ')}`}`;
}

function unknown(why: string): Quote {
  return { pricePerHourMicros: null, status: 'unknown', quotaLeft: null, numAccelerators: 1, isDeployable: false, why };
}
