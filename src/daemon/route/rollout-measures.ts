import { assignedTo } from '../../core/call.ts';
import type { Arrival, Call, Shadow } from '../../core/call.ts';
import type { FaultRow } from '../../core/fault-kind.ts';
import { UpstreamFaults } from '../../core/decide/upstream-faults.ts';
import { asksOf } from '../../core/judge/asks.ts';
import { knownFailure, knownOf } from '../../core/judge/call-order.ts';
import { keyOf } from '../../core/judge/shadow-pairs.ts';
import type { Verdict } from '../../core/judge/verdict.ts';
import { isFault, isRejection } from '../../core/outcome.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import type { ShadowFigures } from '../../core/rollout/ask.ts';
import { awaySince } from '../../core/rollout/detour.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import type { RoleTally, StepFigures, TalliedCall } from '../../core/rollout/step-figures.ts';
import { upstreamOf } from '../../core/route.ts';
import type { Role, Toward, UpstreamKind } from '../../core/route.ts';
import { isJudged, Judging } from './judging.ts';
import { StepTallies } from './step-tallies.ts';

/** When an outcome was known: clock ms, and µs after the arrival; and the code of the error that ended it, or empty. */
export interface KnownFailure {
  readonly knownAfterUs: number;
  readonly nowMs: number;
  readonly errorCode: string;
  /** Where its first attempt went. */
  readonly upstream: UpstreamKind;
}

/** What is measured of one rollout, or nothing where a route has none. Another rollout gets measures of its own. */
export class RolloutMeasures {
  readonly #policy: RoutePolicy;
  readonly #toward: Toward;
  readonly #steps: StepTallies;
  readonly #canaryFaults = new UpstreamFaults();
  readonly #endpointFaults = new UpstreamFaults();
  #rollout: Rollout | null;
  #judging: Judging | null = null;
  #shadow: Pick<ShadowFigures, 'ended' | 'faults'> = { ended: 0, faults: 0 };
  #copiedBefore = 0;
  #longestOnEndpointMs = 0;
  #endpointAnsweredAt: number | null = null;
  #lastCallAt: number | null = null;

  /** `policy`: what the rollout pins. */
  constructor(rollout: Rollout | null, policy: RoutePolicy) {
    this.#policy = policy;
    this.#rollout = rollout;
    this.#toward = rollout?.toward ?? 'dedicated';
    this.#steps = new StepTallies(this.#toward);
    this.#judging = this.#judge(rollout);
  }

  /** The rollout has changed: it may be in another phase, step or detour. */
  changed(rollout: Rollout | null): void {
    const before = this.#rollout;
    this.#rollout = rollout;
    const isElsewhere = rollout?.phase !== before?.phase || awaySince(rollout) !== awaySince(before);
    if (isElsewhere) this.#canaryFaults.reset();
    this.#judging = this.#judge(rollout);
  }

