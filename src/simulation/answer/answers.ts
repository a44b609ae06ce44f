import { messageEvents, messageObject } from './messages.ts';
import { responseEvents, responseObject } from './responses.ts';
import type { AnswerKind, Pieces, ToolCall, Wanted } from './wanted.ts';

/** The whole answer as JSON text, in the shape of OpenAI's or Anthropic's interface. */
export function wholeAnswer(wanted: Wanted): string {
  return JSON.stringify(WHOLE[wanted.kind](wanted));
}

const WHOLE: Readonly<Record<AnswerKind, (wanted: Wanted) => object>> = {
  chat: (wanted) => ({
    ...head(wanted, 'chat.completion'),
    choices: [{ ...choiceHead(wanted), message: { role: 'assistant', ...chatMessage(wanted) } }],
    usage: usage(wanted),
  }),
  completion: (wanted) => ({
    ...head(wanted, 'text_completion'),
    choices: [{ ...choiceHead(wanted), text: wanted.text }],
    usage: usage(wanted),
  }),
  response: responseObject,
  message: messageObject,
  generation: (wanted) => ({ generated_text: wanted.text, details: generationDetails(wanted) }),
};

function head({ id, model, createdSeconds }: Wanted, object: string): object {
  return { id, object, created: createdSeconds, model };
}

function choiceHead({ finish }: Wanted): object {
  return { index: 0, logprobs: null, finish_reason: finish };
}

function chatMessage({ id, text, tool, reasoning }: Wanted): object {
  const said = tool === undefined ? { content: text } : { content: null, tool_calls: [calledTool(id, tool)] };
  return reasoning === '' ? said : { ...said, reasoning_content: reasoning };
}

function calledTool(id: string, { name, args }: ToolCall): object {
  return { id: `call_${id}`, type: 'function', function: { name, arguments: args } };
}

function generationDetails({ outputTokens, promptTokens }: Wanted): object {
  return { finish_reason: 'length', generated_tokens: outputTokens, input_length: promptTokens, seed: null };
}

/**
 * The events of a streamed answer in about so many pieces: the first is due at the first token, the last when the answer
 * is complete.
 */
export function streamedAnswer(wanted: Wanted, chunks: number): string[] {
  const thoughts = wanted.reasoning === '' ? 0 : Math.ceil((chunks * wanted.reasoningTokens) / wanted.outputTokens);
  const pieces = {
    reasoning: cutUp(wanted.reasoning, thoughts),
    said: cutUp(wanted.tool?.args ?? wanted.text, Math.max(1, chunks - thoughts)),
  };
  if (wanted.kind === 'response') return responseEvents(wanted, pieces);
  if (wanted.kind === 'message') return messageEvents(wanted, pieces);
  if (wanted.kind === 'generation') return generationEvents(wanted, pieces.said);
  return openAiEvents(wanted, pieces);
}

function cutUp(text: string, count: number): string[] {
  const size = Math.max(1, Math.ceil(text.length / Math.max(1, count)));
  return Array.from({ length: Math.ceil(text.length / size) }, (_, at) => text.slice(at * size, (at + 1) * size));
}

function openAiEvents(wanted: Wanted, { reasoning, said }: Pieces): string[] {
  const isChat = wanted.kind === 'chat';
  const open = JSON.stringify(head(wanted, isChat ? 'chat.completion.chunk' : 'text_completion')).slice(0, -1);
  const parts = [
    ...reasoning.map((piece) => `"reasoning_content":${JSON.stringify(piece)}`),
    ...said.map((piece, index) =>
      wanted.tool === undefined
        ? `"content":${JSON.stringify(piece)}`
        : `"tool_calls":[${toolPiece(wanted, piece, index)}]`,
    ),
  ];
  const events = parts.map((part, index) => {
    const reason = index < parts.length - 1 ? 'null' : `"${wanted.finish}"`;
    const role = index === 0 ? '"role":"assistant",' : '';
    const made = isChat ? `"delta":{${role}${part}}` : `"text":${JSON.stringify(said[index])}`;
    return `data: ${open},"choices":[{"index":0,${made},"logprobs":null,"finish_reason":${reason}}]}\n\n`;
  });
  if (wanted.includeUsage) events.push(`data: ${open},"choices":[],"usage":${JSON.stringify(usage(wanted))}}\n\n`);
  return [...events, 'data: [DONE]\n\n'];
}

/** A piece of a tool call's arguments; the first piece also names the tool. */
function toolPiece({ id, tool }: Wanted, piece: string, index: number): string {
  const named = tool === undefined || index > 0 ? {} : calledTool(id, { ...tool, args: piece });
  return JSON.stringify({ index: 0, function: { arguments: piece }, ...named });
}

/** TGI's own events: no space behind `data:`, and no `[DONE]`; the last one has the whole text. */
function generationEvents(wanted: Wanted, pieces: readonly string[]): string[] {
  return pieces.map((piece, at) => {
    const isLast = at === pieces.length - 1;
    const token = { id: at + 1, text: piece, logprob: -0.1, special: false };
    const end = { generated_text: isLast ? wanted.text : null, details: isLast ? generationDetails(wanted) : null };
    return `data:${JSON.stringify({ index: at + 1, token, ...end })}\n\n`;
  });
}

function usage({ promptTokens, outputTokens, reasoningTokens }: Wanted): object {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: outputTokens,
    total_tokens: promptTokens + outputTokens,
    ...(reasoningTokens > 0 && { completion_tokens_details: { reasoning_tokens: reasoningTokens } }),
  };
}

/** An OpenAI embeddings answer; the openai client asks for `base64` by default. */
export function embeddingAnswer(
  model: string,
  texts: readonly string[],
  {
    format,
    size,
    isRounded = false,
  }: { readonly format: unknown; readonly size: number; readonly isRounded?: boolean },
): string {
  const data = texts.map((text, index) => {
    const vector = isRounded ? rounded(embed(text, size)) : embed(text, size);
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

/** The vector with its parts in steps of a third of the greatest one, as few bits keep them. */
function rounded(vector: readonly number[]): number[] {
  const step = Math.max(...vector.map(Math.abs)) / 3;
  return vector.map((x) => Math.round(x / step) * step);
}

/** An estimate of the tokens in texts to embed. */
export function textTokens(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0);
}
