import { Agent } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import type { Clock } from '../core/clock.ts';
import type { Dice } from '../core/dice.ts';
import { makeCall } from './call.ts';
import type { Ended, Target } from './call.ts';

/** A connection that was idle for this long is not used again, because its server may be about to close it. */
const IDLE_MS = 4_000;

/** Keeps connections for later calls, as many as there are calls at once. */
export function openAgent(url: URL): Agent {
  const options = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, maxFreeSockets: 256, timeout: IDLE_MS };
  return url.protocol === 'https:' ? new SecureAgent(options) : new Agent(options);
}

/** One call. It is drawn before it is sent, so that a seed gives the same run. */
export interface CallPlan {
  readonly agentName: string | undefined;
  readonly body: string;
  readonly isStreamed: boolean;
  /** Clock milliseconds before each retry; one entry for each allowed retry. */
  readonly waitsMs: readonly number[];
}

const FIRST_WAIT_MS = 1_000;
const WAIT_SPREAD_MS = 3_000;
const LONGEST_WAIT_MS = 60_000;

/** The waits before this number of retries: 1 to 4 s each. */
export function drawWaits(repeats: number, dice: Dice): number[] {
  return Array.from({ length: repeats }, () => FIRST_WAIT_MS + dice.next() * WAIT_SPREAD_MS);
}

export interface Sending {
  /** The ends of a request after which it is retried. */
  readonly isRepeated: (ended: Ended) => boolean;
  /** Stops retries; requests in flight still end. */
  readonly stop?: AbortSignal | undefined;
  /** Cuts off the requests in flight. */
  readonly cut?: AbortSignal | undefined;
  readonly onSend?: (attempt: number) => void;
  /** Called for each request that ended; `attempt` counts from 0. */
  readonly onEnd: (ended: Ended, attempt: number) => void;
}

/** Sends a call, and retries it after `Retry-After` or its drawn wait; returns how the last request ended. */
export async function sendCall(target: Target, plan: CallPlan, how: Sending): Promise<Ended> {
  const { agentName, body, isStreamed, waitsMs } = plan;
  for (let attempt = 0; ; attempt += 1) {
    how.onSend?.(attempt);
    const ended = await makeCall(target, { agentName, body, isStreamed, signal: how.cut });
    how.onEnd(ended, attempt);
    const drawn = waitsMs[attempt];
    if (drawn === undefined || ended.kind === 'cut' || !how.isRepeated(ended)) return ended;
    const waitMs = Math.min(LONGEST_WAIT_MS, ended.retryAfterMs ?? drawn);
    if (!(await isDue(target.clock.now() + waitMs, target.clock, how.stop))) return ended;
  }
}

/** Waits until this time; false if it was stopped. */
export async function isDue(at: number, clock: Clock, stop: AbortSignal | undefined): Promise<boolean> {
  const waitMs = at - clock.now();
  if (waitMs > 0) await clock.sleep(waitMs, stop).catch(() => undefined);
  return stop?.aborted !== true;
}
