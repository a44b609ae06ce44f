import * as fc from 'fast-check';
import { DemandWindow } from '../../src/core/criteria/demand-window.ts';
import { judgeCriteria } from '../../src/core/criteria/criteria.ts';
import { decide } from '../../src/core/decide/decide.ts';
import { happenedBy } from '../../src/core/decide/decision.ts';
import type { Decision } from '../../src/core/decide/decision.ts';
import type { EndpointSeen, Observation, OperatorRequest } from '../../src/core/decide/observation.ts';
import { BACK_DEFAULTS } from '../../src/core/policy/back.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { NO_BUDGET } from '../../src/core/policy/budget.ts';
import type { RoutePolicy } from '../../src/core/policy/policy.ts';
import type { RolloutEvent } from '../../src/core/rollout/event.ts';
import { endpointShare, isOver, throughOf } from '../../src/core/rollout/rollout.ts';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import { changedBy, nextState, rolloutsOf, WATCHED } from '../../src/core/rollout/route-state.ts';
import { observation, PROFILE, routePolicy, START, SURVEY, TO_PROMOTED, verdictOn, WARM } from './samples.ts';

/** What truly holds for a while. */
export interface Spell {
  readonly ticks: number;
  readonly serverless: 'up' | 'out' | 'denying';
  readonly endpoint: 'up' | 'dead';
  /** What the management API says of an endpoint that is up. */
  readonly said: EndpointSeen['state'];
  readonly verdict: 'pass' | 'fail' | 'inconclusive';
  readonly isQuiet: boolean;
  readonly wish: OperatorRequest['kind'] | 'answer' | 'none';
}

/** A route that stands somewhere in a rollout, or in none, and what then happens to both sides. */
export interface Fate {
  readonly begun: number;
  readonly tickMs: number;
  readonly approval: RoutePolicy['approval'];
  readonly budget: number | null;
  readonly spells: readonly Spell[];
}

/** One tick, with the truth beside what was seen. */
export interface OutageTick {
  readonly spell: Spell;
  readonly before: Rollout | null;
  readonly seen: Observation;
  readonly decided: Decision;
  readonly after: Rollout | null;
  /** The endpoint's cost so far, micro-dollars. */
  readonly spentMicros: number;
  /** Whether serverless could take traffic at every tick since the budget was last far from used up. */
  readonly couldLeave: boolean;
}

/** Steps are short, so that fates get far. */
const SHORT = { limits: { bake: 30_000, minCalls: 20 }, holdBack: { ...POLICY_DEFAULTS.holdBack, time: 60_000 } };
const PRICE = 1_300_000;
const CALLS_A_SECOND = 8;
const often = <T>(value: T, ...others: readonly T[]) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(value) }, { weight: 4, arbitrary: fc.constantFrom(...others) });

/** Any fate: about half of the spells have an outage of one side, of both, or no credits. */
export const fates: fc.Arbitrary<Fate> = fc.record({
  begun: fc.nat(TO_PROMOTED.length),
  tickMs: fc.constantFrom(5_000, 20_000, 60_000),
  approval: fc.constantFrom<RoutePolicy['approval']>('manual', 'automatic'),
  budget: fc.constantFrom(null, 0.5, 1, 2),
  spells: fc.array(
    fc.record({
      ticks: fc.integer({ min: 1, max: 8 }),
      serverless: often<Spell['serverless']>('up', 'out', 'out', 'denying'),
      endpoint: often<Spell['endpoint']>('up', 'up', 'dead'),
      said: often<Spell['said']>('running', 'updating', 'initializing', 'pending', 'absent'),
      verdict: often<Spell['verdict']>('pass', 'inconclusive', 'inconclusive', 'fail'),
      isQuiet: fc.boolean(),
      wish: often<Spell['wish']>('none', 'answer', 'answer', 'through_outage', 'pause', 'resume', 'abort'),
    }),
    { minLength: 1, maxLength: 10 },
  ),
});

