/** One instance that Inference Endpoints offers in one region. */
export interface Offer {
  readonly vendor: string;
  readonly region: string;
  /** `cpu`, `gpu` or `neuron`; the API may have others. */
  readonly accelerator: string;
  readonly instanceType: string;
  readonly instanceSize: string;
  readonly numAccelerators: number;
  /** Memory of all accelerators together, in GB of 10^9 bytes. Null if there are none or it is not known. */
  readonly gpuMemoryGb: number | null;
  /** Memory of the machine, in GB of 10^9 bytes. Null if it is not known. */
  readonly memoryGb: number | null;
  /** Micro-dollars per replica and hour. Null if it is not known. */
  readonly pricePerHourMicros: number | null;
  /** `available`, `low_availability`, `not_available`, `reserved`, `deprecated`, or `unknown`. */
  readonly status: string;
  /** Why the vendor, the region or the instance is not available, in words. Null if all are. */
  readonly closed: string | null;
  /** Accelerators of the account's quota. Null if it is not known. */
  readonly quota: { readonly most: number; readonly used: number } | null;
}

/** Accelerators left in the account's quota. Null if it is not known. */
export function quotaLeft({ quota }: Pick<Offer, 'quota'>): number | null {
  return quota === null ? null : Math.max(0, quota.most - quota.used);
}

/** `aws us-east-1 nvidia-l4 x1`. */
export function offerText(offer: Pick<Offer, 'vendor' | 'region' | 'instanceType' | 'instanceSize'>): string {
  return `${offer.vendor} ${offer.region} ${offer.instanceType} ${offer.instanceSize}`;
}

/** Why an offer is not available now for a number of replicas. Null if it is. */
export function whyNotToBeHad(offer: Offer, replicas: number): string | null {
  if (offer.closed !== null) return offer.closed;
  const left = quotaLeft(offer);
  const needed = offer.numAccelerators * replicas;
  if (left === null || left >= needed) return null;
  return `${offer.instanceType} needs ${needed} of the account's quota; ${offer.quota?.used} of ${offer.quota?.most} are used`;
}
