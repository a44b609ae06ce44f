import type { Clock } from '../../core/clock.ts';
import type { Dice } from '../../core/dice.ts';
import { isObject, sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import { streamedAnswer, wholeAnswer } from './answers.ts';
import { statedTokens } from './asked.ts';
import type { Asked } from './asked.ts';
import { chance, jitterOf } from './chance.ts';
import type { Deployment } from './deployment.ts';
import { answerCall } from './model.ts';
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

/** Longest answer that a limit alone sets exactly; above it the length is drawn. */
const MAX_DICTATED_TOKENS = 4096;
/** An answer whose length nobody sets: its median in tokens, the spread of its logarithm, and the most. */
const USUAL = { median: 150, sigma: 0.6, most: 2048 };

/**
 * What the model answers to a body. How long the answer would be is stated by `metadata.output_tokens`, else by
 * `max_tokens` (or its other spellings) up to 4,096, else drawn. `from.lengthFactor` changes it. What is longer than the
 * limit is cut. `from.reasons`: share of reasoning if the call does not say, 0..1.
 */
export function readWanted(
  kind: AnswerKind,
  body: Record<string, unknown>,
  from: {
    readonly asked: Asked;
    readonly deployment: Deployment;
    readonly id: string;
    readonly model: string;
    readonly nowMs: number;
    readonly reasons: number;
    readonly lengthFactor?: number;
    readonly dice: Dice;
  },
): Wanted {
  const { asked, deployment, id, model, reasons, lengthFactor = 1 } = from;
  const length = lengthOf(body, from);
  const natural = Math.max(1, Math.round(length.natural * lengthFactor));
  const made = answerCall(asked, { natural, limit: length.limit }, deployment, { call: id, reasons });
  const counted = (tokens: number) => Math.round(tokens * deployment.tokensFactor);
  const options = body['stream_options'];
  return {
    ...made,
    kind,
    id,
    model,
    promptTokens: counted(promptTokensAt(asked, deployment)),
    outputTokens: counted(made.outputTokens),
    reasoningTokens: counted(made.reasoningTokens),
    createdSeconds: Math.floor(from.nowMs / 1000),
    includeUsage: isObject(options) && options['include_usage'] === true,
  };
}

function lengthOf(
  body: Record<string, unknown>,
  { asked, deployment, dice }: { readonly asked: Asked; readonly deployment: Deployment; readonly dice: Dice },
): { natural: number; limit: number } {
  const given = Math.round(answerLimitOf(body) ?? 0);
  const limit = given >= 1 ? given : deployment.usualLimit;
  const dictated = given >= 1 && given <= MAX_DICTATED_TOKENS ? given : undefined;
  const stated = statedTokens(body, 'output_tokens') ?? dictated;
  if (stated !== undefined) return { natural: Math.max(1, stated), limit };
  const jitter = asked.isExact ? jitterOf(asked.seed, USUAL.sigma) : dice.jitter(USUAL.sigma);
  return { natural: Math.min(USUAL.most, Math.ceil(USUAL.median * jitter)), limit };
}

/** The tokens of the prompt, in which a template adds 5 to 44 and a narrow context cuts. */
function promptTokensAt({ promptTokens, seed }: Asked, { hasOtherTemplate, contextTokens }: Deployment): number {
  const added = hasOtherTemplate ? 5 + Math.floor(chance(seed, 'template') * 40) : 0;
  return Math.min(contextTokens, promptTokens + added);
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