/** Lets the core live through a fate. The demand is counted as the daemon does, and is far from a reason to migrate. */
export function* live({ begun, tickMs, approval, budget, spells }: Fate): Generator<OutageTick> {
  const back = { ...BACK_DEFAULTS, sustain: 120_000, after: 0, cooldown: 60_000 };
  const money = budget === null ? NO_BUDGET : { ...NO_BUDGET, perRollout: budget };
  const policy = routePolicy({
    approval,
    budget: money,
    back,
    criteria: { sustain: 60_000, cooldown: 60_000 },
    ...SHORT,
  });
  const first = TO_PROMOTED.slice(0, begun).map((event) => ({ rolloutId: 'aaaabbbb', event, at: START }));
  let state = nextState(WATCHED, { happened: first, filePolicy: policy, askId: null });
  const world = new World(policy);
  let asks = 0;
  for (const spell of spells) {
    for (let tick = 0; tick < spell.ticks; tick++) {
      const before = state.active?.rollout ?? null;
      const seen = world.look(spell, before, tickMs, { openAskId: state.active?.askId ?? null, isFirst: tick === 0 });
      const decided = decide(before, seen);
      const happened = happenedBy(decided, before, seen.now);
      if (happened.some(({ event }) => event.type === 'asked')) asks++;
      const own = happened[decided.events.length - 1]?.rolloutId ?? '';
      const after = changedBy(rolloutsOf(state), happened).get(own) ?? before;
      state = nextState(state, { happened, filePolicy: policy, askId: asks });
      yield { spell, before, seen, decided, after, spentMicros: world.spentMicros, couldLeave: world.couldLeave };
    }
  }
}

class World {
  readonly #policy: RoutePolicy;
  readonly #window: DemandWindow;
  #now = START;
  #answeredAt: number | undefined;
  #badReadings = 0;
  #rollouts = 0;
  spentMicros = 0;
  couldLeave = true;

  constructor(policy: RoutePolicy) {
    this.#policy = policy;
    this.#window = new DemandWindow(policy.criteria.window, (figures) => judgeCriteria(figures, policy.criteria).holds);
  }

