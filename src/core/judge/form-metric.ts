import type { FormMetric, MetricPolicy } from '../policy/judge.ts';
import type { AnswerForm } from '../form/form.ts';
import type { Affinity } from '../route.ts';
import { ExcessBet } from '../stats/excess.ts';
import { mayHave } from './asks.ts';
import type { FailOdds } from './error-rates.ts';
import { marginsOf, missesSchema, PARTS } from './form-scores.ts';
import type { Measure } from './form-scores.ts';
import { usualOf } from './form-usual.ts';
import type { Usual } from './form-usual.ts';
import { MOST_ODDS, RARE, SEEN } from './metric-judge.ts';
import type { Reading } from './metric-judge.ts';
import type { Profile } from './profile.ts';
import type { Scores } from './scores.ts';
import { callsNeeded } from './share-course.ts';
import { ShareStrand } from './share-strand.ts';
import type { JudgedCall, MetricVerdict } from './verdict.ts';

/**
 * A measure that would take longer than this in the first step at the usual traffic, minutes, holds no step. Times and faults take
 * about half as long, so that a measure of few calls does not make every rollout longer.
 */
export const LONG_MINUTES = 30;

/** The usual share of template tokens follows about this many pairs. */
const PAIR_MEMORY = 100;
/** It rises as fast as this, because one conversation about templates has such tokens in many pairs in a row. */
const BURST_MEMORY = 10;

/** With fewer units than this their coverage is taken to be that of calls. */
const SEEN_UNITS = 20;

/** One measure of a metric, and how many calls have it. */
interface Part {
  readonly measure: Measure;
  readonly usual: Usual;
  readonly strand: ShareStrand;
  /** Answered stable calls, and those among them that have a score. */
  answered: number;
  scored: number;
  /** The same of stable units. */
  readonly units: { answered: number; scored: number };
  /** Pairs of which both halves have a score. */
  pairs: number;
}

interface PartVerdict {
  readonly part: Part;
  readonly rollout: number;
  readonly step: number;
  readonly isPass: boolean;
  /** Set if too few calls have it to tell. */
  readonly few: MetricVerdict['few'];
}

/** What the judge keeps of one metric of the form of answers. */
export class FormMetricJudge {
  readonly name: FormMetric;
  readonly #policy: MetricPolicy;
  readonly #failAt: FailOdds;
  readonly #callsPerMinute: number;
  /** The canary's weight in the first step, with which needed calls are computed. */
  readonly #weight: number;
  readonly #affinity: Affinity;
  /** Calls, and those among them that are the first of their unit. */
  #calls = 0;
  #firsts = 0;
  /** Answers of the canary whose tool calls are broken, and those that only miss a schema. */
  readonly #broken = { all: 0, schema: 0 };
  readonly #parts: readonly Part[];
  /** Template tokens are so rare that one pair with them on the endpoint alone says much. Null for other metrics. */
  readonly #pairBet: { readonly bet: ExcessBet; usual: number; lately: number } | null;

  /** What is needed, computed once for each measure and odds. */
  readonly #known = new Map<string, number>();

