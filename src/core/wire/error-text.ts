import { at } from '../json.ts';

/**
 * The error text in the body of an answer: `{"error": "..."}`, `{"error": {"message": "..."}}` or `{"message": "..."}`;
 * the body itself if it is text. Null if it holds none.
 */
export function errorText(body: unknown): string | null {
  if (typeof body === 'string') return body;
  const error = at(body, 'error');
  const said = typeof error === 'object' && error !== null ? at(error, 'message') : (error ?? at(body, 'message'));
  return typeof said === 'string' ? said : null;
}

/** Parses JSON; returns text that is not JSON unchanged. */
export function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
