import { isObject } from '../exchange.ts';
import { messageEvents, messageObject } from './messages.ts';
import { responseEvents, responseObject } from './responses.ts';
import type { AnswerKind, Wanted } from './wanted.ts';

const FILLER =
  'The agents asked for a plan and the plan was to look at the figures first, then at the cost, then to decide. '.repeat(
    20,
  );

/** About four characters a token, at most 2,000 so that the simulation stays cheap. */
function answerText(wanted: Wanted): string {
  return wanted.text ?? FILLER.slice(0, Math.min(2000, Math.max(1, wanted.outputTokens * 4)));
}

/** The whole answer as JSON text, in the shape of OpenAI's or Anthropic's interface. */
export function wholeAnswer(wanted: Wanted): string {
  return JSON.stringify(WHOLE[wanted.kind](wanted, answerText(wanted)));
}

const FINISH = { index: 0, logprobs: null, finish_reason: 'stop' };

const WHOLE: Readonly<Record<AnswerKind, (wanted: Wanted, text: string) => object>> = {
  chat: (wanted, content) => ({
    id: wanted.id,
    object: 'chat.completion',
    created: wanted.createdSeconds,
    model: wanted.model,
    choices: [{ ...FINISH, message: { role: 'assistant', content } }],
    usage: usage(wanted),
  }),
  completion: (wanted, text) => ({
    id: wanted.id,
    object: 'text_completion',
    created: wanted.createdSeconds,
    model: wanted.model,
    choices: [{ ...FINISH, text }],
    usage: usage(wanted),
  }),
  response: (wanted, text) => responseObject(wanted, text),
  message: messageObject,
};

/** The events of a streamed answer: the first is due at the first token, the last when the answer is complete. */
export function streamedAnswer(wanted: Wanted, chunks: number): string[] {
  const text = answerText(wanted);
  const size = Math.max(1, Math.ceil(text.length / chunks));
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += size) pieces.push(text.slice(at, at + size));
  if (wanted.kind === 'response') return responseEvents(wanted, pieces, text);
  if (wanted.kind === 'message') return messageEvents(wanted, pieces);
  return openAiEvents(wanted, pieces);
}

function openAiEvents(wanted: Wanted, pieces: readonly string[]): string[] {
  const isChat = wanted.kind === 'chat';
  const object = isChat ? 'chat.completion.chunk' : 'text_completion';
  const head = { id: wanted.id, object, created: wanted.createdSeconds, model: wanted.model };
  const open = JSON.stringify(head).slice(0, -1);
  const events = pieces.map((piece, index) => {
    const content = JSON.stringify(piece);
    const reason = index === pieces.length - 1 ? '"stop"' : 'null';
    const role = index === 0 ? '"role":"assistant",' : '';
    const part = isChat ? `"delta":{${role}"content":${content}}` : `"text":${content}`;
    return `data: ${open},"choices":[{"index":0,${part},"logprobs":null,"finish_reason":${reason}}]}\n\n`;
  });
  if (wanted.includeUsage) events.push(`data: ${open},"choices":[],"usage":${JSON.stringify(usage(wanted))}}\n\n`);
  return [...events, 'data: [DONE]\n\n'];
}

function usage({ promptTokens, outputTokens }: Wanted): object {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: outputTokens,
    total_tokens: promptTokens + outputTokens,
  };
}

/** An OpenAI embeddings answer; the openai client asks for `base64` by default. */
export function embeddingAnswer(model: string, texts: readonly string[], format: unknown, size: number): string {
  const data = texts.map((text, index) => {
    const vector = embed(text, size);
    const packed = format === 'base64' ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector;
    return { object: 'embedding', index, embedding: packed };
  });
  const tokens = textTokens(texts);
  return JSON.stringify({ object: 'list', data, model, usage: { prompt_tokens: tokens, total_tokens: tokens } });
}

/** A vector of length 1 that depends on the text alone: equal texts have equal vectors, other texts have distant ones. */
export function embed(text: string, size: number): number[] {
  let hash = 2166136261;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 16777619) >>> 0;
  const raw = Array.from({ length: size }, (_, index) => Math.sin((hash % 65_521) + index * 1.7));
  const norm = Math.sqrt(raw.reduce((sum, x) => sum + x * x, 0)) || 1;
  return raw.map((x) => Math.round((x / norm) * 1e6) / 1e6);
}

/** JSON text that fits the `response_format` of a call; undefined if the call has none. */
export function structuredText(format: unknown): string | undefined {
  if (!isObject(format) || typeof format['type'] !== 'string' || !format['type'].startsWith('json')) return undefined;
  const wrapped = format['json_schema'];
  const schema = isObject(wrapped) ? wrapped['schema'] : format['value'];
  return JSON.stringify(isObject(schema) ? sampleOf(schema) : { answer: 'yes' });
}

/** A value that fits a plain JSON schema: types, properties, enums; other keywords are ignored. */
function sampleOf(schema: Record<string, unknown>): unknown {
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  if ('const' in schema) return schema['const'];
  switch (schema['type']) {
    case 'string':
      return 'text';
    case 'integer':
    case 'number':
      return 1;
    case 'boolean':
      return true;
    case 'array':
      return isObject(schema['items']) ? [sampleOf(schema['items'])] : [];
    case 'null':
      return null;
    default: {
      const properties = isObject(schema['properties']) ? schema['properties'] : {};
      const entries = Object.entries(properties);
      return Object.fromEntries(entries.map(([key, part]) => [key, isObject(part) ? sampleOf(part) : null]));
    }
  }
}

/** An estimate of the tokens in texts to embed. */
export function textTokens(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0);
}
