import { messageEvents, messageObject } from './messages.ts';
import { responseEvents, responseObject } from './responses.ts';
import type { AnswerKind, ToolCall, Wanted } from './wanted.ts';

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
    choices: [chatChoice(wanted, content)],
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
  generation: (wanted, text) => ({ generated_text: text, details: generationDetails(wanted) }),
};

function chatChoice({ id, tool }: Wanted, content: string): object {
  if (tool === undefined) return { ...FINISH, message: { role: 'assistant', content } };
  const message = { role: 'assistant', content: null, tool_calls: [calledTool(id, tool)] };
  return { ...FINISH, finish_reason: 'tool_calls', message };
}

function calledTool(id: string, { name, args }: ToolCall): object {
  return { id: `call_${id}`, type: 'function', function: { name, arguments: args } };
}

function generationDetails({ outputTokens, promptTokens }: Wanted): object {
  return { finish_reason: 'length', generated_tokens: outputTokens, input_length: promptTokens, seed: null };
}

/** The events of a streamed answer: the first is due at the first token, the last when the answer is complete. */
export function streamedAnswer(wanted: Wanted, chunks: number): string[] {
  const text = wanted.tool?.args ?? answerText(wanted);
  const size = Math.max(1, Math.ceil(text.length / chunks));
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += size) pieces.push(text.slice(at, at + size));
  if (wanted.kind === 'response') return responseEvents(wanted, pieces, text);
  if (wanted.kind === 'message') return messageEvents(wanted, pieces);
  if (wanted.kind === 'generation') return generationEvents(wanted, pieces, text);
  return openAiEvents(wanted, pieces);
}

function openAiEvents(wanted: Wanted, pieces: readonly string[]): string[] {
  const isChat = wanted.kind === 'chat';
  const object = isChat ? 'chat.completion.chunk' : 'text_completion';
  const head = { id: wanted.id, object, created: wanted.createdSeconds, model: wanted.model };
  const open = JSON.stringify(head).slice(0, -1);
  const events = pieces.map((piece, index) => {
    const content = JSON.stringify(piece);
    const reason = index < pieces.length - 1 ? 'null' : wanted.tool === undefined ? '"stop"' : '"tool_calls"';
    const role = index === 0 ? '"role":"assistant",' : '';
    const said =
      wanted.tool === undefined ? `"content":${content}` : `"tool_calls":[${toolPiece(wanted, piece, index)}]`;
    const part = isChat ? `"delta":{${role}${said}}` : `"text":${content}`;
    return `data: ${open},"choices":[{"index":0,${part},"logprobs":null,"finish_reason":${reason}}]}\n\n`;
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
function generationEvents(wanted: Wanted, pieces: readonly string[], text: string): string[] {
  return pieces.map((piece, at) => {
    const isLast = at === pieces.length - 1;
    const token = { id: at + 1, text: piece, logprob: -0.1, special: false };
    const end = { generated_text: isLast ? text : null, details: isLast ? generationDetails(wanted) : null };
    return `data:${JSON.stringify({ index: at + 1, token, ...end })}\n\n`;
  });
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

/** An estimate of the tokens in texts to embed. */
export function textTokens(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0);
}
