import { request } from 'node:http';
import type { Agent, IncomingMessage } from 'node:http';
import type { Clock } from '../core/clock.ts';

/** Where an agent's calls go. */
export interface Target {
  readonly url: URL;
  readonly agent: Agent;
  readonly clock: Clock;
  readonly token: string;
  readonly timeoutMs: number;
}

/** How a request ended for the agent; times in clock milliseconds from its sending. */
export interface Ended {
  /** 0 where none came. */
  readonly status: number;
  /** Why it is a failure; undefined for a complete 2xx and for a 429. */
  readonly failure: string | undefined;
  readonly durationMs: number;
  readonly firstByteMs: number;
  /** What `Retry-After` asked for. */
  readonly retryAfterMs: number | undefined;
}

/** Sends one chat call and reads its answer to the end. Never rejects. */
export function makeCall(
  target: Target,
  call: { agentName: string | undefined; body: string; isStreamed: boolean },
): Promise<Ended> {
  const { clock } = target;
  const startedAt = clock.now();
  let firstByteMs = 0;
  return new Promise((resolve) => {
    const end = (status: number, failure: string | undefined, retryAfterMs?: number) => {
      resolve({ status, failure, durationMs: clock.now() - startedAt, firstByteMs, retryAfterMs });
    };
    const outgoing = request(target.url, {
      method: 'POST',
      agent: target.agent,
      timeout: target.timeoutMs,
      headers: {
        authorization: `Bearer ${target.token}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(call.body),
        ...(call.agentName === undefined ? {} : { 'x-agent-id': call.agentName }),
      },
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => end(0, `no answer: ${error.code ?? error.message}`));
    outgoing.on('timeout', () => outgoing.destroy(new Error(`silent for ${target.timeoutMs} ms`)));
    outgoing.on('response', (incoming) => {
      firstByteMs = clock.now() - startedAt;
      const status = incoming.statusCode ?? 0;
      readAnswer(incoming, (text, broken) => {
        end(status, findFailure({ status, text, broken, isStreamed: call.isStreamed }), readRetryAfter(incoming));
      });
    });
    outgoing.end(call.body);
  });
}

function readAnswer(incoming: IncomingMessage, done: (text: string, broken: string | undefined) => void): void {
  let text = '';
  incoming.setEncoding('utf8');
  incoming.on('data', (chunk: string) => {
    text += chunk;
  });
  incoming.on('end', () => done(text, undefined));
  incoming.on('error', (error: NodeJS.ErrnoException) => done(text, error.code ?? error.message));
}

function findFailure(
  answer: Readonly<{ status: number; text: string; broken: string | undefined; isStreamed: boolean }>,
): string | undefined {
  const { status, text, broken, isStreamed } = answer;
  if (status === 429) return undefined;
  if (status < 200 || status > 299) return `status ${status}: ${text.slice(0, 200)}`;
  if (broken !== undefined) return `broken off after ${text.length} characters: ${broken}`;
  if (isStreamed) {
    return /"finish_reason":\s*"/.test(text) ? undefined : `a stream without finish_reason: ${text.slice(-200)}`;
  }
  try {
    const { choices } = JSON.parse(text) as { choices?: { finish_reason?: unknown }[] };
    return typeof choices?.[0]?.finish_reason === 'string' ? undefined : `no finish_reason: ${text.slice(0, 200)}`;
  } catch {
    return `an answer that is no JSON: ${text.slice(0, 200)}`;
  }
}

/** Seconds are taken as clock time; a date is ignored. */
function readRetryAfter(incoming: IncomingMessage): number | undefined {
  const seconds = Number(incoming.headers['retry-after'] ?? Number.NaN);
  return seconds >= 0 ? seconds * 1000 : undefined;
}
