import type { EndpointPolicy } from '../policy/endpoint.ts';
import type { SleepPolicy } from '../policy/scaling.ts';
import { HOUR_MS, MINUTE_MS } from '../time.ts';
import type { ConcurrencySeen } from './route-concurrency.ts';
import { isSameScaling, measuresPending } from './scaling.ts';
import type { Measure, Scaling } from './scaling.ts';

/** Another scaling, and why: one sentence for each figure that changes. */
export interface ScalingProposal {
  readonly scaling: Scaling;
  readonly why: readonly string[];
}

export interface ProposalInput {
  readonly now: number;
  readonly concurrency: ConcurrencySeen;
  readonly present: Scaling;
  readonly endpoint: Pick<EndpointPolicy, 'engine' | 'accelerator'>;
  /** Bounds for the replicas. They already respect what the replicas may cost. */
  readonly from: number;
  readonly to: number;
  /** How long the change should fit, ms. It decides which hours of the day count. */
  readonly every: number;
  readonly sleep: SleepPolicy | null;
}

/** The most use of the replicas that always run. The rest is kept free for further calls while more replicas start. */
const USE = 0.8;
/**
 * Fewer replicas only if they suffice for this many times the concurrency. Another threshold only if it changes by more
 * than this factor.
 */
const SLACK = 1.25;
/** The API's bounds for scaling to zero by itself, minutes. */
const LEAST_TIMEOUT = 15;
const MOST_TIMEOUT = 2_880;

/**
 * The scaling that fits what was measured. Null if the present one fits, or if nothing is known of the capacity. The minimum
 * is as many replicas as carry the mean of the busiest hour to come. The maximum is as many as carry the highest peak of any
 * hour. A replica is added when the running ones are at 80 % of what one was seen to carry. There are more replicas or a
 * lower threshold only if the limit was seen, because an endpoint that was well at every concurrency needs neither. The
 * proposal is stable: once it is in force, the same figures propose nothing else.
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

/**
 * The replicas for a concurrency, within bounds: more only if the limit is known, fewer only if they suffice with
 * slack.
 */
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

/**
 * The highest mean concurrency of the hours until the next change and of the last ten minutes. `hour` is null for the
 * latter.
 */
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

/** When a replica is added. The present threshold is kept if it is near enough. */
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
  const sentences: string[] = [];
  if (next.minReplica !== present.minReplica) {
    const { mean, hour } = meanOf(input);
    const when = hour === null ? 'in the last ten minutes' : `at ${String(hour).padStart(2, '0')} h UTC`;
    const why =
      next.minReplica === 0
        ? 'scaling.sleep allows scale to zero'
        : `${numberText(mean)} calls at once ${when}, ${seen}`;
    sentences.push(`at least ${next.minReplica} (now ${present.minReplica}): ${why}`);
  }
  if (next.maxReplica !== present.maxReplica) {
    const why = `${numberText(peakOf(input))} calls at once at the peak, ${seen}`;
    sentences.push(`at most ${next.maxReplica} (now ${present.maxReplica}): ${why}`);
  }
  if (next.measure !== null && JSON.stringify(next.measure) !== JSON.stringify(present.measure)) {
    const why = measuresPending(endpoint)
      ? `${USE * 100} % of ${carried}, of which ${Math.round((concurrency.pendingShare ?? 1) * 100)} % wait for a status`
      : 'the engine is full when its hardware is';
    sentences.push(
      `another replica at ${'pendingRequests' in next.measure ? `${next.measure.pendingRequests} pending calls each` : `${next.measure.hardwareUsage} % use`}: ${why}`,
    );
  }
  if (next.scaleToZeroTimeout !== present.scaleToZeroTimeout && next.scaleToZeroTimeout !== null) {
    sentences.push(`scaled to zero after ${next.scaleToZeroTimeout} min without a call`);
  }
  return sentences;
}

/** `4`, `3.5`, `41`: calls at once, for people. */
export function numberText(value: number): string {
  return value < 10 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}
