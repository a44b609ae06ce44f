import type { Clock } from '../../core/clock.ts';
import { isLoopbackHost } from '../../core/endpoint-address.ts';
import { AppError } from '../../core/errors.ts';
import type { Arrival } from '../../core/trace.ts';
import { MIXES } from '../../loadtest/body.ts';
import type { MixName } from '../../loadtest/body.ts';
import type { LoadOptions } from '../../loadtest/load.ts';
import { MOST_WINDOWS } from '../../loadtest/tally.ts';
import { seededDice } from '../../simulation/dice.ts';
import { busyConversation } from '../../simulation/trace.ts';
import { readBaseUrl } from '../input/base-url.ts';
import { checkNumber } from '../input/options.ts';
import { parseSpan } from '../input/span.ts';

/** The options of the command line; undefined if an option is missing. */
export interface LoadWords {
  readonly preset: PresetName | undefined;
  readonly concurrency: number | undefined;
  readonly duration: string | undefined;
  readonly ramp: string | undefined;
  readonly agents: number | undefined;
  readonly model: string;
  readonly stream: boolean;
  readonly mix: MixName;
  readonly maxCalls: number;
  readonly maxTokens: number | undefined;
  readonly timeout: string;
  readonly retries: number;
  readonly window: string;
  readonly seed: number;
}

interface Preset {
  readonly concurrency: number;
  readonly duration: string;
  readonly ramp: string;
}

export const PRESETS = {
  baseline: { concurrency: 5, duration: '5m', ramp: '0s' },
  medium: { concurrency: 25, duration: '10m', ramp: '30s' },
  high: { concurrency: 50, duration: '15m', ramp: '1m' },
  spike: { concurrency: 100, duration: '5m', ramp: '0s' },
  sustained: { concurrency: 25, duration: '1h', ramp: '1m' },
} as const satisfies Readonly<Record<string, Preset>>;
export type PresetName = keyof typeof PRESETS;

const FREE_DURATION = '1m';
/** The default limit of calls at once for a trace. */
const TRACE_CONCURRENCY = 1_000;
const TRACE_AGENTS = 64;
/** Extra time beyond the length of a trace, for calls that had to wait. */
const TRACE_SPARE_MS = 60_000;
/** Real milliseconds. */
const [DRAIN_MS, STOPPED_DRAIN_MS] = [30_000, 5_000];
const MAX_TOKENS = 128;
const MOST_CONCURRENCY = 10_000;
const LONGEST_MS = 24 * 3_600_000;

/** A load test as it will run. */
export type LoadPlan = Omit<LoadOptions, 'stop'>;

const SWARM_DURATION = '2h';
const SWARM_PLAY_MS = 15 * 60_000;

/** The arrivals of the busy quarter of an hour that the demo plays, as often as the duration needs. Throws AppError. */
export function swarmTrace({ duration, seed }: Pick<LoadWords, 'duration' | 'seed'>): readonly Arrival[] {
  const lengthMs = readSpan('duration', duration ?? SWARM_DURATION, 1, LONGEST_MS);
  return busyConversation(Math.ceil(lengthMs / SWARM_PLAY_MS), seed);
}

/** Fills in missing options. Throws AppError `invalid` for options that are not allowed. */
export function planLoad(
  words: LoadWords,
  { url, token, trace, clock }: Pick<LoadPlan, 'url' | 'token' | 'trace'> & { readonly clock: Clock },
): LoadPlan {
  const scenario = chooseScenario(words, trace);
  const { concurrency, durationMs } = scenario;
  const agents = words.agents ?? (trace === null ? concurrency : TRACE_AGENTS);
  const maxTokens = words.maxTokens ?? (trace === null ? MAX_TOKENS : Number.MAX_SAFE_INTEGER);
  const { maxCalls, retries, seed } = words;
  checkWhole('concurrency', concurrency, 1, MOST_CONCURRENCY);
  checkWhole('agents', agents, 1, 100_000);
  checkWhole('max-calls', maxCalls, 1, 100_000_000);
  checkWhole('max-tokens', maxTokens, 1, Number.MAX_SAFE_INTEGER);
  checkWhole('retries', retries, 0, 10);
  checkWhole('seed', seed, 0, 0xffff_ffff);
  const timeoutMs = readSpan('timeout', words.timeout, 1, 3_600_000);
  const windowMs = readSpan('window', words.window, 1_000, LONGEST_MS);
  if (durationMs / windowMs > MOST_WINDOWS) {
    throw new AppError('invalid', `--window ${words.window} would make more than ${MOST_WINDOWS} windows`, {
      hint: 'expected a longer window',
    });
  }
  return {
    url,
    token,
    clock,
    dice: seededDice(seed),
    trace,
    ...scenario,
    windowMs,
    maxCalls,
    agents,
    model: words.model,
    isStreamed: words.stream,
    tasks: MIXES[words.mix],
    maxTokens,
    retries,
    timeoutMs,
    drainMs: DRAIN_MS,
    stoppedDrainMs: STOPPED_DRAIN_MS,
  };
}

