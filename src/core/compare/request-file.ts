import { objectOf } from '../answer/output.ts';
import type { Json } from '../answer/output.ts';
import { AppError } from '../errors.ts';
import { PATHS } from './built-in.ts';
import type { ComparePath, CompareRequest } from './built-in.ts';

/** The requests of a file beyond these are not read. */
const MOST_REQUESTS = 100_000;

/**
 * Reads requests from a file with one JSON object on each line: the body of a call (with `messages`, `prompt` or `input`), or
 * a line of OpenAI's batches (`{"url": "/v1/chat/completions", "body": {...}}`). The model is left out, because each side has
 * its own. Throws AppError `invalid` with the number of the line, never with its text.
 */
export function readRequests(file: string): readonly CompareRequest[] {
  const requests: CompareRequest[] = [];
  for (const [i, line] of file.split('\n').entries()) {
    if (line.trim() === '') continue;
    if (requests.length === MOST_REQUESTS) break;
    requests.push(readLine(line, i + 1));
  }
  if (requests.length === 0) throw new AppError('invalid', 'the file has no requests', { hint: HINT });
  return requests;
}

const HINT = 'expected one JSON body of a call on each line, with messages, prompt or input';

function readLine(line: string, number: number): CompareRequest {
  const value = objectOf(parsed(line));
  if (value === null) throw new AppError('invalid', `line ${number} is no JSON object`, { hint: HINT });
  const inner = objectOf(value.body);
  const given = inner ?? value;
  const path = inner === null ? pathOf(given) : namedPath(value.url);
  if (path === null) throw new AppError('invalid', `line ${number} is no call that can be compared`, { hint: HINT });
  const { model: _, ...body } = given;
  return { kind: 'own', path, body };
}

function pathOf(body: Json): ComparePath | null {
  if (Array.isArray(body.messages)) return '/chat/completions';
  if (body.prompt !== undefined) return '/completions';
  return body.input === undefined ? null : '/embeddings';
}

function namedPath(url: unknown): ComparePath | null {
  return PATHS.find((path) => url === `/v1${path}` || url === path) ?? null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
