import type { Arrival, Call, Outcome, Shadow } from '../core/call.ts';
import { DELAYED_US, isFault } from '../core/call.ts';
import { judgeCriteria } from '../core/criteria.ts';
import type { Decision } from '../core/decision.ts';
import { knownFailure, knownOf } from '../core/docket.ts';
import type { StepFigures, TalliedCall } from '../core/figures.ts';
import { NO_FIGURES, RoleTally } from '../core/figures.ts';
import type {
  EffectName,
  EffectResult,
  EndpointSeen,
  Observation,
  ShadowFigures,
  Survey,
} from '../core/observation.ts';
import type { PairKey } from '../core/pairs.ts';
import type { RoutePolicy } from '../core/policy.ts';
import { RecentOutcomes } from '../core/recent.ts';
import type { Rollout } from '../core/rollout.ts';
import type { CallShape, Role, UpstreamKind } from '../core/route.ts';
import { awaySince } from '../core/scaling/detour.ts';
import type { LearnedLoad } from '../core/scaling/load.ts';
import { RouteLoad } from '../core/scaling/load.ts';
import type { Verdict } from '../core/verdict.ts';
import { DemandWindow } from '../core/window.ts';
import { Judging, isJudged } from './judging.ts';
import { heededSigns, loadCallOf } from './load.ts';

interface StepTally {
  readonly stable: RoleTally;
  readonly canary: RoleTally;
}

/** What was decided, and on what. */
export interface Retreat {
  readonly rollout: Rollout;
  readonly seen: Observation;
  readonly decision: Decision;
}

const NO_SHADOW = { ended: 0, faults: 0 };

/** Everything that is known of one route between two ticks. Fed by the gateway call by call; read by `observe`. */
export class RouteWatch {
  readonly model: string;
  /** What the policy file says today; a rollout pins what it said when it was proposed. */
  filePolicy: RoutePolicy;
  pinnedPolicy: RoutePolicy | null = null;
  rollout: Rollout | null = null;
  lastRollout: Rollout | null = null;
  openAskId: number | null = null;
  survey: Survey | null = null;
  endpoint: EndpointSeen | null = null;
  readonly effects = new Set<EffectName>();
  readonly results: Partial<Record<EffectName, EffectResult>> = {};
  readonly shapes = new Set<CallShape>();
  readonly recent = new RecentOutcomes();
  window: DemandWindow;
  faultsInRow = 0;
  /** Copies that a former process made for the rollout: they count against what the policy allows in all. */
  copiedBefore = 0;
  /** What became of the copies of the shadow stage. */
  shadow: Pick<ShadowFigures, 'ended' | 'faults'> = NO_SHADOW;
  /** When a tick last looked, clock ms. */
  observedAt = 0;
  /** A decision to go back that the ledger cannot take: carried out in memory, and journalled as soon as it can be. */
  retreat: Retreat | null = null;
  #steps = new Map<number, StepTally>();
  #judging: Judging | null = null;
  #load: RouteLoad | null = null;

  constructor(model: string, policy: RoutePolicy) {
    this.model = model;
    this.filePolicy = policy;
    this.window = this.newWindow();
  }

  /** The policy in force: the rollout's own, else the file's. */
  get policy(): RoutePolicy {
    return this.pinnedPolicy ?? this.filePolicy;
  }

  /** Whether the weight is 0 although no event in the ledger says so yet. */
  get isForcedToZero(): boolean {
    return this.retreat !== null;
  }

  /**
   * Takes a new policy file's word. What held under other criteria does not count as held under these. True where the
   * window must be filled again because its length changed.
   */
  adopt(policy: RoutePolicy, nowMs: number): boolean {
    const before = this.filePolicy.criteria;
    this.filePolicy = policy;
    if (JSON.stringify(before) !== JSON.stringify(policy.criteria)) this.window.interrupt(nowMs);
    return policy.criteria.window !== before.window;
  }

