import { Agent } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import type { Clock } from '../core/clock.ts';
import type { Dice } from '../core/dice.ts';
import { makeCall } from './call.ts';
import type { Ended, Target } from './call.ts';

/** A connection that has been idle for this long is not used again: its server may be just about to close it. */
const IDLE_MS = 4_000;

/** Connections that are kept for the next call, as many as there are calls at once. */
export function openAgent(url: URL): Agent {
  const options = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, maxFreeSockets: 256, timeout: IDLE_MS };
  return url.protocol === 'https:' ? new SecureAgent(options) : new Agent(options);
}

/** One call, drawn before it is sent so that a seed gives the same run. */
export interface CallPlan {
  readonly agentName: string | undefined;
  readonly body: string;
  readonly isStreamed: boolean;
  /** Clock milliseconds before each repeat; as many as there may be. */
  readonly waitsMs: readonly number[];
}

const FIRST_WAIT_MS = 1_000;
const WAIT_SPREAD_MS = 3_000;
const LONGEST_WAIT_MS = 60_000;

/** The waits before so many repeats: 1 to 4 s each. */
export function drawWaits(repeats: number, dice: Dice): number[] {
  return Array.from({ length: repeats }, () => FIRST_WAIT_MS + dice.next() * WAIT_SPREAD_MS);
}

export interface Sending {
  /** Which ends of a request are followed by a repeat. */
  readonly isRepeated: (ended: Ended) => boolean;
  /** Repeats no more; what is under way still ends. */
  readonly stop?: AbortSignal | undefined;
  /** Cuts off what is under way. */
  readonly cut?: AbortSignal | undefined;
  readonly onSend?: (attempt: number) => void;
  /** Each request that ended; `attempt` counts from 0. */
  readonly onEnd: (ended: Ended, attempt: number) => void;
}

/** Sends a call, and the same again after `Retry-After` or the wait drawn for it; returns how the last request ended. */
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

/** Waits until then; false when told to stop. */
export async function isDue(at: number, clock: Clock, stop: AbortSignal | undefined): Promise<boolean> {
  const waitMs = at - clock.now();
  if (waitMs > 0) await clock.sleep(waitMs, stop).catch(() => undefined);
  return stop?.aborted !== true;
}
