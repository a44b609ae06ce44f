/** A JSON value whose parts are looked at by name. */
export type Json = Readonly<Record<string, unknown>>;

/**
 * The value of a JSON text; undefined if it is none. A byte order mark before it and Python's NaN and Infinity, which
 * JSON does not have, are taken as most clients take them.
 */
export function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const plain = text.replace(/^(?:\u00ef\u00bb\u00bf|\ufeff)/, '').replace(NO_JSON_NUMBERS, toNull);
    return plain === text ? undefined : parseAnswer(plain);
  }
}

/**
 * Strings are matched too, so that the words within them are left alone. One that does not end is matched as well,
 * because the search would otherwise begin again at each of its quotes.
 */
const NO_JSON_NUMBERS = /"(?:[^"\\]|\\[^]?)*"?|-?(?:NaN|Infinity)/g;

function toNull(found: string): string {
  return found.startsWith('"') ? found : 'null';
}

/** The value as an object; null if it is none. */
export function objectOf(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

/** The objects of a list; none if it is no list. */
export function objectsOf(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(objectOf).filter((each) => each !== null) : [];
}

/** Keys under which a message or a delta holds what the model made, in all of the formats that are known. */
const MADE: readonly string[] = [
  'content',
  'text',
  'reasoning',
  'reasoning_content',
  'thinking',
  'refusal',
  'partial_json',
  'tool_calls',
  'function_call',
  'audio',
  'generated_text',
];

/** Whether a message or a delta holds any output: a text, a tool call, reasoning. */
export function hasOutput(message: Json | null): boolean {
  return message !== null && MADE.some((key) => isSomething(message[key]));
}

/** Whether a value holds anything: a text or a list that is not empty, an object. */
export function isSomething(value: unknown): boolean {
  if (typeof value === 'string' || Array.isArray(value)) return value.length > 0;
  return typeof value === 'object' && value !== null;
}

/** Whether a finish reason is one. Some servers send `""` in every chunk. */
export function isReason(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** Whether a JSON text of an answer with a success status says that it failed, in any form that servers use. */
export function saysError(value: Json): boolean {
  const { error, object, type } = value;
  if (typeof error === 'string' ? error !== '' : typeof error === 'object' && error !== null) return true;
  if (object === 'error' || type === 'error' || type === 'response.failed') return true;
  if (objectsOf(value.choices).some(({ finish_reason: reason }) => reason === 'error')) return true;
  return isReason(value.error_message) && !isSomething(value.choices);
}

/** Tokens as the upstream counted them; null if it did not say. */
export interface Usage {
  readonly promptTokens: number | null;
  readonly outputTokens: number | null;
}

export const NO_USAGE: Usage = { promptTokens: null, outputTokens: null };

/** The usage that a JSON text of an answer gives, wherever its format puts it. */
export function usageOf(value: Json): Usage {
  const places = [value.usage, objectOf(value.response)?.usage, objectOf(value.message)?.usage];
  for (const place of [...places, objectOf(value.x_groq)?.usage]) {
    const usage = objectOf(place);
    if (usage === null) continue;
    return {
      promptTokens: tokens(usage.prompt_tokens) ?? tokens(usage.input_tokens),
      outputTokens: tokens(usage.completion_tokens) ?? tokens(usage.output_tokens),
    };
  }
  return NO_USAGE;
}

function tokens(value: unknown): number | null {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null;
}
