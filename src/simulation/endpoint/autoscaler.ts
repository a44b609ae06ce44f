import { changeAt } from './life.ts';
import type { Change } from './life.ts';
import type { EndpointSpec } from './spec.ts';

const UP_EVERY_MS = 60_000;
const DOWN_EVERY_MS = 120_000;
/** The time after the removal of a replica in which no other replica is removed. */
const STABLE_MS = 300_000;
const PENDING_OVER_MS = 20_000;
const USAGE_OVER_MS = 60_000;
const SAMPLE_EVERY_MS = 1_000;
const DEFAULT_PENDING = 1.5;
const DEFAULT_USAGE = 80;

interface Sample {
  readonly at: number;
  /** Calls without an HTTP status. */
  readonly pending: number;
  /** How busy the machines are, 0 and above; 1 is full. */
  readonly usage: number;
}

/**
 * Adds and removes replicas as Hugging Face documents it. It checks every minute whether one more is needed, and every
 * two minutes whether one fewer is enough. After a removal it removes no other for five minutes. It has no timer: each
 * use of the endpoint first makes up for the checks that were due.
 */
export class Autoscaler {
  #samples: Sample[] = [];
  #checkedAt: number | null = null;
  #checks = 0;
  #fewerAt = Number.NEGATIVE_INFINITY;

  /** Records the demand, at most once a second. */
  note(at: number, demand: () => Omit<Sample, 'at'>): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && at - last.at < SAMPLE_EVERY_MS) return;
    this.#samples.push({ at, ...demand() });
    if (this.#samples.length > 240) this.#samples = this.#samples.slice(-120);
  }

  /** The plan after all checks that were due by `now`; the same plan if nothing changes. */
  follow(changes: Change[], now: number, { scaling, compute }: EndpointSpec, startMs: number): Change[] {
    let plan = changes;
    const begun = changeAt(changes, now);
    if (begun.state !== 'running') {
      this.#checkedAt = null;
      return plan;
    }
    this.#checkedAt ??= now;
    for (let at = this.#checkedAt + UP_EVERY_MS; at <= now; at += UP_EVERY_MS) {
      this.#checkedAt = at;
      this.#checks++;
      const { replicas, state } = changeAt(plan, at);
      if (state !== 'running') continue;
      const wanted = this.#wanted(at, replicas, scaling);
      const rate = Math.round(compute.pricePerHour * 1_000_000);
      if (wanted !== replicas) plan = withReplicas(plan, at, wanted, { rate, startMs });
    }
    return plan;
  }

  #wanted(at: number, replicas: number, { minReplica, maxReplica, measure }: EndpointSpec['scaling']): number {
    const isUsage = measure !== null && 'hardwareUsage' in measure;
    const threshold = isUsage
      ? Number(measure['hardwareUsage'] ?? DEFAULT_USAGE) / 100
      : Number(measure?.['pendingRequests'] ?? DEFAULT_PENDING);
    const over = isUsage ? USAGE_OVER_MS : PENDING_OVER_MS;
    const mean = this.#mean(at - over, at, isUsage ? 'usage' : 'pending');
    const each = isUsage ? mean : mean / replicas;
    if (each > threshold && replicas < maxReplica) return replicas + 1;
    const mayShrink = this.#checks % (DOWN_EVERY_MS / UP_EVERY_MS) === 0 && at - this.#fewerAt >= STABLE_MS;
    if (!mayShrink || replicas <= Math.max(1, minReplica)) return replicas;
    if ((each * replicas) / (replicas - 1) > threshold) return replicas;
    this.#fewerAt = at;
    return replicas - 1;
  }

  /** The mean of the samples in a span; if there are none, the last sample before it. */
  #mean(from: number, until: number, what: 'pending' | 'usage'): number {
    const within = this.#samples.filter((sample) => sample.at > from && sample.at <= until);
    if (within.length === 0) return this.#samples.findLast((sample) => sample.at <= until)?.[what] ?? 0;
    return within.reduce((sum, sample) => sum + sample[what], 0) / within.length;
  }
}

/**
 * The plan with this number of replicas from `at` on. A new replica costs money at once, and is ready once it has
 * started.
 */
function withReplicas(
  changes: readonly Change[],
  at: number,
  replicas: number,
  { rate, startMs }: { readonly rate: number; readonly startMs: number },
): Change[] {
  const now = changeAt(changes, at);
  const ready = now.ready ?? now.replicas;
  const starts = changes.filter((each) => each.at > at && each.state === 'running').map((each) => each.at);
  const isMore = replicas > now.replicas;
  // Replicas that are still starting are removed first.
  const kept = isMore ? [...starts, at + startMs] : starts.slice(0, Math.max(0, replicas - ready));
  const base = { ...now, replicas, microDollarsPerHour: rate * replicas };
  const first: Change = { ...base, at, ready: Math.min(ready, replicas) };
  const later = kept.map((each, i): Change => ({ ...base, at: each, ready: Math.min(replicas, ready + i + 1) }));
  return [...changes.filter((each) => each.at <= at), first, ...later];
}
