import type { Outcome } from '../../src/core/outcome.ts';
import { learnProfile } from '../../src/core/judge/profile.ts';
import type { HistoryCall, Profile } from '../../src/core/judge/profile.ts';
import type { Judge } from '../../src/core/judge/judge.ts';
import type { Role } from '../../src/core/route.ts';
import type { JudgedCall } from '../../src/core/judge/verdict.ts';
import { dice, normal } from './dice.ts';

/** How an upstream answers. */
export interface Manner {
  /** Times the usual latency. */
  readonly slower?: number;
  readonly faults?: number;
  /** Times the usual output length. */
  readonly longer?: number;
  readonly rejects?: number;
}

type Answer = Omit<HistoryCall, 'arrivedAtUs'>;

/** 300 ms and 10 ms for each of about 100 tokens, give or take 30 %; half a percent of faults. */
export function answer(
  roll: () => number,
  { slower = 1, faults = 0.005, longer = 1, rejects = 0 }: Manner = {},
): Answer {
  const failed = roll() < rejects ? 'client_error' : roll() < faults ? 'server_error' : null;
  if (failed !== null) {
    return {
      outcome: failed,
      durationUs: 50_000,
      firstTokenUs: null,
      promptTokens: 500,
      outputTokens: null,
      isEmpty: null,
    };
  }
  const outputTokens = Math.max(1, Math.round(100 * longer * Math.exp(0.5 * normal(roll))));
  const firstTokenUs = Math.round(300_000 * slower * Math.exp(0.3 * normal(roll)));
  const durationUs = firstTokenUs + Math.round(10_000 * outputTokens * slower * Math.exp(0.3 * normal(roll)));
  return { outcome: 'ok', durationUs, firstTokenUs, promptTokens: 500, outputTokens, isEmpty: null };
}

/** Hours of history at 60 calls a minute, the level of minutes wandering by 4 %. */
export function pastCalls(hours: number, seed = 1): HistoryCall[] {
  const roll = dice(seed);
  const calls: HistoryCall[] = [];
  let level = 0;
  for (let minute = 0; minute < hours * 60; minute++) {
    level = 0.85 * level + 0.02 * normal(roll);
    for (let i = 0; i < 60; i++) {
      calls.push({ arrivedAtUs: (minute * 60 + i) * 1e6, ...answer(roll, { slower: Math.exp(level) }) });
    }
  }
  return calls;
}

let learned: Profile | undefined;

/** The profile of eight such hours. */
export function profile(): Profile {
  learned ??= learnProfile(pastCalls(8), 'serverless');
  return learned;
}

export interface Traffic {
  readonly minutes: number;
  readonly weight: number;
  readonly step?: number;
  /** 400 where it is not said. */
  readonly perMinute?: number;
  readonly stable?: Manner;
  readonly canary?: Manner;
  /** The chance that the canary really has, where it is not the weight. */
  readonly chance?: number;
  readonly fromMinute?: number;
  readonly seed?: number;
}

/** Calls in order of arrival, assigned by coin. */
export function* judgedCalls(traffic: Traffic): Generator<JudgedCall> {
  const { minutes, weight, step = 1, perMinute = 400, stable, canary, fromMinute = 1_000, seed = 1 } = traffic;
  const roll = dice(seed);
  for (let i = 0; i < minutes * perMinute; i++) {
    const role: Role = roll() < (traffic.chance ?? weight) ? 'canary' : 'stable';
    const answered = answer(roll, role === 'canary' ? canary : stable);
    const arrivedAtUs = Math.round((fromMinute + i / perMinute) * 60e6);
    yield judged({ ...answered, arrivedAtUs, role, step, weight });
  }
}

export function judged(call: Partial<JudgedCall>): JudgedCall {
  const outcome: Outcome | null = call.outcome === undefined ? 'ok' : call.outcome;
  const durationUs = call.durationUs ?? 1_300_000;
  return {
    arrivedAtUs: 60e9,
    role: 'canary',
    step: 1,
    weight: 0.1,
    knownAfterUs: durationUs,
    firstTokenUs: 300_000,
    promptTokens: 500,
    outputTokens: 100,
    isEmpty: null,
    ...call,
    outcome,
    durationUs,
  };
}

/** Gives calls to a judge; how many of them the canary had when `isOver` first said so. */
export function feed(judge: Judge, calls: Iterable<JudgedCall>, isOver: () => boolean = () => false): number {
  let canary = 0;
  for (const call of calls) {
    judge.early(call);
    judge.take(call);
    if (call.role !== 'canary') continue;
    canary++;
    if (isOver()) break;
  }
  return canary;
}
