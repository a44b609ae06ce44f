import type { Arrival } from '../../core/call.ts';
import { errorMessage } from '../../core/errors.ts';
import { isShadowed } from '../../core/rollout/split.ts';
import { isExcluded } from '../../core/route.ts';
import type { ShadowShare } from '../../core/route.ts';
import { toEndpoint } from '../attempt/outbound.ts';
import { LiveSet } from '../live-set.ts';
import type { Assignment } from '../request/assignment.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import type { Shared } from '../shared.ts';
import { Copy } from './copy.ts';

/** What became of the calls of a rollout that were chosen to be copied, since the gateway was made. */
export interface ShadowCounts {
  /** Copies that set out. */
  sent: number;
  inFlight: number;
  /** Not copied: too many copies or live calls were in flight, or the ledger was behind. */
  busy: number;
  /** Not copied: the policy keeps the agent or the shape out, or the call repeats a refused one. */
  excluded: number;
  /** Not copied: as many had been as may be. */
  usedUp: number;
}

/** With more live calls in flight than this, nothing is copied. */
const MOST_LIVE = 2_000;

/**
 * The copies of live calls that go to an endpoint in the shadow stage. Nobody waits for a copy and nobody hears of its
 * errors; where there is much to do it is the first thing that is left out.
 */
export class Shadows {
  readonly #copies = new LiveSet<Copy>();
  readonly #counts = new Map<string, ShadowCounts>();
  #isClosed = false;

  /** What was counted for a rollout. */
  countsOf(rolloutId: string): Readonly<ShadowCounts> {
    return this.#counts.get(rolloutId) ?? NONE;
  }

  /**
   * Copies a call whose live attempt has set out, `startedAfterUs` after its arrival, where it is chosen and there is room.
   * True where the copy is on its way.
   */
  offer(shared: Shared, incoming: IncomingCall, assignment: Assignment, startedAfterUs: number): boolean {
    const { arrival, canary } = assignment;
    if (this.#isClosed || canary === null || canary.shadow === null || arrival.role !== 'stable') return false;
    if (!isShadowed(canary.rolloutId, canary.shadow.share, arrival.arrivedAtUs)) return false;
    const counts = this.#countsFor(canary.rolloutId);
    const hindrance = hindranceOf(shared, arrival, canary.shadow, counts);
    if (hindrance !== null) {
      counts[hindrance]++;
      return false;
    }
    const ended = (copy: Copy) => {
      this.#copies.delete(copy);
      counts.inFlight--;
    };
    try {
      const copy = new Copy(shared, arrival, toEndpoint(incoming, assignment, shared.token), startedAfterUs, ended);
      this.#copies.add(copy);
      counts.sent++;
      counts.inFlight++;
      copy.start();
      return true;
    } catch (error) {
      // Whatever it is, it must not reach the live call.
      shared.log('error', 'a call could not be copied', { error: errorMessage(error) });
      return false;
    }
  }

  /** Gives up copies that have been silent, or have lasted, for too long. */
  expire(nowMs: number): void {
    for (const copy of this.#copies) copy.expire(nowMs);
  }

  /** Ends all copies at once, and makes no more. */
  close(): void {
    this.#isClosed = true;
    for (const copy of this.#copies) copy.cut();
  }

  #countsFor(rolloutId: string): ShadowCounts {
    let counts = this.#counts.get(rolloutId);
    if (counts === undefined) this.#counts.set(rolloutId, (counts = { ...NONE }));
    return counts;
  }
}

const NONE: Readonly<ShadowCounts> = { sent: 0, inFlight: 0, busy: 0, excluded: 0, usedUp: 0 };

/** Why a call that was chosen is not copied; null where it is. */
function hindranceOf(
  shared: Shared,
  arrival: Arrival,
  { exclude, calls, concurrency }: ShadowShare,
  counts: ShadowCounts,
): 'excluded' | 'usedUp' | 'busy' | null {
  if (arrival.isRepeat || isExcluded(arrival.agent, arrival.shape, exclude)) return 'excluded';
  if (counts.sent >= calls) return 'usedUp';
  if (counts.inFlight >= concurrency) return 'busy';
  return shared.live.size > MOST_LIVE || shared.recorder.isDegraded ? 'busy' : null;
}
