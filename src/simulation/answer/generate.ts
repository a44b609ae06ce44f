import type { Clock } from '../../core/clock.ts';
import type { Dice } from '../../core/dice.ts';
import { isObject, sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import { streamedAnswer, wholeAnswer } from './answers.ts';
import { structuredText, toolCall } from './samples.ts';
import type { AnswerKind, Wanted } from './wanted.ts';

/** How long an engine takes, in clock milliseconds. */
export interface Speed {
  /** A fixed part of every call. */
  readonly baseMs: number;
  readonly perPromptTokenMs: number;
  readonly perOutputTokenMs: number;
  /** Spread of the log-normal factor on each call's time. */
  readonly sigma: number;
}

/** The times of the first and the last token, counted from the start of the work on the call; clock milliseconds. */
export interface Timing {
  readonly firstTokenMs: number;
  readonly totalMs: number;
}

/** Draws the times of one call; `factor` combines the effect of concurrency and of a `slow` fault. */
export function drawTiming(
  speed: Speed,
  tokens: { prompt: number; output: number },
  factor: number,
  dice: Dice,
): Timing {
  const scale = factor * dice.jitter(speed.sigma);
  const firstTokenMs = scale * (speed.baseMs + tokens.prompt * speed.perPromptTokenMs + speed.perOutputTokenMs);
  return { firstTokenMs, totalMs: firstTokenMs + scale * Math.max(0, tokens.output - 1) * speed.perOutputTokenMs };
}

/** Longest answer that `max_tokens` sets exactly; above it the length is drawn. */
const MAX_DICTATED_TOKENS = 4096;

/**
 * Reads what a body asks for. `max_tokens` (or its other spellings) up to 4,096 is the exact length of the answer, so
 * that a trace can set it. Prompt tokens are `metadata.prompt_tokens` if the caller states them (bodies of a played
 * trace are short), otherwise a quarter of the body's bytes.
 */
export function readWanted(
  kind: AnswerKind,
  body: Record<string, unknown>,
  from: { bytes: number; id: string; model: string; nowMs: number; dice: Dice },
): Wanted {
  const limit = answerLimitOf(body);
  const isDictated = limit !== undefined && limit >= 1 && limit <= MAX_DICTATED_TOKENS;
  const options = body['stream_options'];
  return {
    kind,
    id: from.id,
    model: from.model,
    promptTokens: promptTokensOf(body, from.bytes),
    outputTokens: isDictated ? Math.round(limit) : Math.min(2048, Math.ceil(150 * from.dice.jitter(0.6))),
    createdSeconds: Math.floor(from.nowMs / 1000),
    includeUsage: isObject(options) && options['include_usage'] === true,
    text: structuredText(body['response_format']),
    tool: kind === 'chat' ? toolCall(body) : undefined,
  };
}

/** The tokens of a prompt, stated or estimated. `bytes`: of the body. */
export function promptTokensOf(body: Readonly<Record<string, unknown>>, bytes: number): number {
  const metadata = body['metadata'];
  const stated = isObject(metadata) ? Number(metadata['prompt_tokens']) : Number.NaN;
  return Number.isFinite(stated) && stated >= 0 ? Math.round(stated) : Math.ceil(bytes / 4);
}

/** The most tokens that an answer may have; undefined if the body does not say. */
export function answerLimitOf(body: Readonly<Record<string, unknown>>): number | undefined {
  const parameters = isObject(body['parameters']) ? body['parameters'] : {};
  const limit =
    body['max_completion_tokens'] ?? body['max_tokens'] ?? body['max_output_tokens'] ?? parameters['max_new_tokens'];
  return typeof limit === 'number' ? limit : undefined;
}

const MAX_CHUNKS = 12;
/** Least real milliseconds between two chunks, because finer pacing costs processor time and shows nothing more. */
const MIN_CHUNK_GAP_MS = 8;

/**
 * Sends the answer at its times: whole, or as server-sent events. If it ends half-way, the connection breaks (`cut`) or
 * stays open (`stall`), or the message ends as if it were whole (`half`). Resolves when the answer is sent or stalled, or the client has left.
 */
export async function giveAnswer(
  exchange: Exchange,
  wanted: Wanted,
  timing: Timing,
  how: {
    clock: Clock;
    isStreamed: boolean;
    end: 'whole' | 'cut' | 'stall' | 'half';
    headers: Readonly<Record<string, string>>;
  },
): Promise<void> {
  const { response } = exchange;
  if (!how.isStreamed) {
    await how.clock.sleep(timing.totalMs);
    const answer = wholeAnswer(wanted);
    if (how.end === 'cut' || how.end === 'stall') breakOff(exchange, answer, how.headers, how.end === 'cut');
    else sendJson(exchange, 200, how.end === 'half' ? answer.slice(0, answer.length / 2) : answer, how.headers);
    return;
  }
  const restMs = timing.totalMs - timing.firstTokenMs;
  const chunks = Math.max(2, Math.min(MAX_CHUNKS, Math.floor(restMs / how.clock.scale / MIN_CHUNK_GAP_MS) + 1));
  const events = streamedAnswer(wanted, chunks);
  await how.clock.sleep(timing.firstTokenMs);
  if (response.destroyed) return;
  exchange.counters.add(exchange.upstream, 200);
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...how.headers });
  const until = how.clock.now() + restMs;
  const paced = Math.max(1, Math.min(chunks, events.length) - 1);
  response.write(events[0]);
  for (let index = 1; index <= paced; index += 1) {
    const remaining = until - how.clock.now();
    await how.clock.sleep(Math.max(0, remaining / (paced - index + 1)));
    if (response.destroyed) return;
    if (how.end !== 'whole' && index * 2 > paced) {
      if (how.end === 'cut') response.destroy();
      else if (how.end === 'half') response.end();
      return;
    }
    response.write(index === paced ? events.slice(index).join('') : events[index]);
  }
  response.end();
}

/** Sends the head and half the body of an answer, then cuts the connection or leaves it open. */
function breakOff(
  { response, counters, upstream }: Exchange,
  body: string,
  headers: Readonly<Record<string, string>>,
  isCut: boolean,
): void {
  if (response.destroyed) return;
  counters.add(upstream, 200);
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.write(body.slice(0, body.length / 2), () => isCut && response.destroy());
}