  /** An empty window of the length that the policy file says, to be filled and then put in place of the old one. */
  newWindow(): DemandWindow {
    return new DemandWindow(
      this.filePolicy.criteria.window,
      (figures) => judgeCriteria(figures, this.filePolicy.criteria).holds,
    );
  }

  /** Makes a rollout the active one; figures begin anew where it is another one. */
  setRollout(rollout: Rollout | null, policy: RoutePolicy | null): void {
    if (rollout?.id !== this.rollout?.id) {
      this.#steps.clear();
      this.faultsInRow = 0;
      this.shadow = NO_SHADOW;
      this.copiedBefore = 0;
      this.endpoint = null;
      this.retreat = null;
      for (const effect of Object.keys(this.results) as EffectName[]) delete this.results[effect];
    }
    if (awaySince(rollout) !== awaySince(this.rollout)) this.faultsInRow = 0;
    this.rollout = rollout;
    this.pinnedPolicy = rollout === null ? null : policy;
    if (rollout !== null) this.load?.setEndpoint(rollout.endpointName, heededSigns(this.policy));
    if (rollout === null || !('profile' in rollout)) this.#judging = null;
    else if (this.#judging?.rolloutId !== rollout.id) this.#judging = new Judging(rollout, this.policy);
  }

  /** The load, of a route that has an endpoint or may get one. */
  get load(): RouteLoad | null {
    if (this.policy.endpoint !== null) this.#load ??= new RouteLoad(heededSigns(this.policy));
    return this.#load;
  }

  /** Goes on from what a former process learned of the load. */
  learnLoad(learned: LearnedLoad): void {
    this.#load = new RouteLoad(heededSigns(this.policy), learned);
  }

  /** The judge of the active rollout, from the shadow stage to the promotion. */
  get judging(): Judging | null {
    return this.#judging;
  }

  /** What the judge says of a step by now; null where nothing is judged. */
  verdict(step: number, nowMs: number): Verdict | null {
    return this.#judging?.verdict(step, nowMs) ?? null;
  }

  arrived(arrival: Arrival): void {
    const at = arrival.arrivedAtUs / 1_000;
    this.shapes.add(arrival.shape);
    if (arrival.role !== 'canary' && !arrival.isRepeat) this.window.arrived(at, arrival.agent, arrival.isAgentDerived);
    this.#tally(arrival)?.arrived();
    if (this.#isCurrent(arrival) && isJudged(arrival)) this.#judging?.assigned(arrival as Arrival & { role: Role });
  }

  sent(arrival: Arrival, nowMs: number): void {
    if (this.#isDelayed(arrival)) this.window.refused(nowMs);
    if (this.#isCurrent(arrival) && isJudged(arrival)) this.#judging?.sent(arrival.arrivedAtUs, arrival.waitedUs);
  }

  /** Serverless could not take it in time: that counts as refused, once. */
  #isDelayed({ waitedUs, role, isRepeat }: Arrival): boolean {
    return waitedUs >= DELAYED_US && role !== 'canary' && !isRepeat;
  }

  /** True where the canary has now failed so often in a row that somebody should look. */
  failed(
    arrival: Arrival,
    outcome: Outcome,
    upstream: UpstreamKind,
    { knownAfterUs, nowMs }: { readonly knownAfterUs: number; readonly nowMs: number },
  ): boolean {
    if (this.#isCurrent(arrival) && isJudged(arrival)) {
      this.#judging?.known(arrival.arrivedAtUs, knownFailure(outcome, knownAfterUs - arrival.waitedUs));
    }
    if (outcome === 'rate_limited' && upstream === 'serverless' && !arrival.isRepeat && !this.#isDelayed(arrival)) {
      this.window.refused(nowMs);
    }
    this.#tally(arrival)?.faulted(outcome);
    if (arrival.role !== 'canary' || !this.#isCurrent(arrival) || !isFault(outcome, 'dedicated')) return false;
    this.faultsInRow++;
    return this.faultsInRow >= this.policy.limits.consecutiveFaults;
  }

  ended(call: Call, nowMs: number): void {
    for (const attempt of call.attempts) {
      if (attempt.upstream === 'serverless') this.recent.add(nowMs, attempt.outcome);
    }
    if (call.role === 'canary' && call.outcome === 'ok' && this.#isCurrent(call)) this.faultsInRow = 0;
    this.#tally(call)?.ended(call, call.outcome !== 'ok');
    const loaded = this.load === null ? null : loadCallOf(call, this.rollout);
    if (loaded !== null) this.load?.ended(loaded);
    if (!this.#isCurrent(call)) return;
    if (call.hasShadow) this.#judging?.half('stable', keyOf(call), knownOf(call));
    else if (call.outcome === 'ok' && isJudged(call)) this.#judging?.known(call.arrivedAtUs, knownOf(call));
  }

  /** A call went past the gateway: demand for serverless while it is recent, and nothing that is judged. */
  bypassed({ arrivedAtUs, shape, agent, isAgentDerived, outcome }: Call, nowMs: number): void {
    this.shapes.add(shape);
    this.window.arrivedLate(
      arrivedAtUs / 1_000,
      nowMs,
      { agent, isDerived: isAgentDerived },
      outcome === 'rate_limited',
    );
  }

  /** A copy of the shadow stage ended. True where the endpoint has failed so often in a row that somebody should look. */
  shadowed(arrival: Arrival, shadow: Shadow): boolean {
    if (!this.#isCurrent(shadow)) return false;
    this.#judging?.half('canary', keyOf(arrival), shadow);
    this.shadow = { ...this.shadow, ended: this.shadow.ended + 1 };
    if (shadow.outcome === 'ok') this.faultsInRow = 0;
    if (!isFault(shadow.outcome, 'dedicated')) return false;
    this.shadow = { ...this.shadow, faults: this.shadow.faults + 1 };
    this.faultsInRow++;
    return this.faultsInRow >= this.policy.limits.consecutiveFaults;
  }

  /** Counts a call of the ledger again, after a restart. */
  restore(step: number, role: Role, call: TalliedCall): void {
    const tally = this.#stepTally(step)[role];
    tally.arrived();
    tally.ended(call, false);
  }

  /** Both roles of a step. `overdue`: calls in flight beyond the first-byte limit, per role. */
  figures(step: number, overdue: Readonly<Record<Role, number>>): StepFigures {
    const tally = this.#steps.get(step);
    if (tally === undefined) return { step, stable: NO_FIGURES, canary: NO_FIGURES };
    return { step, stable: tally.stable.figures(overdue.stable), canary: tally.canary.figures(overdue.canary) };
  }

  #isCurrent(call: { readonly rolloutId: string | null }): boolean {
    return this.rollout !== null && call.rolloutId === this.rollout.id;
  }

  #tally(call: {
    readonly rolloutId: string | null;
    readonly role: Role | null;
    readonly isEligible: boolean;
    readonly step: number;
  }): RoleTally | null {
    if (call.role === null || !call.isEligible || !this.#isCurrent(call)) return null;
    return this.#stepTally(call.step)[call.role];
  }

  #stepTally(step: number): StepTally {
    let tally = this.#steps.get(step);
    if (tally === undefined) {
      tally = { stable: new RoleTally('stable'), canary: new RoleTally('canary') };
      this.#steps.set(step, tally);
    }
    return tally;
  }
}

/** A pair's halves set out once the call had been held for as long as a limit wanted. */
function keyOf({ arrivedAtUs, waitedUs }: Pick<Arrival, 'arrivedAtUs' | 'waitedUs'>): PairKey {
  return { arrivedAtUs, setOutAtUs: arrivedAtUs + waitedUs };
}
