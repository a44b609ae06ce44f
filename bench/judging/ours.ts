import { GATEWAY_ID } from '../../src/core/call.ts';
import { isFault } from '../../src/core/outcome.ts';
import { earlyView, fullView } from '../../src/core/judge/call-order.ts';
import { forecast, totalMinutes } from '../../src/core/judge/forecast.ts';
import { Judge } from '../../src/core/judge/judge.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { learnProfile } from '../../src/core/judge/profile.ts';
import type { HistoryCall, Profile } from '../../src/core/judge/profile.ts';
import type { Role } from '../../src/core/route.ts';
import type { JudgedCall } from '../../src/core/judge/verdict.ts';
import { MOST_MINUTES } from './contest.ts';
import type { Contestant, Ending } from './contest.ts';
import { BEGIN_US, emptySeen, historyCall } from './trace.ts';
import type { Trace } from './trace.ts';

const { limits, judge: policy, shadow, holdBack, steps } = POLICY_DEFAULTS;
/** At 100 % a control group stays behind. */
const WEIGHTS = steps.map((weight) => (weight === 1 ? 1 - holdBack.share : weight));
const MINUTE_MS = 60_000;
const STOPS = WEIGHTS.map((weight, i) => ({
  weight,
  least: (i === WEIGHTS.length - 1 ? holdBack.time : limits.bake) / MINUTE_MS,
}));
const COPIES = { share: shadow.share, minutes: shadow.time / MINUTE_MS };
/** Within a minute the judge is asked after every so many canary calls, and after each that failed. */
const LOOK_EVERY = 10;

/** Our judge under the default policy, driven as the daemon drives it. */
export const OURS: Contestant = { name: 'upshift', run: (trace) => new Rollout(trace, 0).run() };

/** The same without a shadow stage: how many calls the steps themselves expose. */
export const OURS_WITHOUT_SHADOW: Contestant = {
  name: 'upshift, no shadow',
  isForGrossOnly: true,
  run: (trace) => new Rollout(trace, 1).run(),
};

/** One of the two streams, or the pairs: what is known in order of arrival, each item no earlier than those before. */
class Stream<T> {
  #items: T[] = [];
  #knownAtMs: number[] = [];
  #next = 0;
  #latestMs = 0;

  add(item: T, knownAtMs: number): void {
    this.#latestMs = Math.max(this.#latestMs, knownAtMs);
    this.#knownAtMs.push(this.#latestMs);
    this.#items.push(item);
  }

  get nextAtMs(): number {
    return this.#knownAtMs[this.#next] ?? Number.POSITIVE_INFINITY;
  }

  take(): T {
    return this.#items[this.#next++] as T;
  }

  /** Lets go of what was taken. */
  trim(): void {
    this.#items = this.#items.slice(this.#next);
    this.#knownAtMs = this.#knownAtMs.slice(this.#next);
    this.#next = 0;
  }
}

/** What is known before a rollout. */
interface Outlook {
  readonly profile: Profile;
  readonly forecast: number | null;
}

/** Traces that differ in the truth alone share their history. */
const outlooks = new WeakMap<readonly HistoryCall[], Outlook>();

function outlookOf(trace: Trace): Outlook {
  const history = trace.history();
  let outlook = outlooks.get(history);
  if (outlook === undefined) {
    const { callsPerMinute } = trace;
    const profile = { ...learnProfile(history, 'serverless'), callsPerMinute };
    const steps = forecast(profile, policy, { callsPerMinute }, { stops: STOPS, copies: COPIES });
    outlook = { profile, forecast: totalMinutes(steps, COPIES) };
    outlooks.set(history, outlook);
  }
  return outlook;
}

/** A canary call's end, for the breaker. */
interface End {
  readonly atMs: number;
  readonly isFault: boolean;
}

class Rollout {
  readonly #trace: Trace;
  readonly #judge: Judge;
  readonly #forecast: number | null;
  readonly #lateUs: number;
  readonly #early = new Stream<JudgedCall>();
  readonly #full = new Stream<JudgedCall>();
  readonly #pairs = new Stream<readonly [JudgedCall, JudgedCall]>();
  readonly #seen = emptySeen();
  /** Ends of canary calls, by minute. */
  readonly #ends: End[][] = [];
  /** 0: the shadow stage. */
  #step: number;
  #stepMinutes = 0;
  #faultsInRow = 0;
  #sinceLook = 0;
  readonly #canaryAtMs: number[] = [];

  constructor(trace: Trace, firstStep: 0 | 1) {
    this.#step = firstStep;
    this.#trace = trace;
    const { profile, forecast } = outlookOf(trace);
    this.#forecast = firstStep === 0 ? forecast : null;
    this.#lateUs = profile.tauUs;
    this.#judge = new Judge(profile, policy, WEIGHTS, trace.affinity, 'dedicated');
  }

