import { Agent } from 'node:http';
import type { TestContext } from 'node:test';
import { createClock } from '../../src/files/clock.ts';
import { makeCall } from '../../src/loadtest/call.ts';
import { atEnd } from './ending.ts';

/** One request as its client saw it; times in real epoch ms. */
export interface Sent {
  /** Its `X-Agent-Id`, of its own: by it the call is found in the ledger. */
  readonly agent: string;
  /** 0 where no answer came. */
  readonly status: number;
  /** Undefined for a complete 2xx and for a 429. */
  readonly failure: string | undefined;
  readonly startedAt: number;
  readonly endedAt: number;
}

export interface TrafficOptions {
  /** Base URL of the gateway. */
  readonly url: string;
  readonly model: string;
  /**
   * Calls in a real second, each sent at its time whether earlier ones have ended or not; 30 unless said, because calls
   * are what takes most of a test's processor time.
   */
  readonly rate?: number;
  /** Share of calls that ask for a stream; 0.3 unless said. */
  readonly streams?: number;
  readonly maxTokens?: number;
  readonly prefix?: string;
  /** Whether calls carry an `X-Agent-Id`; true unless said. */
  readonly named?: boolean;
  /** What else stands in the bodies. */
  readonly extra?: object;
}

/** Calls that go on until they are stopped. */
export interface Traffic {
  readonly sent: readonly Sent[];
  /** What no client should see: anything but a complete 2xx or a 429. */
  failures(): Sent[];
  /** Sends no more and waits for what is under way. */
  stop(): Promise<void>;
}

/** Begins to call the gateway steadily over connections that are kept alive, until stopped or the test ends. */
export function startTraffic(t: TestContext, options: TrafficOptions): Traffic {
  const { url, model, rate = 30, streams = 0.3, maxTokens = 20, prefix = 'call', named = true, extra = {} } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, maxFreeSockets: 256 });
  const target = {
    url: new URL(`${url}/v1/chat/completions`),
    agent,
    clock: createClock({ scale: 1, start: 0 }),
    token: 'hf_client',
    timeoutMs: 30_000,
  };
  const sent: Sent[] = [];
  const running = new Set<Promise<void>>();
  const startedAt = performance.now();
  let count = 0;
  const send = async () => {
    const number = count++;
    const isStreamed = (number * streams) % 1 < streams;
    const body = JSON.stringify({
      model,
      messages: [{ role: 'user', content: `Task ${number}: say hello.` }],
      max_tokens: maxTokens,
      ...(isStreamed ? { stream: true, stream_options: { include_usage: true } } : {}),
      ...extra,
    });
    const name = `${prefix}-${number}`;
    const began = Date.now();
    const { status, failure } = await makeCall(target, { agentName: named ? name : undefined, body, isStreamed });
    sent.push({ agent: name, status, failure, startedAt: began, endedAt: Date.now() });
  };
  const timer = setInterval(() => {
    const due = Math.ceil(((performance.now() - startedAt) * rate) / 1_000);
    for (let missing = due - count; missing > 0; missing--) {
      const life = send();
      running.add(life);
      void life.finally(() => running.delete(life));
    }
  }, 5);
  const stop = async () => {
    clearInterval(timer);
    await Promise.all(running);
    agent.destroy();
  };
  atEnd(t, () => {
    clearInterval(timer);
    agent.destroy();
  });
  return { sent, failures: () => sent.filter(({ failure }) => failure !== undefined), stop };
}
