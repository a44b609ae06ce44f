import type { HistoryCall } from '../../src/core/judge/profile.ts';
import type { Affinity, Role } from '../../src/core/route.ts';
import type { Draws } from './draws.ts';
import { countedTokens, madeForm, providerOf } from './made-form.ts';
import { BEGIN_US, emptySeen, historyCall } from './trace.ts';
import type { Seen, Trace } from './trace.ts';
import { NORMAL } from './truths.ts';
import type { Behaviour, Truth, Unanswered } from './truths.ts';

const FIXED_MS = 300;
const MS_PER_PROMPT_TOKEN = 0.2;
const MS_PER_OUTPUT_TOKEN = 15;
const MAX_PROMPT = 32_000;
/** Of serverless with all traffic: falls as traffic leaves it. */
const REFUSED_SHARE = 0.06;
const EMPTY_SHARE = 0.003;
const FAULT_MS = 150;
const REFUSED_MS = 60;
const STREAMED_SHARE = 0.75;

/** How an upstream behaves in a minute, and how large questions then are. */
interface Conditions extends Behaviour {
  readonly refused: number;
  readonly size: number;
}

/** The same history for every truth: learned from once. */
const histories = new WeakMap<Draws, readonly HistoryCall[]>();

/** A made-up trace: what was drawn, under a truth. Any number of truths may share the draws. */
export class MadeTrace implements Trace {
  readonly #draws: Draws;
  readonly #truth: Truth;
  /** The conditions of the last minute and weight asked for. */
  #minute = -1;
  #weight = -1;
  #conditions: Readonly<Record<Role, Conditions>> = { stable: BEFORE, canary: BEFORE };

  constructor(draws: Draws, truth: Truth) {
    this.#draws = draws;
    this.#truth = truth;
  }

  get callsPerMinute(): number {
    return this.#draws.callsPerMinute;
  }

  get affinity(): Affinity {
    return this.#draws.affinity;
  }

  unit(call: number): number | undefined {
    return this.affinity === 'call' ? undefined : this.#draws.unit.values[call];
  }

  start(minute: number): number {
    return this.#draws.start(minute);
  }

  arrivedAtMs(call: number): number {
    return this.#draws.atMs.values[call] as number;
  }

  coin(call: number): number {
    return this.#draws.coin.values[call] as number;
  }

  copyCoin(call: number): number {
    return this.#draws.copyCoin.values[call] as number;
  }

  history(): readonly HistoryCall[] {
    let history = histories.get(this.#draws);
    if (history === undefined) {
      history = historyOf(this.#draws);
      histories.set(this.#draws, history);
    }
    return history;
  }

  read(call: number, role: Role, minute: number, weight: number, seen: Seen): void {
    if (minute !== this.#minute || weight !== this.#weight) {
      this.#minute = minute;
      this.#weight = weight;
      const size = this.#truth.size?.(minute) ?? 1;
      const refused = REFUSED_SHARE * (1 - weight);
      this.#conditions = {
        stable: { ...NORMAL, ...this.#truth.stable?.(minute, this.#draws.incident), refused, size },
        canary: { ...NORMAL, ...this.#truth.canary?.(minute, weight), refused: 0, size },
      };
    }
    settle(this.#draws, call, role, this.#conditions[role], seen);
  }
}

const BEFORE: Conditions = { ...NORMAL, refused: REFUSED_SHARE, size: 1 };

function historyOf(draws: Draws): readonly HistoryCall[] {
  const seen = emptySeen();
  return Array.from({ length: draws.past }, (_, call) => {
    settle(draws, call, 'stable', BEFORE, seen);
    return historyCall(BEGIN_US + Math.round((draws.atMs.values[call] as number) * 1_000), seen);
  });
}

/** How a call goes at an upstream under its conditions. */
function settle(draws: Draws, call: number, role: Role, is: Conditions, seen: Seen): void {
  const arm = draws.arms[role];
  seen.form = null;
  seen.provider = is.providers === null || role === 'canary' ? null : providerOf(draws.forms, call);
  const form = seen.provider === null ? is : { ...is, ...is.providers?.[seen.provider] };
  const fate = arm.fate.values[call] as number;
  const slower = arm.slower.values[call] as number;
  const prompt = Math.max(1, Math.min(MAX_PROMPT, Math.round(is.size * (draws.prompt.values[call] as number))));
  seen.promptTokens = countedTokens(draws.forms, call, prompt, form);
  seen.firstTokenMs = null;
  seen.outputTokens = 0;
  if (fate < is.refused) {
    [seen.outcome, seen.status] = ['rate_limited', 429];
    seen.durationMs = REFUSED_MS * slower;
    return;
  }
  if (fate - is.refused < is.faults) {
    [seen.outcome, seen.status] = is.isDead ? ['connect_failed', 0] : ['server_error', 500];
    seen.durationMs = FAULT_MS * slower;
    return;
  }
  const oddity = arm.oddity.values[call] as number;
  [seen.outcome, seen.status] = ['ok', 200];
  if (oddity < is.hangs) {
    seen.durationMs = Number.POSITIVE_INFINITY;
    return;
  }
  const factor = oddity - is.hangs < is.tail ? is.slower * is.tailFactor : is.slower;
  const isEmpty = oddity >= 1 - EMPTY_SHARE - is.empty;
  const wanted = is.size * is.length * (arm.output.values[call] as number);
  const output = Math.min(is.maxOutput, wanted);
  seen.outputTokens = isEmpty ? 0 : Math.max(1, Math.round(output));
  seen.form = madeForm(draws.forms, { call, role, isCut: wanted > is.maxOutput }, form);
  const untilFirst = FIXED_MS + MS_PER_PROMPT_TOKEN * prompt;
  seen.durationMs = (untilFirst + MS_PER_OUTPUT_TOKEN * seen.outputTokens) * slower * factor;
  // The lower digits of the coin are as good as a coin of their own.
  if (!isEmpty && ((draws.streamCoin.values[call] as number) * 1_024) % 1 < STREAMED_SHARE) {
    const first = untilFirst * (arm.firstSlower.values[call] as number) * factor;
    seen.firstTokenMs = Math.min(first, 0.95 * seen.durationMs);
  }
  if (
    is.unanswered !== null &&
    prompt > is.unanswered.longerThan &&
    fate - is.refused - is.faults < is.unanswered.share
  )
    leaveUnanswered(seen, is.unanswered, untilFirst * slower * factor);
}

/** What would have been an answer is none. */
function leaveUnanswered(seen: Seen, { outcome, status, at }: Unanswered, firstMs: number): void {
  seen.outcome = outcome;
  seen.status = status;
  seen.durationMs = { once: REFUSED_MS, first: firstMs, half: (firstMs + seen.durationMs) / 2 }[at];
  if (at === 'half') return;
  seen.firstTokenMs = null;
  seen.outputTokens = 0;
}
