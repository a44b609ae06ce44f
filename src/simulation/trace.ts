import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { AppError } from '../core/errors.ts';
import { MINUTE_MS } from '../core/time.ts';
import type { Arrival } from '../core/trace.ts';
import { seededDice } from './dice.ts';

/*
 * Figures of the conversation part of the "Azure LLM Inference Trace 2023" (Azure/AzurePublicDataset, Microsoft,
 * CC-BY-4.0; Patel et al., "Splitwise"): calls in each minute, and tokens at every twentieth of the ranks.
 */
const CALLS_PER_MINUTE = [
  191, 265, 329, 353, 307, 273, 268, 261, 322, 298, 301, 302, 345, 326, 283, 279, 280, 308, 343, 351, 351, 343, 408,
  396, 386, 398, 432, 480, 476, 453, 448, 507, 438, 413, 423, 418, 465, 311, 329, 316, 333, 355, 319, 360, 334, 375,
  330, 249, 221, 249, 265, 280, 256, 254, 242, 260, 246, 225, 37,
];
const PROMPT_TOKENS = [
  2, 181, 207, 372, 387, 396, 403, 414, 703, 984, 1020, 1045, 1071, 1097, 1130, 1189, 1315, 1877, 2735, 4083, 14050,
];
const OUTPUT_TOKENS = [7, 41, 54, 67, 77, 85, 91, 96, 103, 113, 129, 151, 177, 217, 384, 395, 400, 411, 424, 451, 1000];
/** The recording ends within its last minute. */
const LAST_MINUTE_MS = 9_600;
/** The busiest quarter of an hour: in each five minutes, also where it begins again, there are more than 2,000 calls. */
const BUSY_MINUTES = { from: 22, until: 37 } as const;

/**
 * The arrivals of that hour, played `times` times in a row. Each minute has the recorded number of calls at random
 * times; tokens are drawn from the quantiles (prompt and output independently). The same seed gives the same trace.
 */
export function azureConversation(times: number, seed: number): Arrival[] {
  return playMinutes({ from: 0, until: CALLS_PER_MINUTE.length }, times, seed);
}

/**
 * The arrivals of the busiest fifteen minutes of that hour, drawn in the same way, `times` times in a row. Their demand
 * is above the usual limit of serverless all the time.
 */
export function busyConversation(times: number, seed: number): Arrival[] {
  return playMinutes(BUSY_MINUTES, times, seed);
}

function playMinutes(
  { from, until }: { readonly from: number; readonly until: number },
  times: number,
  seed: number,
): Arrival[] {
  const dice = seededDice(seed);
  const trace: Arrival[] = [];
  let beganMs = 0;
  for (let minute = from, left = times; left > 0; minute += 1) {
    const spanMs = minute === CALLS_PER_MINUTE.length - 1 ? LAST_MINUTE_MS : MINUTE_MS;
    const calls = CALLS_PER_MINUTE[minute] ?? 0;
    const offsets = Array.from({ length: calls }, () => dice.next() * spanMs).sort((left, right) => left - right);
    for (const offset of offsets) {
      trace.push({
        atMs: beganMs + offset,
        promptTokens: drawTokens(PROMPT_TOKENS, dice.next()),
        outputTokens: drawTokens(OUTPUT_TOKENS, dice.next()),
      });
    }
    beganMs += spanMs;
    if (minute === until - 1) [minute, left] = [from - 1, left - 1];
  }
  return trace;
}

function drawTokens(quantiles: readonly number[], rank: number): number {
  const place = rank * (quantiles.length - 1);
  const below = Math.floor(place);
  const low = quantiles[below] ?? 1;
  const high = quantiles[below + 1] ?? low;
  return Math.round(low + (high - low) * (place - below));
}

/** The same trace with only a share (0..1) of its calls, thinned evenly. */
export function scaleLoad(trace: readonly Arrival[], share: number): Arrival[] {
  if (!(share > 0 && share <= 1)) {
    throw new AppError('invalid', `the trace's share is ${share}; allowed: above 0 up to 1`);
  }
  return trace.filter((_, index) => Math.floor((index + 1) * share) > Math.floor(index * share));
}

