import type { Arrival } from '../../core/call.ts';
import { errorMessage } from '../../core/errors.ts';
import { isShadowed } from '../../core/rollout/split.ts';
import { isExcluded } from '../../core/route.ts';
import type { Canary, ShadowShare } from '../../core/route.ts';
import { toEndpoint } from '../attempt/outbound.ts';
import type { AnswerPair } from '../form/answer-pair.ts';
import { LiveSet } from '../live-set.ts';
import type { Assignment } from '../request/assignment.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import type { Shared } from '../shared.ts';
import { Copy } from './copy.ts';

/** What happened to the calls of a rollout that were chosen to be copied, since the gateway was created. */
export interface ShadowCounts {
  /** Copies that were sent. */
  sent: number;
  inFlight: number;
  /** Not copied, because too many copies or live calls were in flight, the ledger was behind, or the endpoint had little room. */
  busy: number;
  /** Not copied, because the policy excludes the agent or the shape, or because the call repeats a refused one. */
  excluded: number;
  /** Not copied, because the policy's number of copies was used up. */
  usedUp: number;
}

/** With more live calls in flight than this, nothing is copied. */
const MOST_LIVE = 2_000;

/**
 * The copies of live calls that are sent to an endpoint in the shadow stage, and fewer in the steps. No client waits for a
 * copy or sees its errors. If the gateway is busy, copies are left out first.
 */
export class Shadows {
  readonly #copies = new LiveSet<Copy>();
  readonly #counts = new Map<string, ShadowCounts>();
  #isClosed = false;

  /** The counts of a rollout. */
  countsOf(rolloutId: string): Readonly<ShadowCounts> {
    return this.#counts.get(rolloutId) ?? NONE;
  }

  /**
   * Copies a call whose live attempt was sent `startedAfterUs` after its arrival, if it is chosen and there is room.
   * Returns what compares the two answers if the copy was sent, else null.
   */
  offer(shared: Shared, incoming: IncomingCall, assignment: Assignment, startedAfterUs: number): AnswerPair | null {
    const { arrival, canary } = assignment;
    const shadow = canary === null ? null : canary.shadow;
    if (this.#isClosed || canary === null || shadow === null || arrival.role !== 'stable') return null;
    if (!isShadowed(canary.rolloutId, shadow.share, arrival.arrivedAtUs)) return null;
    const counts = this.#countsFor(canary.rolloutId);
    const hindrance = hindranceOf(shared, arrival, { url: canary.url, ...shadow }, counts);
    if (hindrance !== null) {
      counts[hindrance]++;
      return null;
    }
    const ended = (copy: Copy) => {
      this.#copies.delete(copy);
      counts.inFlight--;
    };
    try {
      const pair = shared.forms.pairFor(incoming);
      const request = toEndpoint(incoming, assignment, shared.token);
      const copy = new Copy(shared, { arrival, incoming, pair, startedAfterUs }, request, ended);
      this.#copies.add(copy);
      counts.sent++;
      counts.inFlight++;
      copy.start();
      return pair;
    } catch (error) {
      // An error of a copy must not reach the live call.
      shared.log('error', 'a call could not be copied', { error: errorMessage(error) });
      return null;
    }
  }

  /** Gives up copies that have been silent, or have lasted, for too long. `nowMs`: from the coarse clock. */
  expire(nowMs: number): void {
    for (const copy of this.#copies) copy.expire(nowMs);
  }

  /** Ends all copies at once, and creates no more. */
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

/** Why a call that was chosen is not copied; null if it is copied. */
function hindranceOf(
  shared: Shared,
  arrival: Arrival,
  { url, exclude, calls, concurrency }: ShadowShare & Pick<Canary, 'url'>,
  counts: ShadowCounts,
): 'excluded' | 'usedUp' | 'busy' | null {
  if (arrival.isRepeat || isExcluded(arrival.agent, arrival.shape, exclude)) return 'excluded';
  if (counts.sent >= calls) return 'usedUp';
  if (counts.inFlight >= concurrency) return 'busy';
  // In a step the endpoint's places are for the calls that it serves.
  if (arrival.step > 0 && !shared.gates.of(url).hasAmpleRoom) return 'busy';
  return shared.live.size > MOST_LIVE || shared.recorder.isDegraded ? 'busy' : null;
}
