import { setTimeout as pause } from 'node:timers/promises';
import type { Lane } from './lane.ts';
import type { Address } from './side.ts';

/** How a call ended. The text is that of the answer, or of what the side says of its failure. */
export type Got =
  | { readonly kind: 'answered'; readonly text: string; readonly isStream: boolean }
  | { readonly kind: 'failed'; readonly status: number; readonly text: string }
  /** Stopped, or refused for its rate again and again. */
  | { readonly kind: 'left' };

/** What sending takes. */
export interface Sending {
  readonly lane: Lane;
  /** Real milliseconds for one attempt. */
  readonly timeoutMs: number;
  readonly stop: AbortSignal;
}

/** An answer beyond this many characters is no answer to any of the requests. */
const LONGEST = 8 * 1024 * 1024;
/** Attempts while a side limits its rate, and after another failure. */
const [MOST_LIMITED, MOST_FAILED] = [6, 2];
const FAILED_PAUSE_MS = 500;

/**
 * Posts a JSON body to a path of a side, and reads its answer. Waits and tries again if the side limits its rate; tries once
 * more if it fails without being at fault (5xx, no connection, no answer in time). Redirects are not followed, because the key
 * would go with them. Never rejects.
 */
export async function send(side: Address, path: string, body: object, sending: Sending): Promise<Got> {
  const { lane, stop } = sending;
  let [limited, failed] = [0, 0];
  for (;;) {
    const got = await lane.run(() => attempt(side, path, body, sending), stop).catch(() => LEFT);
    if (got.kind === 'answered') lane.answered();
    if (got.kind !== 'limited') {
      const isAtFault = got.kind === 'failed' && (got.status === 0 || got.status >= 500);
      if (!isAtFault || ++failed >= MOST_FAILED) return got;
      await pause(FAILED_PAUSE_MS, undefined, { signal: stop }).catch(() => undefined);
      continue;
    }
    if (++limited >= MOST_LIMITED) return LEFT;
    lane.slowDown(got.retryAfterMs, limited);
  }
}

const LEFT = { kind: 'left' } as const;

type Attempt = Got | { readonly kind: 'limited'; readonly retryAfterMs: number | null };

async function attempt(side: Address, path: string, body: object, { timeoutMs, stop }: Sending): Promise<Attempt> {
  const late = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(`${side.url}${path}`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/json', ...bearer(side) },
      body: JSON.stringify(body),
      signal: AbortSignal.any([stop, late]),
    });
    const text = await readText(response);
    const { status, headers } = response;
    if (status === 429 || (status === 503 && headers.has('retry-after'))) {
      return { kind: 'limited', retryAfterMs: retryAfter(headers.get('retry-after')) };
    }
    if (!response.ok) return { kind: 'failed', status, text: withoutKey(text, side) };
    const isStream = headers.get('content-type')?.includes('text/event-stream') === true;
    return { kind: 'answered', text, isStream };
  } catch (error) {
    if (stop.aborted) return LEFT;
    return { kind: 'failed', status: 0, text: late.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error) };
  }
}

/** The header with the side's key. */
export function bearer({ key }: Address): Readonly<Record<string, string>> {
  return key === null ? {} : { authorization: `Bearer ${key}` };
}

/** A server may repeat the credentials that it refuses. */
function withoutKey(text: string, { key }: Address): string {
  return key === null ? text : text.replaceAll(key, '***');
}

/** Why there was no answer: the code of the socket, or what it says; neither holds a header or a body. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no answer';
  const cause = (error.cause ?? error) as NodeJS.ErrnoException;
  return cause.code ?? cause.message;
}

/** The body of an answer. Throws if it is longer than any that is read. */
export async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece as Uint8Array, { stream: true });
    if (text.length > LONGEST) throw new Error('the answer is too long');
  }
  return text + decoder.decode();
}

/** Seconds, or a date. */
function retryAfter(header: string | null): number | null {
  if (header === null) return null;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - Date.now();
  return ms >= 0 ? ms : null;
}