function chooseScenario(
  words: LoadWords,
  trace: readonly Arrival[] | null,
): Pick<LoadPlan, 'concurrency' | 'durationMs' | 'rampMs'> {
  const { preset, concurrency, duration, ramp } = words;
  if (trace !== null) {
    const lengthMs = (trace.at(-1)?.atMs ?? 0) + TRACE_SPARE_MS;
    const durationMs = duration === undefined ? lengthMs : readSpan('duration', duration, 1, LONGEST_MS);
    return { concurrency: concurrency ?? TRACE_CONCURRENCY, durationMs: Math.min(lengthMs, durationMs), rampMs: 0 };
  }
  if (preset === undefined && concurrency === undefined) {
    throw new AppError('invalid', 'no load test is specified', {
      hint: 'add --preset baseline, --concurrency 10, --swarm or --trace FILE; see `npx upshift loadtest --help`',
    });
  }
  const usual = preset === undefined ? { concurrency: 1, duration: FREE_DURATION, ramp: '0s' } : PRESETS[preset];
  const durationMs = readSpan('duration', duration ?? usual.duration, 1, LONGEST_MS);
  return {
    concurrency: concurrency ?? usual.concurrency,
    durationMs,
    rampMs: ramp === undefined ? Math.min(durationMs / 2, spanOf(usual.ramp)) : readSpan('ramp', ramp, 0, durationMs),
  };
}

function spanOf(text: string): number {
  return parseSpan(text) ?? 0;
}

function readSpan(flag: string, text: string, leastMs: number, mostMs: number): number {
  const ms = parseSpan(text);
  if (ms !== null && ms >= leastMs && ms <= mostMs) return ms;
  const message = ms === null ? `--${flag} "${text}" is not a span of time` : `--${flag} ${text} is out of range`;
  const most = flag === 'ramp' ? 'the duration' : `${mostMs / 3_600_000} h`;
  throw new AppError('invalid', message, { hint: `expected a span such as 30s, 5m or 1h, up to ${most}` });
}

function checkWhole(flag: string, value: number, least: number, most: number): void {
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  checkNumber(flag, value, Number.isInteger(value) && value >= least && value <= most, `a whole number ${range}`);
}

/**
 * The URL of the calls. A token is only sent over https or to this machine. A faster clock is only allowed for a
 * simulation on this machine.
 */
export function readTarget(text: string, { sendsToken, scale }: { sendsToken: boolean; scale: number }): URL {
  const url = readBaseUrl(text);
  const isLocal = isLoopbackHost(url.hostname);
  if (sendsToken && url.protocol === 'http:' && !isLocal) {
    throw new AppError('invalid', `--send-token would send HF_TOKEN to ${url.host} unencrypted`, {
      hint: 'use https; http is allowed on loopback only (http://127.0.0.1:PORT)',
    });
  }
  if (scale !== 1 && !isLocal) {
    throw new AppError('invalid', `UPSHIFT_TIME_SCALE: ${scale} is refused, because ${url.host} is not this machine`, {
      hint: 'only a simulation may scale time: unset UPSHIFT_TIME_SCALE',
    });
  }
  url.pathname += '/chat/completions';
  return url;
}
