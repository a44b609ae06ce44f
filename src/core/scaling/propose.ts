import type { EndpointPolicy } from '../policy/endpoint.ts';
import type { SleepPolicy } from '../policy/scaling.ts';
import { HOUR_MS, MINUTE_MS } from '../time.ts';
import type { ConcurrencySeen } from './route-concurrency.ts';
import { isSameScaling, measuresPending } from './scaling.ts';
import type { Measure, Scaling } from './scaling.ts';

/** Another scaling, and why: a sentence for each figure that changes. */
export interface ScalingProposal {
  readonly scaling: Scaling;
  readonly why: readonly string[];
}

export interface ProposalInput {
  readonly now: number;
  readonly concurrency: ConcurrencySeen;
  readonly present: Scaling;
  readonly endpoint: Pick<EndpointPolicy, 'engine' | 'accelerator'>;
  /** Bounds for the replicas, what they may cost included. */
  readonly from: number;
  readonly to: number;
  /** How long the change should fit: the hours of the day that count. */
  readonly every: number;
  readonly sleep: SleepPolicy | null;
}

/** Replicas that always run are to be used by so much at most, so that what comes on top finds room while others start. */
const USE = 0.8;
/** Fewer replicas only where they would do with so much more concurrency, and another threshold only beyond so much change. */
const SLACK = 1.25;
/** The API's bounds for sleeping by itself, minutes. */
const LEAST_TIMEOUT = 15;
const MOST_TIMEOUT = 2_880;

/**
 * What the endpoint's scaling should be, from what was measured; null where it fits. At least as many replicas as carry the
 * mean of the busiest hour to come, at most as many as carry the highest peak of any hour. A replica is added when those
 * that run are at 80 % of what one was seen to carry. More replicas, or a lower threshold, only where the limit was really
 * seen: an endpoint that was well at every concurrency needs none. What is proposed is proposed again once it is in force.
 */
export function proposeScaling(input: ProposalInput): ScalingProposal | null {
  const { concurrency, present, sleep } = input;
  const { capacity } = concurrency;
  if (capacity === null || capacity.carried <= 0) return null;
  const maxReplica = most(input, capacity);
  const least = Math.min(fewest(input, capacity), maxReplica);
  const minReplica = sleep === null ? least : 0;
  const scaleToZeroTimeout = sleep === null ? null : timeoutOf(sleep);
  const measure = maxReplica > Math.max(1, minReplica) ? measureOf(input, capacity) : null;
  const scaling = { minReplica, maxReplica, scaleToZeroTimeout, measure };
  return isSameScaling(scaling, present) ? null : { scaling, why: reasons(input, scaling) };
}

type Known = NonNullable<ConcurrencySeen['capacity']>;

function most(input: ProposalInput, capacity: Known): number {
  return replicasFor(peakOf(input), input.present.maxReplica, capacity.carried, {
    ...input,
    isLimit: capacity.isLimit,
  });
}

function fewest(input: ProposalInput, capacity: Known): number {
  const present = Math.max(1, input.present.minReplica);
  return replicasFor(meanOf(input).mean, present, capacity.carried * USE, { ...input, isLimit: capacity.isLimit });
}

/** So many replicas for a concurrency, within bounds: more only where the limit is known, fewer only with room to spare. */
function replicasFor(
  atOnce: number,
  present: number,
  perReplica: number,
  { from, to, isLimit }: { readonly from: number; readonly to: number; readonly isLimit: boolean },
): number {
  const bounded = (replicas: number) => Math.min(to, Math.max(from, replicas));
  const needed = Math.max(1, Math.ceil(atOnce / perReplica));
  if (needed > present) return bounded(isLimit ? needed : present);
  return bounded(Math.min(present, Math.max(1, Math.ceil((atOnce * SLACK) / perReplica))));
}

function peakOf({ concurrency }: ProposalInput): number {
  return Math.max(concurrency.route.p95, ...concurrency.hours.map(({ peak }) => peak));
}

/** The busiest hour until the next change, the last ten minutes included. */
function meanOf({ concurrency, now, every }: ProposalInput): { readonly mean: number; readonly hour: number | null } {
  const first = Math.floor(now / HOUR_MS);
  const hours = Math.min(24, Math.floor((now + every) / HOUR_MS) - first + 1);
  let busiest: { mean: number; hour: number | null } = { mean: concurrency.route.mean, hour: null };
  for (const { hour, mean } of concurrency.hours) {
    const isToCome = (hour - (first % 24) + 24) % 24 < hours;
    if (isToCome && mean > busiest.mean) busiest = { mean, hour };
  }
  return busiest;
}

/** When a replica is added; the present threshold is kept as long as it is near enough. */
function measureOf({ concurrency, present, endpoint }: ProposalInput, capacity: Known): Measure {
  if (!measuresPending(endpoint)) return { hardwareUsage: USE * 100 };
  const pending = capacity.carried * USE * (concurrency.pendingShare ?? 1);
  const wanted = Math.max(1, Math.round(pending * 2) / 2);
  const now = present.measure !== null && 'pendingRequests' in present.measure ? present.measure.pendingRequests : null;
  if (now === null) return { pendingRequests: wanted };
  const isKept = wanted > now ? wanted <= now * SLACK : wanted * SLACK >= now || !capacity.isLimit;
  return { pendingRequests: isKept ? now : wanted };
}

function timeoutOf({ after }: SleepPolicy): number {
  return Math.min(MOST_TIMEOUT, Math.max(LEAST_TIMEOUT, Math.ceil(after / MINUTE_MS)));
}

function reasons(input: ProposalInput, next: Scaling): string[] {
  const { concurrency, present, endpoint } = input;
  const carried = numberText(concurrency.capacity?.carried ?? 0);
  const seen =
    concurrency.capacity?.isLimit === true ? `a replica carries ${carried}` : `a replica was well at ${carried}`;
  const told: string[] = [];
  if (next.minReplica !== present.minReplica) {
    const { mean, hour } = meanOf(input);
    const when = hour === null ? 'in the last ten minutes' : `at ${String(hour).padStart(2, '0')} h UTC`;
    const why =
      next.minReplica === 0 ? 'scaling.sleep lets it sleep' : `${numberText(mean)} calls at once ${when}, ${seen}`;
    told.push(`at least ${next.minReplica} (now ${present.minReplica}): ${why}`);
  }
  if (next.maxReplica !== present.maxReplica) {
    const why = `${numberText(peakOf(input))} calls at once at the peak, ${seen}`;
    told.push(`at most ${next.maxReplica} (now ${present.maxReplica}): ${why}`);
  }
  if (next.measure !== null && JSON.stringify(next.measure) !== JSON.stringify(present.measure)) {
    const why = measuresPending(endpoint)
      ? `${USE * 100} % of ${carried}, of which ${Math.round((concurrency.pendingShare ?? 1) * 100)} % wait for a status`
      : 'the engine is full when its hardware is';
    told.push(
      `another replica at ${'pendingRequests' in next.measure ? `${next.measure.pendingRequests} pending calls each` : `${next.measure.hardwareUsage} % use`}: ${why}`,
    );
  }
  if (next.scaleToZeroTimeout !== present.scaleToZeroTimeout && next.scaleToZeroTimeout !== null) {
    told.push(`asleep by itself after ${next.scaleToZeroTimeout} min without a call`);
  }
  return told;
}

/** `4`, `3.5`, `41`: calls at once, for people. */
export function numberText(value: number): string {
  return value < 10 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}