/** Reads a trace file (`.csv` or `.csv.gz`, see `readTrace`). Throws `not_found` if it cannot be read. */
export async function loadTrace(path: string): Promise<Arrival[]> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    const hint = 'a trace is a CSV file, plain or .gz, with a header line that names t_ms';
    throw new AppError('not_found', `trace ${path} cannot be read`, { cause, hint });
  });
  return readTrace(bytes, path);
}

/** The token counts of a call that has none: the medians of the trace above. */
const MEDIAN_TOKENS = { prompt_tokens: 1020, output_tokens: 129 };
const MAX_MS = 31 * 24 * 3_600_000;
const MAX_TOKENS = 1_000_000;

/**
 * Reads a trace: CSV, plain or gzipped, one call per line. The header names the columns. `t_ms` (milliseconds since the
 * start of the run) is required; `prompt_tokens` and `output_tokens` are used if they are present and not empty; all
 * other columns are ignored. Lines may be in any order; the first call is moved to 0. Throws `invalid` with file, line,
 * column, value and what is allowed.
 */
export function readTrace(source: string | Uint8Array, filename: string): Arrival[] {
  const lines = unpack(source, filename).split(/\r?\n/);
  const columns = (lines[0] ?? '').replace(/^\uFEFF/, '').split(',');
  if (!columns.includes('t_ms')) {
    const hint = 'the header is t_ms,prompt_tokens,output_tokens (others may follow); t_ms is needed';
    throw new AppError('invalid', `${filename}, line 1: the header "${(lines[0] ?? '').slice(0, 80)}" names no t_ms`, {
      hint,
    });
  }
  const arrivals: Arrival[] = [];
  for (let number = 1; number < lines.length; number += 1) {
    const line = lines[number] ?? '';
    if (line.trim() !== '') arrivals.push(readLine(line, { columns, place: `${filename}, line ${number + 1}` }));
  }
  if (arrivals.length === 0) throw new AppError('invalid', `${filename} has a header but no calls`);
  arrivals.sort((left, right) => left.atMs - right.atMs);
  const first = arrivals[0]?.atMs ?? 0;
  const moved = arrivals.map((arrival) => ({ ...arrival, atMs: arrival.atMs - first }));
  const lengthMs = moved.at(-1)?.atMs ?? 0;
  if (lengthMs > MAX_MS) {
    const days = Math.round(lengthMs / 86_400_000);
    throw new AppError('invalid', `${filename}: t_ms spans ${days} days; allowed: up to 31`, { hint: UNIT_HINT });
  }
  return moved;
}

const UNIT_HINT = 't_ms counts milliseconds from the start of the run';

function unpack(source: string | Uint8Array, filename: string): string {
  if (typeof source === 'string') return source;
  const isPacked = source[0] === 0x1f && source[1] === 0x8b;
  try {
    return Buffer.from(isPacked ? gunzipSync(source) : source).toString('utf8');
  } catch (cause) {
    throw new AppError('invalid', `${filename} is a broken gzip file`, { cause });
  }
}

function readLine(line: string, from: { columns: readonly string[]; place: string }): Arrival {
  const cells = line.split(',');
  const { columns, place } = from;
  if (cells.length !== columns.length) {
    throw new AppError('invalid', `${place}: ${cells.length} cells; the header names ${columns.length} columns`);
  }
  const cell = (column: string) => cells[columns.indexOf(column)]?.trim() ?? '';
  const time = Number(cell('t_ms'));
  if (cell('t_ms') === '' || !(time >= 0 && Number.isFinite(time))) {
    const message = `${place}, column t_ms: "${cell('t_ms')}" is not a time; allowed: a number of milliseconds from 0`;
    throw new AppError('invalid', message, { hint: UNIT_HINT });
  }
  const tokens = (column: 'prompt_tokens' | 'output_tokens'): number => {
    const text = cell(column);
    if (text === '') return MEDIAN_TOKENS[column];
    const count = Number(text);
    if (Number.isInteger(count) && count >= 0 && count <= MAX_TOKENS) return count;
    const allowed = `allowed: a whole number from 0 to ${MAX_TOKENS}, or nothing`;
    throw new AppError('invalid', `${place}, column ${column}: "${text}" is not a count of tokens; ${allowed}`);
  };
  return { atMs: time, promptTokens: tokens('prompt_tokens'), outputTokens: Math.max(1, tokens('output_tokens')) };
}
