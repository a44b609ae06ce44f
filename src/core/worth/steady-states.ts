import { MONTH_MS, HOUR_MS } from '../time.ts';
import type { Candidate } from '../sizing/candidate.ts';
import type { Capacity } from '../scaling/capacity.ts';
import type { LoadCurve } from '../usage/load-curve.ts';

/** One way to serve a route for good: some replicas, and serverless for the calls that find them full. */
export interface SteadyState {
  /** 0: everything is on serverless. */
  readonly replicas: number;
  /** Share of the calls that overflow to serverless, 0..1. */
  readonly overflowShare: number;
  /** Micro-dollars in thirty days: the replicas, and the calls on serverless. */
  readonly dedicatedMicros: number;
  readonly serverlessMicros: number;
}

/** What steady states are computed from. */
export interface SteadyInput {
  readonly load: LoadCurve;
  /** Calls at once that one replica carries. */
  readonly carries: number;
  /** Of one replica, micro-dollars. */
  readonly pricePerHourMicros: number;
  /** Of a call on serverless, micro-dollars. */
  readonly perCallMicros: number;
}

/** The steady states of a route, and what they rest on. */
export interface SteadyStates extends Omit<SteadyInput, 'load'> {
  /** Whether `carries` was measured. If not, it is an estimate. */
  readonly isMeasured: boolean;
  /** The past that is taken to go on, ms, and its calls. */
  readonly spanMs: number;
  readonly calls: number;
  readonly states: readonly SteadyState[];
  /** The policy lets no call overflow; absent: it does. */
  readonly isOverflowOff?: true;
}

const MOST_REPLICAS = 64;

/** The steady states of a load: on serverless alone, and with more and more replicas until no call overflows. */
export function steadyStates({ load, carries, pricePerHourMicros, perCallMicros }: SteadyInput): SteadyState[] {
  const callsPerMonth = (load.calls * MONTH_MS) / load.spanMs;
  const states: SteadyState[] = [];
  for (let replicas = 0; replicas <= MOST_REPLICAS; replicas++) {
    const overflowShare = load.calls === 0 ? 0 : load.overflow(replicas * carries) / load.calls;
    states.push({
      replicas,
      overflowShare,
      dedicatedMicros: Math.round((replicas * pricePerHourMicros * MONTH_MS) / HOUR_MS),
      serverlessMicros: Math.round(overflowShare * callsPerMonth * perCallMicros),
    });
    if (overflowShare === 0) break;
  }
  return states;
}

/** Micro-dollars in thirty days, both sides together. */
export function monthlyMicros({ dedicatedMicros, serverlessMicros }: SteadyState): number {
  return dedicatedMicros + serverlessMicros;
}

/** The cheapest of some states; of equal ones the one with the fewest replicas. Null if there is none. */
export function cheapestState(states: readonly SteadyState[]): SteadyState | null {
  return states.reduce<SteadyState | null>(
    (best, state) => (best === null || monthlyMicros(state) < monthlyMicros(best) ? state : best),
    null,
  );
}

/** The states that are left if no call may overflow: calls that find the replicas full wait for them. */
export function withoutOverflow(steady: SteadyStates): SteadyStates {
  const states = steady.states.filter(({ replicas, overflowShare }) => replicas === 0 || overflowShare === 0);
  return { ...steady, states, isOverflowOff: true };
}

/**
 * Compares the steady states of a route on an instance. Null if the load, the instance or a price is not known. A limit that
 * was seen on this instance counts for more than an estimate, and a concurrency at which it was well is the least that it
 * carries.
 */
export function compareStates(
  load: LoadCurve,
  candidate: Pick<Candidate, 'offer' | 'carries'> | null,
  known: { readonly capacity: Capacity | null; readonly perCallMicros: number | null },
): SteadyStates | null {
  const { capacity, perCallMicros } = known;
  const pricePerHourMicros = candidate?.offer.pricePerHourMicros ?? null;
  const carries = carriesOf(candidate?.carries ?? null, capacity);
  const isMeasured = carries !== null && carries === capacity?.carried;
  if (load.calls === 0 || carries === null || carries < 1) return null;
  if (pricePerHourMicros === null || perCallMicros === null) return null;
  const input = { carries, pricePerHourMicros, perCallMicros };
  return { ...input, isMeasured, spanMs: load.spanMs, calls: load.calls, states: steadyStates({ ...input, load }) };
}

/** The estimate, within what was seen: no less than what was well, and no more than what may be tried. */
function carriesOf(estimate: number | null, capacity: Capacity | null): number | null {
  if (capacity === null) return estimate;
  const { carried, isLimit, mayCarry = carried } = capacity;
  if (estimate === null) return carried;
  return Math.max(carried, isLimit ? Math.min(estimate, mayCarry) : estimate);
}
