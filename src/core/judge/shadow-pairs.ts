import type { Arrival, CallKey } from '../call.ts';
import { settleRejection } from '../care/next.ts';
import type { Outcome } from '../outcome.ts';
import type { Role } from '../route.ts';
import { asksOf } from './asks.ts';
import type { Asks } from './asks.ts';
import { CallMap } from './call-map.ts';
import { fullView } from './call-order.ts';
import type { Known, Taker } from './call-order.ts';
import { nameKey } from './name-key.ts';

/** Identifies a pair by its live call. */
export interface PairKey extends CallKey {
  /** When both halves were sent, epoch µs: after the live call was held, if it was. */
  readonly setOutAtUs: number;
  /** Step in which the live call was made; 0: in the shadow stage. */
  readonly step: number;
  /** Stands for the agent that sent the live call (`nameKey`); absent if that is not known. */
  readonly agent?: number;
  /** What the call asks of the form of its answer; absent if that is not known. */
  readonly asks?: Asks;
}

/** A call with its copy, as far as they have ended. */
export interface Pair extends PairKey {
  readonly stable: Known | null;
  readonly canary: Known | null;
}

interface OpenPair extends PairKey {
  stable: Known | null;
  canary: Known | null;
}

/**
 * Puts pairs in the order in which they were sent. A pair is handed on when it is as old as
 * `lateUs`, because by then each half has ended or counts as too late. Thus the ledger's rows give the same pairs in
 * the same order again. After the first call of a step was assigned, pairs of the shadow stage that were not old enough by
 * then are dropped.
 */
export class Pairs {
  readonly #taker: Pick<Taker, 'pair'>;
  readonly #lateUs: number;
  readonly #open = new CallMap<OpenPair>();
  #takenUpToUs = 0;
  #closedAtUs = Number.POSITIVE_INFINITY;

  constructor(taker: Pick<Taker, 'pair'>, lateUs: number) {
    this.#taker = taker;
    this.#lateUs = lateUs;
  }

  /** One half has ended. It is ignored if its pair was already handed on. */
  half(role: Role, { gatewayId, arrivedAtUs, setOutAtUs, step, agent, asks }: PairKey, known: Known): void {
    if (setOutAtUs <= this.#takenUpToUs) return;
    const key = { gatewayId, arrivedAtUs, setOutAtUs, step, ...ofCall({ agent, asks }) };
    const pair = this.#open.get(key) ?? { ...key, stable: null, canary: null };
    pair[role] = known;
    this.#open.set(key, pair);
  }

  /** A call of a step was assigned at `atUs`: pairs that were not old enough by then are dropped. */
  close(atUs: number): void {
    this.#closedAtUs = Math.min(this.#closedAtUs, atUs);
  }

  advance(nowUs: number): void {
    const upToUs = nowUs - this.#lateUs;
    this.#takenUpToUs = Math.max(this.#takenUpToUs, upToUs);
    const due = [...this.#open.values()].filter(({ setOutAtUs }) => setOutAtUs <= upToUs).sort(inOrder);
    for (const pair of due) {
      this.#open.delete(pair);
      if (isInTime(pair, this.#lateUs, this.#closedAtUs)) takePair(this.#taker, pair, this.#lateUs);
    }
  }
}

/** The order in which pairs are handed on. */
export function inOrder(a: PairKey, b: PairKey): number {
  return a.setOutAtUs - b.setOutAtUs || a.arrivedAtUs - b.arrivedAtUs || a.gatewayId - b.gatewayId;
}

/** Whether a pair is of a step, or was old enough when the first call of a step was assigned. */
export function isInTime({ setOutAtUs, step }: PairKey, lateUs: number, firstStepAtUs: number): boolean {
  return step > 0 || setOutAtUs + lateUs <= firstStepAtUs;
}

/** Hands a pair on, and returns true, unless both halves were too late: then there is nothing to compare. */
export function takePair(
  taker: Pick<Taker, 'pair'>,
  { gatewayId, arrivedAtUs, setOutAtUs, step, agent, asks, stable, canary }: Pair,
  lateUs: number,
): boolean {
  const when = { gatewayId, arrivedAtUs, assignedAtUs: setOutAtUs, step, weight: 0.5, waitedUs: 0 };
  const assigned = { ...when, ...ofCall({ agent, asks }) };
  const [live, copy] = [
    fullView({ ...assigned, role: 'stable' }, stable, lateUs),
    fullView({ ...assigned, role: 'canary' }, settledCopy(stable, canary, lateUs), lateUs),
  ];
  if (live.outcome === null && copy.outcome === null) return false;
  // An answer that came too late has no outcome here, so that what was learned from it counts neither.
  const isComparable = live.outcome === 'ok' && copy.outcome === 'ok';
  taker.pair(live, copy, isComparable ? (canary?.agreement ?? stable?.agreement ?? null) : null);
  return true;
}

/** How a copy ends that the endpoint rejects, or whose path or model it does not know. */
const REJECTED: ReadonlySet<Outcome> = new Set<Outcome>(['client_error', 'no_credits', 'not_found']);

/**
 * A copy that the endpoint rejected, in the light of the live call, as a rejected call is settled by the attempt that
 * follows it.
 */
function settledCopy(live: Known | null, copy: Known | null, lateUs: number): Known | null {
  if (copy === null || !REJECTED.has(copy.outcome)) return copy;
  const isKnown = live !== null && live.knownAfterUs < lateUs;
  return { ...copy, outcome: isKnown ? settleRejection(live.outcome).outcome : 'client_error' };
}

/** The key of the pair of a live call. */
export function keyOf({
  gatewayId,
  arrivedAtUs,
  waitedUs,
  step,
  agent,
  shape,
}: CallKey & Pick<Arrival, 'waitedUs' | 'step' | 'agent' | 'shape'>): PairKey {
  const setOutAtUs = arrivedAtUs + waitedUs;
  return { gatewayId, arrivedAtUs, setOutAtUs, step, agent: nameKey(agent), asks: asksOf(shape) };
}

function ofCall({
  agent,
  asks,
}: {
  readonly agent: number | undefined;
  readonly asks: Asks | undefined;
}): Pick<PairKey, 'agent' | 'asks'> {
  return { ...(agent !== undefined && { agent }), ...(asks !== undefined && { asks }) };
}