  /** Time passes, calls come, and the daemon looks. */
  look(
    spell: Spell,
    rollout: Rollout | null,
    tickMs: number,
    { openAskId, isFirst }: { readonly openAskId: number | null; readonly isFirst: boolean },
  ): Observation {
    this.#call(spell, tickMs);
    this.#now += tickMs;
    const now = this.#now;
    const isOut = spell.serverless === 'out';
    if (isOut) this.#window.isOut(now);
    else this.#window.advance(now);
    const outage = this.#window.outage(now);
    const isRunning = rollout !== null && !isOver(rollout.phase) && rollout.phase !== 'proposed';
    if (isRunning) this.spentMicros += Math.ceil((PRICE * tickMs) / 3_600_000);
    const budget = (this.#policy.budget.perRollout ?? Infinity) * 1_000_000;
    const isFar = this.spentMicros < budget / 4;
    this.couldLeave = (isFar || this.couldLeave) && (isFar || spell.serverless === 'up');
    const isBack = rollout?.toward === 'serverless';
    const isServed =
      rollout !== null &&
      (endpointShare(rollout, this.#policy) > 0 || throughOf(rollout) !== null) &&
      !isOver(rollout.phase);
    if (isServed && spell.endpoint === 'up') this.#answeredAt = now;
    const endpointFaults = isServed && spell.endpoint === 'dead' ? 7 : 0;
    const serverlessFaults = isBack && isOut ? 7 : 0;
    return observation({
      now,
      policy: this.#policy,
      demand: { ...this.#window.figures(), holdsSince: this.#window.holdsSince },
      ...(outage !== null && { outage }),
      survey: { ...SURVEY, at: now },
      next: { rolloutId: `rollout${this.#rollouts++}`, endpointName: 'writer-next' },
      endpoint: this.#reading(spell, rollout),
      ...(this.#answeredAt !== undefined && { endpointAnsweredAt: this.#answeredAt }),
      results: resultsAt(now),
      verdict: rollout !== null && 'step' in rollout ? verdictOn(rollout.step, { status: spell.verdict }) : null,
      canaryFaultsInRow: isBack ? serverlessFaults : endpointFaults,
      endpointFaultsInRow: isBack ? endpointFaults : 0,
      stableRecent: recentOf(spell),
      spending: {
        hourMicros: 0,
        dayMicros: this.spentMicros,
        rolloutMicros: this.spentMicros,
        ratePerHourMicros: isRunning ? PRICE : 0,
        at: now,
      },
      budget: { file: NO_BUDGET, rollbackMs: tickMs },
      back: this.#back(spell),
      request: isFirst ? requestOf(spell, rollout, openAskId) : null,
      openAskId,
    });
  }

  /** Two of a hundred calls are refused, which is no reason for an endpoint. Without an answer, all of them are. */
  #call({ serverless }: Spell, tickMs: number): void {
    for (let ms = 0; ms < tickMs; ms += 1_000) {
      for (let n = 0; n < CALLS_A_SECOND; n++) {
        const at = this.#now + ms + n;
        this.#window.arrived(at, `agent ${(ms / 1_000 + n) % 60}`, false);
        const isRefused = serverless === 'out' || (n === 0 && (ms / 1_000) % 6 === 0);
        if (isRefused) this.#window.refused(at);
      }
    }
  }

  #reading({ endpoint, said }: Spell, rollout: Rollout | null): EndpointSeen | null {
    if (rollout === null) return null;
    const state = rollout.phase === 'draining' ? 'paused' : endpoint === 'dead' ? 'failed' : said;
    this.#badReadings = state === 'running' ? 0 : this.#badReadings + 1;
    const replicas = { readyReplica: 1, targetReplica: 1, scaling: null };
    const well = { isHealthy: state === 'running', badReadings: this.#badReadings, isOurs: true, message: null };
    return { at: this.#now, state, url: state === 'absent' ? null : WARM.url, ...well, ...replicas };
  }

  #back({ isQuiet }: Spell): Observation['back'] {
    const since = this.#now - 700_000;
    const traffic = { calls: 200, p95: 300, belowSince: isQuiet ? since : null, knownSince: since };
    return { policy: this.#policy.back, refusedMost: 0.05, traffic, slo: null, serverlessLimit: 5_000 };
  }
}

const RECENT: Readonly<Record<Spell['serverless'], Observation['stableRecent']>> = {
  up: { attempts: 600, faults: 4, connectFailures: 2 },
  out: { attempts: 600, faults: 40, connectFailures: 40 },
  denying: { attempts: 600, faults: 0, connectFailures: 0, callers: 60, denied: 55 },
};

function recentOf({ serverless }: Spell): Observation['stableRecent'] {
  return RECENT[serverless];
}

function resultsAt(at: number): Observation['results'] {
  const fine = { at, problem: null };
  return {
    ensure: { effect: 'ensure', ...fine },
    pause: { effect: 'pause', ...fine },
    learn: { effect: 'learn', ...fine, learned: PROFILE },
    warm: { effect: 'warm', ...fine, warmed: { endpoint: WARM, failed: [], profile: PROFILE } },
  };
}

function requestOf({ wish }: Spell, rollout: Rollout | null, openAskId: number | null): OperatorRequest | null {
  if (wish === 'none' || rollout === null || (wish === 'answer' && rollout.ask === null)) return null;
  // A question about money is left open, so that nothing beyond the budget is ever approved.
  if (wish === 'answer' && rollout.ask?.about === 'budget') return null;
  const kind = wish === 'answer' ? 'approve' : wish;
  const about = { askId: wish === 'answer' ? openAskId : null, step: null };
  return { id: 1, kind, rolloutId: rollout.id, ...about, reason: 'why', by: 'ann@desk', uid: 1 };
}

/** Whether a decision has an event of a type. */
export function has({ decided }: OutageTick, type: RolloutEvent['type']): boolean {
  return decided.events.some((event) => event.type === type);
}
