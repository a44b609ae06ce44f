import { crc32 } from 'node:zlib';
import { isObject } from '../exchange.ts';
import type { AnswerKind } from './wanted.ts';

type Body = Readonly<Record<string, unknown>>;

/** A tool that a call offers. */
export interface OfferedTool {
  readonly name: string;
  /** The JSON schema of its arguments; `{}` if it states none. */
  readonly schema: Body;
}

/** What a call asks its model for, whatever the form of its body. */
export interface Asked {
  readonly tools: readonly OfferedTool[];
  /** `auto`, `required`, `none`, or the tool that must be called. */
  readonly choice: 'auto' | 'required' | 'none' | { readonly name: string };
  /** Whether the last word is the user's, so that a tool may be called. Otherwise a tool has just answered. */
  readonly isUsersTurn: boolean;
  /** The schema that the answer must satisfy; `{}` if any JSON object will do, null if JSON is not demanded. */
  readonly format: Body | null;
  /** Share of the answer's tokens that is reasoning by the call's own word, 0..1; null if it does not say. */
  readonly reasoning: number | null;
  /** Whether the temperature is 0. */
  readonly isExact: boolean;
  /** Depends on the prompt alone: not on the model's name, and not on whether the answer is streamed. */
  readonly seed: number;
  readonly promptTokens: number;
}

/** Reads what a body asks for; what is missing or malformed is not asked for. */
export function readAsked(kind: AnswerKind, body: Body): Asked {
  const { chars, entries, crc } = measure(body);
  const parameters = isObject(body['parameters']) ? body['parameters'] : {};
  const tools = kind === 'completion' || kind === 'generation' ? [] : toolsOf(body);
  const counted = Math.ceil((chars + JSON.stringify(tools).length) / 4) + 4 * entries + 3;
  return {
    tools,
    choice: choiceOf(body['tool_choice']),
    isUsersTurn: isUsersTurn(body['messages'] ?? body['input']),
    format: kind === 'completion' || kind === 'generation' ? null : formatOf(body),
    reasoning: kind === 'completion' || kind === 'generation' ? null : reasoningOf(body),
    isExact: (body['temperature'] ?? parameters['temperature']) === 0,
    seed: crc,
    promptTokens: statedTokens(body, 'prompt_tokens') ?? counted,
  };
}

/** Tokens that the caller states in `metadata`, because the bodies of a played trace are short; undefined if none. */
export function statedTokens(body: Body, name: 'prompt_tokens' | 'output_tokens'): number | undefined {
  const metadata = body['metadata'];
  const stated = isObject(metadata) && metadata[name] !== undefined ? Number(metadata[name]) : Number.NaN;
  return Number.isFinite(stated) && stated >= 0 ? Math.round(stated) : undefined;
}

const PROMPTS = ['system', 'instructions', 'messages', 'input', 'prompt', 'inputs'] as const;
const DEEPEST = 12;

/** The characters of all texts of the prompt, its messages, and a checksum. */
function measure(body: Body): { chars: number; entries: number; crc: number } {
  let [chars, entries, crc] = [0, 0, 0];
  const walk = (value: unknown, depth: number): void => {
    if (typeof value === 'string') {
      chars += value.length;
      crc = crc32(value, crc);
    } else if (depth < DEEPEST && typeof value === 'object' && value !== null) {
      for (const part of Object.values(value)) walk(part, depth + 1);
    }
  };
  for (const key of PROMPTS) {
    const part = body[key];
    entries += Array.isArray(part) ? part.length : part === undefined ? 0 : 1;
    walk(part, 0);
  }
  return { chars, entries, crc };
}

/** Tools of a chat (`function`), of responses (flat) and of messages (`input_schema`). */
function toolsOf({ tools }: Body): OfferedTool[] {
  if (!Array.isArray(tools)) return [];
  return tools.flatMap((tool: unknown) => {
    if (!isObject(tool)) return [];
    const offered = isObject(tool['function']) ? tool['function'] : tool;
    const schema = offered['parameters'] ?? offered['input_schema'];
    const { name } = offered;
    return typeof name === 'string' ? [{ name, schema: isObject(schema) ? schema : {} }] : [];
  });
}

function choiceOf(choice: unknown): Asked['choice'] {
  const type = isObject(choice) ? choice['type'] : choice;
  if (type === 'none' || type === 'required') return type;
  if (type === 'any') return 'required';
  if (!isObject(choice)) return 'auto';
  const named = isObject(choice['function']) ? choice['function']['name'] : choice['name'];
  return typeof named === 'string' ? { name: named } : 'auto';
}

function isUsersTurn(turns: unknown): boolean {
  const last: unknown = Array.isArray(turns) ? turns.at(-1) : undefined;
  if (!isObject(last)) return true;
  const { role, type, content } = last;
  if (type === 'function_call_output' || (role !== undefined && role !== 'user')) return false;
  return !(Array.isArray(content) && content.some((part) => isObject(part) && part['type'] === 'tool_result'));
}

/** `response_format` of a chat (`value` in TGI's form), or `text.format` of responses. */
function formatOf(body: Body): Body | null {
  const { text } = body;
  const format = body['response_format'] ?? (isObject(text) ? text['format'] : undefined);
  if (!isObject(format) || typeof format['type'] !== 'string' || !format['type'].startsWith('json')) return null;
  const wrapped = format['json_schema'];
  const schema = (isObject(wrapped) ? wrapped['schema'] : undefined) ?? format['schema'] ?? format['value'];
  return isObject(schema) ? schema : {};
}

const EFFORTS: Readonly<Record<string, number>> = { none: 0, minimal: 0, low: 0.2, medium: 0.4, high: 0.6 };

function reasoningOf(body: Body): number | null {
  const { reasoning, thinking } = body;
  const effort = body['reasoning_effort'] ?? (isObject(reasoning) ? reasoning['effort'] : undefined);
  if (typeof effort === 'string') return EFFORTS[effort] ?? null;
  return isObject(thinking) && thinking['type'] === 'enabled' ? (EFFORTS['medium'] ?? null) : null;
}
