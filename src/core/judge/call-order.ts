import { DELAYED_US, knownAfterAllUs } from '../call.ts';
import type { Call, CallKey } from '../call.ts';
import type { Agreement } from '../form/agreement.ts';
import type { AnswerForm } from '../form/form.ts';
import type { Outcome } from '../outcome.ts';
import type { Role } from '../route.ts';
import type { Asks } from './asks.ts';
import { CallMap } from './call-map.ts';
import { nameKey } from './name-key.ts';
import { EARLY_US } from './scores.ts';
import type { JudgedCall } from './verdict.ts';

/** Receives the calls in order: usually the judge. */
export interface Taker {
  early(call: JudgedCall): void;
  take(call: JudgedCall): void;
  /** `agreement`: of the two answers; null if it is not known. */
  pair(stable: JudgedCall, canary: JudgedCall, agreement: Agreement | null): void;
}

/** A call as it was assigned to a role. */
export interface Assigned extends CallKey {
  /** When it was assigned, epoch µs. Calls are judged in this order. */
  readonly assignedAtUs: number;
  readonly role: Role;
  readonly step: number;
  readonly weight: number;
  /** The unit that it was assigned with; absent: it was assigned by itself. */
  readonly unit?: number;
  /** What it asks of the form of its answer; absent if that is not known. */
  readonly asks?: Asks;
  /** Of a call with a copy: stands for the agent that sent it; absent if that is not known. */
  readonly agent?: number;
  /** How long it was then held, until it was sent or ended. */
  readonly waitedUs: number;
}

/**
 * The order in which calls are judged: by the time of their assignment, and within the same microsecond by gateway.
 * Calls read from the ledger have the same order, whichever gateway reported its call first.
 */
export function byAssignment(a: Omit<Assigned, 'waitedUs'>, b: Omit<Assigned, 'waitedUs'>): number {
  return a.assignedAtUs - b.assignedAtUs || a.gatewayId - b.gatewayId || a.arrivedAtUs - b.arrivedAtUs;
}

/** How a call's first attempt ended if it failed; otherwise how the call ended. */
export interface Known {
  readonly outcome: Outcome;
  readonly knownAfterUs: number;
  readonly durationUs: number;
  readonly firstTokenUs: number | null;
  readonly promptTokens: number | null;
  readonly outputTokens: number | null;
  readonly isEmpty: boolean | null;
  /** The form of its answer; null or absent if it is not known. */
  readonly form?: AnswerForm | null;
  /** How far its answer agrees with that of the other half of its pair, if it ended as the second of the two. */
  readonly agreement?: Agreement | null;
  /** Of a call with a copy: stands for the provider that served it behind serverless; absent if that is not known. */
  readonly provider?: number;
}

interface Entry {
  readonly assigned: Omit<Assigned, 'waitedUs'>;
  /** Null while the call is held. */
  waitedUs: number | null;
  known: Known | null;
}

/**
 * Calls pile up behind a slow call. After it, one `advance` hands on at most `least` calls, or `part` of those that
 * wait if that is more. This delays the verdict a little, because handing on all of them at once would delay every live
 * call.
 */
const AT_ONCE = { least: 1_500, part: 1 / 16 };

/**
 * Puts a rollout's calls in the order in which they were assigned, whenever they end. It hands each call on as soon as
 * it and all calls before it are decided: to `early` once it failed, ended, or is two seconds old; to `take` once it
 * failed, ended, or is as old as `lateUs`. Thus every slow call is judged in its place, and the ledger's rows give the
 * same order again.
 */
export class CallOrder {
  readonly #taker: Taker;
  readonly #lateUs: number;
  readonly #open = new CallMap<Entry>();
  #queue: Entry[] = [];
  #early = 0;
  #full = 0;

  constructor(taker: Taker, lateUs: number) {
    this.#taker = taker;
    this.#lateUs = lateUs;
  }

  /** How many calls were not handed to `take` yet. */
  get waiting(): number {
    return this.#queue.length - this.#full;
  }