  run(): Ending {
    for (let minute = 0; minute < MOST_MINUTES; minute++) {
      if (this.#step === 0) this.#copy(minute);
      else this.#split(minute);
      const failedAtMs = this.#settle(minute);
      if (failedAtMs !== null) return this.#ended('rolledBack', failedAtMs);
      for (const stream of [this.#early, this.#full, this.#pairs]) stream.trim();
      this.#stepMinutes++;
      const nowMs = (minute + 1) * MINUTE_MS;
      const { status, cause, canaryCalls } = this.#judge.verdict(this.#step);
      if (status === 'fail') return this.#ended('rolledBack', nowMs);
      if (!this.#isDue(canaryCalls) || (this.#step > 0 && status !== 'pass')) continue;
      // The first step then waits for a person.
      if (this.#step === 0 && cause === 'promptTokens') return this.#ended('held', nowMs);
      if (this.#step === WEIGHTS.length) return this.#ended('promoted', nowMs);
      this.#step++;
      this.#stepMinutes = 0;
    }
    return this.#ended('held', MOST_MINUTES * MINUTE_MS);
  }

  /** Whether the stop has lasted long enough, and seen enough, to end. */
  #isDue(canaryCalls: number): boolean {
    const elapsedMs = this.#stepMinutes * MINUTE_MS;
    if (this.#step === 0) return elapsedMs >= shadow.time;
    return elapsedMs >= (this.#step === WEIGHTS.length ? holdBack.time : limits.bake) && canaryCalls >= limits.minCalls;
  }

  #ended(end: Ending['end'], atMs: number): Ending {
    const exposed = this.#canaryAtMs.filter((at) => at <= atMs).length;
    const weight = WEIGHTS[this.#step - 1] ?? 0;
    return { end, minutes: atMs / MINUTE_MS, exposed, weight, forecast: this.#forecast };
  }

  /** A minute of the shadow stage: every call stays on serverless, some are copied. */
  #copy(minute: number): void {
    const end = this.#trace.start(minute + 1);
    for (let call = this.#trace.start(minute); call < end; call++) {
      if (this.#trace.copyCoin(call) >= shadow.share) continue;
      const pair = [this.#read(call, 'stable', minute, 0).full, this.#read(call, 'canary', minute, 0).full] as const;
      const knownMs = Math.max(...pair.map(({ knownAfterUs }) => knownAfterUs / 1_000));
      this.#pairs.add(pair, this.#trace.arrivedAtMs(call) + knownMs);
    }
  }

  /** A minute of a step: calls go by weight. */
  #split(minute: number): void {
    const weight = WEIGHTS[this.#step - 1] as number;
    const end = this.#trace.start(minute + 1);
    for (let call = this.#trace.start(minute); call < end; call++) {
      const role = this.#trace.coin(call) < weight ? 'canary' : 'stable';
      const atMs = this.#trace.arrivedAtMs(call);
      const { early, full } = this.#read(call, role, minute, weight);
      const { durationMs, outcome } = this.#seen;
      this.#early.add(early, atMs + early.knownAfterUs / 1_000);
      this.#full.add(full, atMs + full.knownAfterUs / 1_000);
      if (role === 'stable') continue;
      this.#canaryAtMs.push(atMs);
      const endAtMs = atMs + durationMs;
      if (endAtMs > MOST_MINUTES * MINUTE_MS) continue;
      (this.#ends[Math.floor(endAtMs / MINUTE_MS)] ??= []).push({
        atMs: endAtMs,
        isFault: isFault(outcome, 'dedicated', 'dedicated'),
      });
    }
  }

  /** The call as the judge gets it, early and in full. */
  #read(call: number, role: Role, minute: number, weight: number): { early: JudgedCall; full: JudgedCall } {
    this.#trace.read(call, role, minute, weight, this.#seen);
    const arrivedAtUs = BEGIN_US + Math.round(this.#trace.arrivedAtMs(call) * 1_000);
    const key = { gatewayId: GATEWAY_ID, arrivedAtUs };
    const unit = this.#trace.unit(call);
    const shared = unit === undefined ? {} : { unit };
    const assigned = { ...key, assignedAtUs: arrivedAtUs, role, step: this.#step, weight, ...shared, waitedUs: 0 };
    const told = historyCall(arrivedAtUs, this.#seen);
    const { provider } = this.#seen;
    const known = { ...told, knownAfterUs: told.durationUs, ...(provider !== null && { provider }) };
    return { early: earlyView(assigned, known), full: fullView(assigned, known, this.#lateUs) };
  }

  /** Tells the judge what becomes known in this minute, moment by moment. When it says fail: that moment, in ms. */
  #settle(minute: number): number | null {
    const ends = (this.#ends[minute] ?? []).sort((a, b) => a.atMs - b.atMs);
    const untilMs = (minute + 1) * MINUTE_MS;
    let nextEnd = 0;
    for (;;) {
      const endAtMs = ends[nextEnd]?.atMs ?? Number.POSITIVE_INFINITY;
      const earlyAtMs = this.#early.nextAtMs;
      const fullAtMs = this.#full.nextAtMs;
      const pairAtMs = this.#pairs.nextAtMs;
      const atMs = Math.min(endAtMs, earlyAtMs, fullAtMs, pairAtMs);
      if (atMs > untilMs) return null;
      if (atMs === endAtMs) {
        this.#faultsInRow = (ends[nextEnd++] as End).isFault ? this.#faultsInRow + 1 : 0;
        if (this.#faultsInRow >= limits.consecutiveFaults) return atMs;
      } else if (atMs === pairAtMs) {
        this.#judge.pair(...this.#pairs.take(), null);
      } else {
        const isEarly = atMs === earlyAtMs;
        const call = isEarly ? this.#early.take() : this.#full.take();
        if (isEarly) this.#judge.early(call);
        else this.#judge.take(call);
        if (this.#isWorthALook(call, isEarly) && this.#judge.verdict(this.#step).status === 'fail') return atMs;
      }
    }
  }

  #isWorthALook(call: JudgedCall, isEarly: boolean): boolean {
    if (call.role === 'stable') return false;
    const hasFailed = call.outcome !== null && isFault(call.outcome, 'dedicated', 'dedicated');
    if (!isEarly) this.#sinceLook++;
    if (this.#sinceLook < LOOK_EVERY && !(isEarly && hasFailed)) return false;
    this.#sinceLook = 0;
    return true;
  }
}