  #judge(rollout: Rollout | null): Judging | null {
    if (rollout === null || !('profile' in rollout)) return null;
    return this.#judging ?? new Judging(rollout, this.#policy);
  }

  /** The judge, from the shadow stage to the promotion. */
  get judging(): Judging | null {
    return this.#judging;
  }

  /** How many of the canary's last decided calls, without a break, were faults. */
  get canaryFaultsInRow(): number {
    return this.#canaryFaults.count;
  }

  /** Of which kinds they were; null if there are none. */
  get canaryFaultRow(): FaultRow | null {
    return this.#canaryFaults.row;
  }

  /** The same for the endpoint on a way back, where it is stable. */
  get endpointFaultsInRow(): number {
    return this.#endpointFaults.count;
  }

  get endpointFaultRow(): FaultRow | null {
    return this.#endpointFaults.row;
  }

  /** When the endpoint last answered a call or a copy well, clock ms; null if it did not. */
  get endpointAnsweredAt(): number | null {
    return this.#endpointAnsweredAt;
  }

  /** When the rollout last got a call that counts for a role, clock ms; null if this process saw none. */
  get lastCallAt(): number | null {
    return this.#lastCallAt;
  }

  /** What became of the copies of the shadow stage. */
  get shadow(): Pick<ShadowFigures, 'ended' | 'faults'> {
    return this.#shadow;
  }

  /** Copies that a former process made. The policy limits the number of all copies. */
  get copiedBefore(): number {
    return this.#copiedBefore;
  }

  /** The longest that a call was on the endpoint, clock ms. */
  get longestOnEndpointMs(): number {
    return this.#longestOnEndpointMs;
  }

  /** Both roles of a step. `overdue`: calls in flight beyond the first-byte limit, per role. */
  figures(step: number, overdue: Readonly<Record<Role, number>>): StepFigures {
    return this.#steps.figures(step, overdue);
  }

  /** The verdict on a step, from the calls that were decided when time last moved on; null if nothing is judged. */
  verdict(step: number): Verdict | null {
    return this.#judging?.verdict(step) ?? null;
  }

  /** Time moves on: the judge gets the calls that are decided by now. */
  advance(nowMs: number): void {
    this.#judging?.advance(nowMs * 1_000);
  }

  /** Whether a call was assigned by the rollout. */
  has(call: { readonly rolloutId: string | null }): boolean {
    return this.#rollout !== null && call.rolloutId === this.#rollout.id;
  }

  /** Whether an outcome of a call of the rollout is a fault of the upstream that it shows something about. */
  isFaultOf(arrival: Arrival, outcome: Outcome, upstream = assignedTo(arrival)): boolean {
    return this.has(arrival) && isFault(outcome, upstream, this.#toward);
  }

  arrived(arrival: Arrival): void {
    const tally = this.#tally(arrival);
    tally?.arrived();
    if (tally !== null) this.#lastCallAt = arrival.arrivedAtUs / 1_000;
    if (!this.has(arrival) || !isJudged(arrival)) return;
    const { gatewayId, arrivedAtUs, assignedAtUs, role, step, weight, unit, shape } = arrival as Arrival & {
      role: Role;
    };
    const assigned = { gatewayId, arrivedAtUs, assignedAtUs, role, step, weight, ...(unit !== undefined && { unit }) };
    this.#judging?.assigned({ ...assigned, asks: asksOf(shape) });
  }

  sent(arrival: Arrival): void {
    if (this.has(arrival) && isJudged(arrival)) this.#judging?.sent(arrival, arrival.waitedUs);
  }

  /** True if the canary or the endpoint has failed so often in a row that a tick should decide at once. */
  failed(arrival: Arrival, outcome: Outcome, { knownAfterUs, nowMs, errorCode, upstream }: KnownFailure): boolean {
    const fault = { code: errorCode, atMs: nowMs };
    if (this.has(arrival) && isJudged(arrival)) {
      this.#judging?.known(arrival, knownFailure(outcome, knownAfterUs - arrival.waitedUs));
    }
    this.#tally(arrival)?.faulted(outcome);
    const shown = shownBy(arrival, upstream);
    if (!this.isFaultOf(arrival, outcome, shown)) return false;
    if (this.#isCanary(arrival, shown)) this.#canaryFaults.fault(outcome, arrival.agent, fault);
    else if (shown === 'dedicated') this.#endpointFaults.fault(outcome, arrival.agent, fault);
    return Math.max(this.canaryFaultsInRow, this.endpointFaultsInRow) >= this.#policy.limits.consecutiveFaults;
  }

  ended(call: Call): void {
    this.#tally(call)?.ended(call, call.outcome !== 'ok');
    if (!this.has(call)) return;
    if (call.outcome === 'ok') {
      const shown = shownBy(call, call.attempts[0]?.upstream);
      if (this.#isCanary(call, shown)) this.#canaryFaults.reset();
      if (shown === 'dedicated') {
        this.#endpointFaults.reset();
        this.#answeredAt(call);
      }
    }
    if (call.servedBy === 'dedicated') this.#wasOnEndpoint(call);
    if (call.hasShadow) this.#judging?.half('stable', keyOf(call), knownOf(call));
    if (call.outcome === 'ok' && isJudged(call)) this.#judging?.known(call, knownOf(call));
  }

  /** A copy ended. True if the endpoint's faults in a row need a tick at once. */
  shadowed(arrival: Arrival, shadow: Shadow): boolean {
    if (!this.has(shadow)) return false;
    this.#judging?.half('canary', keyOf(arrival), shadow);
    // In a step its own calls show how the endpoint does.
    if (arrival.step > 0) return false;
    this.#shadow = { ...this.#shadow, ended: this.#shadow.ended + 1 };
    if (shadow.outcome === 'ok') {
      this.#canaryFaults.reset();
      this.#answeredAt(shadow);
    }
    if (!isFault(shadow.outcome, 'dedicated', this.#toward)) return false;
    this.#shadow = { ...this.#shadow, faults: this.#shadow.faults + 1 };
    // Whose mistake a rejection is shows only with the live call.
    const isRejected = isRejection(shadow.status) && shadow.outcome !== 'paused';
    const atMs = (shadow.arrivedAtUs + shadow.durationUs) / 1_000;
    this.#canaryFaults.fault(isRejected ? 'rejected_by_endpoint' : shadow.outcome, arrival.agent, { atMs });
    return this.canaryFaultsInRow >= this.#policy.limits.consecutiveFaults;
  }

  /** Counts a call of a former process. */
  restore(step: number, role: Role, call: TalliedCall): void {
    if (upstreamOf(role, this.#toward) === 'dedicated') this.#wasOnEndpoint(call);
    const tally = this.#steps.of(step, role);
    tally.arrived();
    tally.ended(call, false);
  }

  /** Counts copies that a former process made. */
  restoreCopies(copies: number): void {
    this.#copiedBefore += copies;
  }

  /**
   * Whether a call shows something about the canary. One without a role may: it waited for a place at the endpoint, or the
   * endpoint got it through an outage. Its faults are those of the endpoint all the same.
   */
  #isCanary({ role }: Pick<Arrival, 'role'>, shown: UpstreamKind): boolean {
    return role === 'canary' || (role === null && shown === 'dedicated' && this.#toward === 'dedicated');
  }

  #answeredAt({ arrivedAtUs, durationUs }: Pick<Call, 'arrivedAtUs' | 'durationUs'>): void {
    const at = (arrivedAtUs + durationUs) / 1_000;
    this.#endpointAnsweredAt = Math.max(at, this.#endpointAnsweredAt ?? at);
  }

  #wasOnEndpoint({ durationUs }: Pick<Call, 'durationUs'>): void {
    this.#longestOnEndpointMs = Math.max(this.#longestOnEndpointMs, durationUs / 1_000);
  }

  #tally(call: Pick<Arrival, 'rolloutId' | 'role' | 'isEligible' | 'step'>): RoleTally | null {
    if (call.role === null || !call.isEligible || !this.has(call)) return null;
    return this.#steps.of(call.step, call.role);
  }
}

/** The upstream that a call shows something about. `first`: where its first attempt went. */
function shownBy(call: Pick<Arrival, 'role' | 'isWayBack' | 'isThroughOutage' | 'wasFull'>, first?: UpstreamKind) {
  return call.wasFull === true && first !== undefined ? first : assignedTo(call);
}