  assigned(assigned: Omit<Assigned, 'waitedUs'>): void {
    const entry: Entry = { assigned, waitedUs: null, known: null };
    this.#open.set(assigned, entry);
    const queue = this.#queue;
    let place = queue.length;
    // Almost always 0 steps: more only if another gateway's call of the same microsecond was reported first.
    while (place > this.#early && byAssignment((queue[place - 1] as Entry).assigned, assigned) > 0) place--;
    if (place === queue.length) queue.push(entry);
    else queue.splice(place, 0, entry);
  }

  /** The call's first attempt was sent after the call was held for `waitedUs`, or the call ended without an attempt. */
  sent(call: CallKey, waitedUs: number): void {
    const entry = this.#open.get(call);
    if (entry !== undefined) entry.waitedUs = waitedUs;
  }

  /** The first attempt failed, or the call ended. Of one call only the first report counts. */
  known(call: CallKey, known: Known): void {
    const entry = this.#open.get(call);
    if (entry === undefined) return;
    entry.known = known;
    this.#open.delete(call);
  }

  /**
   * Hands on the calls that are decided by now. Calls of the current microsecond wait until the next `advance`, because
   * another call of the same microsecond may still be assigned and belong before them.
   */
  advance(nowUs: number): void {
    const queue = this.#queue;
    for (; this.#early < queue.length; this.#early++) {
      const { assigned, waitedUs, known } = queue[this.#early] as Entry;
      if (assigned.assignedAtUs >= Math.floor(nowUs)) break;
      const ageUs = nowUs - assigned.assignedAtUs;
      // A call that is still held has been held for its whole age so far.
      const heldUs = waitedUs ?? ageUs;
      if (known === null && heldUs < EARLY_US && ageUs - (waitedUs ?? 0) < EARLY_US) break;
      this.#taker.early(earlyView({ ...assigned, waitedUs: heldUs }, known));
    }
    const end = Math.min(this.#early, Math.floor(Math.max(AT_ONCE.least, AT_ONCE.part * this.#early)));
    for (; this.#full < end; this.#full++) {
      const { assigned, waitedUs, known } = queue[this.#full] as Entry;
      if (waitedUs === null) break;
      if (known === null && nowUs - assigned.assignedAtUs - waitedUs < this.#lateUs) break;
      this.#open.delete(assigned);
      this.#taker.take(fullView({ ...assigned, waitedUs }, known, this.#lateUs));
    }
    if (this.#full < 1_024) return;
    this.#queue = queue.slice(this.#full);
    this.#early -= this.#full;
    this.#full = 0;
  }
}

/**
 * What is known of a call at the age of two seconds, not counting how long it was held; the same whenever it is asked
 * for. A call that was held for two seconds or longer counts as refused: it belongs in the order because it was
 * assigned, but it has no score.
 */
export function earlyView(assigned: Assigned, known: Known | null): JudgedCall {
  if (assigned.waitedUs >= EARLY_US) return viewAt(assigned, knownFailure('rate_limited', 0), EARLY_US);
  return viewAt(assigned, known, EARLY_US);
}

/** A call as it is known once it is as old as `lateUs`. */
export function fullView(assigned: Assigned, known: Known | null, lateUs: number): JudgedCall {
  return viewAt(assigned, known, lateUs);
}

function viewAt(
  { assignedAtUs, role, step, weight, unit, asks, agent, waitedUs }: Assigned,
  known: Known | null,
  atUs: number,
): JudgedCall {
  const held = waitedUs >= DELAYED_US ? { wasHeld: true } : {};
  const more = {
    ...(unit !== undefined && { unit }),
    ...(asks !== undefined && { asks }),
    ...(agent !== undefined && { agent }),
  };
  const base = { arrivedAtUs: assignedAtUs, role, step, weight, ...more, ...held };
  if (known === null || known.knownAfterUs >= atUs) {
    const running = { outcome: null, knownAfterUs: atUs, durationUs: atUs };
    return { ...base, ...running, ...NOTHING };
  }
  const { outcome, knownAfterUs, durationUs, firstTokenUs, promptTokens, outputTokens, isEmpty, form = null } = known;
  if (outcome === 'ok') {
    const times = { knownAfterUs, durationUs, firstTokenUs };
    const provider = known.provider === undefined ? {} : { provider: known.provider };
    return { ...base, outcome, ...times, promptTokens, outputTokens, isEmpty, form, ...provider };
  }
  // If the first attempt failed, what followed, such as a fall-back, is not the role's doing.
  return { ...base, outcome, knownAfterUs, durationUs: knownAfterUs, ...NOTHING };
}

/** What a call without an answer of its first attempt shows. */
const NOTHING = { firstTokenUs: null, promptTokens: null, outputTokens: null, isEmpty: null, form: null };

/** What is judged of a call if its first attempt failed. */
export function knownFailure(outcome: Outcome, knownAfterUs: number): Known {
  return { outcome, knownAfterUs, durationUs: knownAfterUs, ...NOTHING };
}

/**
 * What is judged of a call that ended; its row in the ledger gives the same. Times do not contain how long upshift held
 * the call, because that is not the upstream's doing.
 */
export function knownOf(call: Call): Known {
  const { outcome, waitedUs, promptTokens, outputTokens, isEmpty, form } = call;
  const firstTokenUs = call.firstTokenUs === null ? null : call.firstTokenUs - waitedUs;
  const durationUs = call.durationUs - waitedUs;
  const afterUs = knownAfterAllUs(call.attempts);
  const knownAfter = afterUs === null ? durationUs : afterUs - waitedUs;
  const agreement = call.agreement == null ? {} : { agreement: call.agreement };
  const provider = call.hasShadow && call.provider != null ? { provider: nameKey(call.provider) } : {};
  const tokens = { firstTokenUs, promptTokens, outputTokens, isEmpty };
  return { outcome, knownAfterUs: knownAfter, durationUs, ...tokens, form, ...agreement, ...provider };
}
