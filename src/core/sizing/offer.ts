/** One instance that Inference Endpoints rents out, in one region. */
export interface Offer {
  readonly vendor: string;
  readonly region: string;
  /** `cpu`, `gpu` or `neuron`; the API may have others. */
  readonly accelerator: string;
  readonly instanceType: string;
  readonly instanceSize: string;
  readonly numAccelerators: number;
  /** Of all accelerators together, in GB of 10^9 bytes; null where there are none or it is not told. */
  readonly gpuMemoryGb: number | null;
  /** Of the machine, in GB of 10^9 bytes. */
  readonly memoryGb: number | null;
  /** Micro-dollars per replica and hour; null where it is not told. */
  readonly pricePerHourMicros: number | null;
  /** `available`, `low_availability`, `not_available`, `reserved`, `deprecated`, or `unknown`. */
  readonly status: string;
  /** Why its vendor, region or itself is closed, in words; null where it is open. */
  readonly closed: string | null;
  /** Accelerators of the account's quota; null where it is not told. */
  readonly quota: { readonly most: number; readonly used: number } | null;
}

/** Accelerators left in the account's quota; null where it is not told. */
export function quotaLeft({ quota }: Pick<Offer, 'quota'>): number | null {
  return quota === null ? null : Math.max(0, quota.most - quota.used);
}

/** `aws us-east-1 nvidia-l4 x1`. */
export function offerText(offer: Pick<Offer, 'vendor' | 'region' | 'instanceType' | 'instanceSize'>): string {
  return `${offer.vendor} ${offer.region} ${offer.instanceType} ${offer.instanceSize}`;
}

/** Why an offer cannot be had now, for so many replicas; null where it can. */
export function whyNotToBeHad(offer: Offer, replicas: number): string | null {
  if (offer.closed !== null) return offer.closed;
  const left = quotaLeft(offer);
  const needed = offer.numAccelerators * replicas;
  if (left === null || left >= needed) return null;
  return `${offer.instanceType} needs ${needed} of the account's quota; ${offer.quota?.used} of ${offer.quota?.most} are used`;
}
