import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LoadOptions } from '../../src/loadtest/load.ts';
import { seededDice } from '../../src/simulation/dice.ts';
import { fastClock } from '../simulation/clocks.ts';

/** A complete answer to a call that asks for no stream. */
export const GOOD = JSON.stringify({ choices: [{ message: { content: 'yes' }, finish_reason: 'stop' }] });

/** A request that the server received. */
export interface Asked {
  readonly request: IncomingMessage;
  readonly body: string;
  readonly response: ServerResponse;
}

/** A server on its own port that answers each complete request with the given function. */
export async function serve(answer: (asked: Asked) => void) {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => answer({ request, body, response }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = async () => {
    server.close();
    server.closeAllConnections();
    await Promise.resolve();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, [Symbol.asyncDispose]: stop };
}

/** Options of a small closed loop on a fast clock; each test overrides what it tests. */
export function loadOf(baseUrl: string, more: Partial<LoadOptions> = {}): LoadOptions {
  return {
    url: new URL(`${baseUrl}/v1/chat/completions`),
    token: undefined,
    clock: fastClock(1_000),
    dice: seededDice(1),
    trace: null,
    concurrency: 4,
    rampMs: 0,
    durationMs: 3_600_000,
    windowMs: 300_000,
    maxCalls: 40,
    agents: 4,
    model: 'a/model',
    isStreamed: false,
    tasks: ['plain'],
    maxTokens: 20,
    retries: 0,
    timeoutMs: 5_000,
    drainMs: 5_000,
    stoppedDrainMs: 5_000,
    stop: new AbortController().signal,
    ...more,
  };
}
