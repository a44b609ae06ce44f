import { offerText } from '../sizing/offer.ts';
import type { PinnedInstance } from '../sizing/pinned.ts';
import { priceText } from '../text.ts';
import { momentText } from '../time.ts';

/** An instance that an approval covers, with the price of all its replicas. */
export interface Alternative {
  readonly instance: PinnedInstance;
  readonly pricePerHourMicros: number;
}

/** Why an instance was left for the next one. */
export const LEFT_FOR = ['capacity_exhausted', 'quota'] as const;
export type LeftFor = (typeof LEFT_FOR)[number];

/** An instance that could not be had. */
export interface LeftInstance {
  /** As `offerText` writes it. */
  readonly instance: string;
  readonly endpointName: string;
  readonly cause: LeftFor;
  readonly message: string;
  readonly at: number;
}

/** What a rollout knows of the instances that its approval covers. */
export interface CoveredInstances extends Alternative {
  /** The instances to try, in this order, if the present one cannot be had. Absent: none. */
  readonly alternatives?: readonly Alternative[];
  /** The instances that could not be had, in the order in which they were tried. Absent: none. */
  readonly left?: readonly LeftInstance[];
}

const LONGEST_NAME = 32;
const SAID: Readonly<Record<LeftFor, string>> = { capacity_exhausted: 'no capacity', quota: 'no quota' };

/** The highest price that the approval covers. */
export function priceCeiling({ pricePerHourMicros, alternatives = [] }: CoveredInstances): number {
  return Math.max(pricePerHourMicros, ...alternatives.map((each) => each.pricePerHourMicros));
}

/** `; if it cannot be had: aws us-east-1 nvidia-a10g x1 at $1.00/h; at most $1.00/h`. Empty if there is one instance. */
export function alternativesText(rollout: CoveredInstances): string {
  const { alternatives = [] } = rollout;
  if (alternatives.length === 0) return '';
  const each = alternatives.map((one) => `${offerText(one.instance)} at ${priceText(one.pricePerHourMicros)}`);
  return `; if it cannot be had: ${each.join(', then ')}; at most ${priceText(priceCeiling(rollout))}`;
}

/** `; note: acme/writer is gated: the endpoint gets HF_TOKEN`. Empty if there is nothing to know of the model. */
export function caveatsText({ instance: { caveats = [] } }: Pick<CoveredInstances, 'instance'>): string {
  return caveats.length === 0 ? '' : `; note: ${caveats.join('; ')}`;
}

/** `aws us-east-1 nvidia-l4 x1: no capacity 12:03`. */
function leftText({ instance, cause, at }: LeftInstance): string {
  return `${instance}: ${SAID[cause]} ${momentText(at)}`;
}

/**
 * The instances that were left, and what comes after them: `...; now trying aws us-east-1 nvidia-a10g x1 (2 of 3)` until one was
 * had. Null if none was left.
 */
export function triedText(
  rollout: CoveredInstances & { readonly endpointName: string },
  isTrying: boolean,
): string | null {
  const { left = [], alternatives = [], instance, endpointName } = rollout;
  if (left.length === 0) return null;
  const isLeaving = left.at(-1)?.endpointName === endpointName;
  const number = left.length + 1;
  const of = left.length + alternatives.length + Number(!isLeaving);
  const [next] = alternatives;
  const leads = isLeaving
    ? next && `next is ${offerText(next.instance)} (${number} of ${of})`
    : isTrying
      ? `now trying ${offerText(instance)} (${number} of ${of})`
      : `it runs on ${offerText(instance)}`;
  return [...left.map(leftText), ...(leads === undefined ? [] : [leads])].join('; ');
}

/**
 * The name of the endpoint of a rollout's later attempt. The attempt's number stands before the rollout's id, with which
 * every name of the rollout ends: `up-writer-2-rollout0`.
 */
export function attemptName(first: string, rolloutId: string, attempt: number): string {
  const end = `-${attempt}-${rolloutId}`;
  const slug = first.endsWith(`-${rolloutId}`) ? first.slice(0, -rolloutId.length - 1) : 'up';
  return slug.slice(0, LONGEST_NAME - end.length).replace(/-+$/, '') + end;
}
