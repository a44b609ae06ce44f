import type { EndpointState } from '../../core/endpoint-state.ts';
import { MINUTE_MS } from '../../core/time.ts';
import type { EndpointSpec } from './spec.ts';

/** A change of state, past or planned. */
export interface Change {
  readonly at: number;
  readonly state: EndpointState;
  readonly message: string;
  /** The cost of the state: micro-dollars per hour, all replicas together. */
  readonly microDollarsPerHour: number;
  readonly replicas: number;
  /** How many of them are ready; absent: all, as soon as the endpoint runs. */
  readonly ready?: number;
  /** The time at which the engine has loaded its weights; only in `running`. */
  readonly loadedAt?: number;
}

/** The change in force at `now`: the last change that is not in the future. */
export function changeAt(changes: readonly Change[], now: number): Change {
  const change = changes.findLast((each) => each.at <= now) ?? changes[0];
  if (!change) throw new RangeError('an endpoint has at least one change');
  return change;
}

/** The past of `changes` at `now`, followed by a new plan; planned future changes are dropped. */
export function replan(changes: readonly Change[], now: number, plan: readonly Change[]): Change[] {
  return [...changes.filter((each) => each.at <= now), ...plan];
}

/** The replicas of an endpoint in one minute of clock time. `minute`: whole minutes since 1970. */
interface Minute {
  readonly minute: number;
  /** The most replicas that answered, and that were being started or changed, at any moment of the minute. */
  readonly ready: number;
  readonly starting: number;
}

/**
 * The cost of an endpoint up to `now`, in micro-dollars, rounded once.
 *
 * The meter: a minute of clock time (from :00 to :00, not from the endpoint's start) counts as a whole if the endpoint
 * was initializing, updating or running at any moment of it, at the highest rate of that minute. A state ends just
 * before the next one begins; the state in force counts for the minute of `now`. Hugging Face documents that it bills
 * per minute while an endpoint initializes and runs, but not how it rounds. The cost records of a ledger use the same
 * rule.
 */
export function spentMicroDollars(changes: readonly Change[], now: Ending): number {
  let sum = 0;
  let open = { minute: -1, rate: 0 };
  for (const { change, first, last } of lived(changes, now)) {
    const rate = change.microDollarsPerHour;
    if (rate === 0) continue;
    // A minute that two states share costs as much as the more expensive state.
    if (first === open.minute) {
      sum += Math.max(0, rate - open.rate) + rate * (last - first);
      open = { minute: last, rate: last === first ? Math.max(rate, open.rate) : rate };
    } else {
      sum += rate * (last - first + 1);
      open = { minute: last, rate };
    }
  }
  return Math.round(sum / 60);
}

/** Its replicas minute by minute, beginning with the minute of `from`, for the graphs of the management API. */
export function minutesOf(changes: readonly Change[], from: number, now: Ending): Minute[] {
  const minutes = new Map<number, Minute>();
  for (const { change, first, last } of lived(changes, now)) {
    const running = change.state === 'running' ? (change.ready ?? change.replicas) : 0;
    for (let minute = Math.max(first, Math.floor(from / MINUTE_MS)); minute <= last; minute++) {
      const { ready = 0, starting = 0 } = minutes.get(minute) ?? {};
      minutes.set(minute, {
        minute,
        ready: Math.max(ready, running),
        starting: Math.max(starting, change.replicas - running),
      });
    }
  }
  return [...minutes.values()];
}

/** The end of the period that counts: `at`, or just before it if `isOver`. */
interface Ending {
  readonly at: number;
  readonly isOver: boolean;
}

/** Each state that has begun, with its first and its last minute. */
function* lived(changes: readonly Change[], { at, isOver }: Ending) {
  for (const [index, change] of changes.entries()) {
    const next = changes[index + 1]?.at;
    const isLast = next === undefined || next > at;
    const end = isLast ? at : next;
    if (change.at > at || (change.at === end && (!isLast || isOver))) continue;
    const last = isLast && !isOver ? Math.floor(end / MINUTE_MS) : Math.ceil(end / MINUTE_MS) - 1;
    yield { change, first: Math.floor(change.at / MINUTE_MS), last };
  }
}

/** The state of an endpoint that survives a restart. */
export interface KeptEndpoint {
  readonly namespace: string;
  readonly spec: EndpointSpec;
  readonly createdAt: number;
  readonly changedAt: number;
  readonly deletedAt: number | null;
  readonly lastUsedAt: number | null;
  /** Past ones and planned ones. */
  readonly changes: readonly Change[];
  readonly port: number;
}