  constructor(
    name: FormMetric,
    policy: MetricPolicy,
    profile: Profile,
    { failAt, weight, affinity }: { readonly failAt: FailOdds; readonly weight: number; readonly affinity: Affinity },
  ) {
    this.name = name;
    this.#policy = policy;
    this.#failAt = failAt;
    this.#weight = weight;
    this.#affinity = affinity;
    const hasUnits = affinity !== 'call';
    this.#callsPerMinute = profile.callsPerMinute;
    const { measures, isTwoSided } = PARTS[name];
    const { callsPerMinute } = profile;
    this.#parts = measures.map((measure) => {
      const usual = usualOf(profile, measure);
      const rule = { ...marginsOf(measure, policy), usual: usual.share, callsPerMinute, isTwoSided, hasUnits };
      return {
        measure,
        usual,
        strand: new ShareStrand(rule),
        answered: 0,
        scored: 0,
        units: { answered: 0, scored: 0 },
        pairs: 0,
      };
    });
    const { share } = usualOf(profile, 'leak');
    this.#pairBet = name === 'leak' ? { bet: new ExcessBet(), usual: share, lately: share } : null;
  }

  take(call: JudgedCall, scores: Scores): void {
    this.cover(call, scores);
    this.takeUnit(call, scores);
  }

  /** Takes the first call of a unit. It has a coin of its own. */
  takeFirst({ role, weight, asks }: JudgedCall, scores: Scores): void {
    this.#firsts++;
    for (const { measure, strand } of this.#parts) {
      const score = scores[measure];
      if (score != null || mayHave(measure, asks)) strand.takeFirst(role, weight, score);
    }
  }

  /** Takes a unit as one observation. What does not ask for a measure is left out, whether it was answered or not. */
  takeUnit({ role, weight, asks }: Pick<JudgedCall, 'role' | 'weight' | 'asks'>, scores: Scores): void {
    const wasAnswered = scores.faults !== null && scores.faults < 1;
    for (const { measure, strand, units } of this.#parts) {
      const score = scores[measure];
      if (score != null || mayHave(measure, asks)) strand.take(role, weight, score);
      if (role !== 'stable' || !wasAnswered) continue;
      units.answered++;
      if (score != null) units.scored++;
    }
  }

  /** Counts a call for how many calls have the metric. */
  cover({ role, outcome, form }: JudgedCall, scores: Scores): void {
    this.#calls++;
    if (role === 'canary') this.#countBroken(scores, form);
    if (role !== 'stable' || outcome !== 'ok') return;
    for (const part of this.#parts) {
      part.answered++;
      if (scores[part.measure] != null) part.scored++;
    }
  }

  #countBroken({ tools }: Scores, form: AnswerForm | null | undefined): void {
    if (this.name !== 'tools' || tools !== 1) return;
    this.#broken.all++;
    if (missesSchema(form)) this.#broken.schema++;
  }

  /** `form`: of the canary's answer. */
  pair(stable: Scores, canary: Scores, form?: AnswerForm | null): void {
    this.#countBroken(canary, form);
    for (const part of this.#parts) {
      const [before, after] = [stable[part.measure] ?? null, canary[part.measure] ?? null];
      part.answered++;
      if (before !== null) part.scored++;
      if (before === null || after === null) continue;
      part.pairs++;
      part.strand.pair(before, after);
      this.#pairAlone(before, after);
    }
  }

  #pairAlone(stable: number, canary: number): void {
    const alone = this.#pairBet;
    if (alone === null) return;
    // A text about templates may hold such tokens by chance on one side: twice what is usual is allowed for.
    const { usual, lately } = alone;
    alone.bet.take(canary > stable, this.#policy.rollbackMargin + 2 * Math.max(usual, lately));
    alone.usual += (stable - usual) / PAIR_MEMORY;
    alone.lately += (stable - lately) / BURST_MEMORY;
  }

  endMinute(minute: number, isUsual: boolean): void {
    for (const { strand } of this.#parts) strand.endMinute(minute, isUsual);
  }

  beginStep(): void {
    for (const { strand } of this.#parts) strand.beginStep();
  }

  /** The verdict on the metric; null if no call of the route has it. */
  read(reading: Reading): MetricVerdict | null {
    const parts = this.#parts.filter(isThere).map((part) => this.#readPart(part, reading));
    const failOdds = this.#failOdds();
    const isFail = failOdds >= this.#failAt.bet;
    const shown = isFail ? mostOdd(parts) : weakest(parts);
    if (shown === undefined) return null;
    const { part, rollout, step, few } = shown;
    const judging = parts.filter((one) => one.few === undefined);
    const isPass = judging.length > 0 && judging.every((one) => one.isPass);
    return {
      metric: this.name,
      judge: this.#policy.judge === 'act' && parts.some((one) => one.part.usual.covered !== 0) ? 'act' : 'advise',
      status: isFail ? 'fail' : isPass ? 'pass' : 'open',
      ...(this.#parts.length > 1 && { part: part.measure }),
      ...(this.#broken.schema * 2 > this.#broken.all && { fault: 'schema' as const }),
      ...(!isFail && judging.length === 0 && few !== undefined && { few }),
      stable: reading.isCurrent ? part.strand.level('stable') : null,
      canary: reading.isCurrent ? part.strand.level('canary') : null,
      ...part.strand.effect(),
      margin: marginsOf(part.measure, this.#policy).margin,
      passOdds: Math.min(MOST_ODDS, rollout),
      passAt: reading.passAt,
      stepOdds: Math.min(MOST_ODDS, step),
      stepAt: reading.stepAt,
      failOdds: Math.min(MOST_ODDS, failOdds),
      failAt: this.#failAt.bet,
    };
  }

  /** Each bet has the same part of the allowed error. */
  #failOdds(): number {
    const alone = this.#pairBet === null ? [] : [this.#pairBet.bet.peak];
    const bets = this.#parts.reduce((sum, { strand }) => sum + strand.bets, alone.length);
    return Math.max(...alone, ...this.#parts.map(({ strand }) => strand.failOdds)) / bets;
  }

  #readPart(part: Part, { passAt, stepAt, isCurrent }: Reading): PartVerdict {
    const odds = part.strand.passOdds();
    const [rollout, step] = [odds.rollout, isCurrent ? odds.step : 1];
    const isPass = rollout >= passAt && step >= stepAt;
    return { part, rollout, step, isPass, few: isPass ? undefined : this.#few(part, passAt) };
  }

  /** Set if the route has too few calls with the measure to tell in a step. */
  #few({ measure, usual, strand, answered, scored, units, pairs }: Part, passAt: number): MetricVerdict['few'] {
    const hasUnits = this.#affinity !== 'call';
    const coveredCalls = answered >= SEEN ? scored / answered : (usual.covered ?? 1);
    const covered = hasUnits && units.answered >= SEEN_UNITS ? units.scored / units.answered : coveredCalls;
    const unitsPerCall = hasUnits && this.#calls >= SEEN ? this.#firsts / this.#calls : 1;
    const needed = this.#needed(measure, usual.share, passAt);
    const inTime = covered * unitsPerCall * this.#callsPerMinute * LONG_MINUTES;
    const isFew = this.#callsPerMinute > 0 ? needed > inTime : covered < RARE;
    if (!isFew) return undefined;
    const seen = { seen: strand.seen, needed };
    return this.#affinity === 'call' ? seen : { ...seen, units: this.#affinity, ...(pairs > 0 && { pairs }) };
  }

  /** So many calls, or units, show that an equal endpoint is within the margin. */
  #needed(measure: Measure, usual: number, passAt: number): number {
    const key = `${measure} ${passAt}`;
    const { margin } = marginsOf(measure, this.#policy);
    const needed = this.#known.get(key) ?? callsNeeded(usual, margin, { weight: this.#weight, odds: passAt });
    this.#known.set(key, needed);
    return needed;
  }
}

/** Whether the route's calls have the measure, or may have it. */
function isThere({ strand, answered, usual }: Part): boolean {
  return strand.seen > 0 || (answered < SEEN && usual.covered !== 0);
}

/** The part with the most evidence against the canary. */
function mostOdd(parts: readonly PartVerdict[]): PartVerdict | undefined {
  return parts.toSorted((a, b) => b.part.strand.failOdds - a.part.strand.failOdds)[0];
}

/** The part that is furthest from a pass, of those that hold a step if there are any. */
function weakest(parts: readonly PartVerdict[]): PartVerdict | undefined {
  const judging = parts.filter(({ few }) => few === undefined);
  const strength = ({ rollout, step }: PartVerdict) => Math.min(rollout, step);
  return (judging.length > 0 ? judging : parts).toSorted((a, b) => strength(a) - strength(b))[0];
}
