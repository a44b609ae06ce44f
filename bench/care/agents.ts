import { Agent } from 'node:http';
import type { Clock } from '../../src/core/clock.ts';
import type { Arrival } from '../../src/core/trace.ts';
import { makeCall } from '../../src/loadtest/call.ts';
import type { Target } from '../../src/loadtest/call.ts';
import { seededDice } from '../../src/simulation/dice.ts';
import { azureConversation } from '../../src/simulation/trace.ts';

/** How agents take a refusal: as a failure, or with the fixed back-off that many scripts have. */
export type Manners = 'no retry' | 'fixed back-off';

/** What one call came to for its agent. Clock ms. */
interface Done {
  readonly agent: number;
  readonly endedAtMs: number;
  readonly isServed: boolean;
  /** From when it was first sent until the attempt that was served. */
  readonly lateMs: number;
}

/** What the agents saw. */
export interface Seen {
  readonly done: readonly Done[];
  /** Answers with 429, each attempt of a client counted. */
  readonly refused: number;
  /** Anything but a complete 2xx or a 429. */
  readonly failed: number;
}

const TRIES = 5;
const HOUR_MS = 3_600_000;

/** The recorded hour of conversations with `factor` times its calls, dealt to agents in turn. */
export function deal(agents: number, factor: number, seed: number): readonly (readonly Arrival[])[] {
  const hours = Array.from({ length: Math.ceil(factor) }, (_, i) => azureConversation(1, seed + i));
  const calls = hours.flat().sort((a, b) => a.atMs - b.atMs);
  const dice = seededDice(seed);
  const kept = calls.filter(() => dice.next() < factor / Math.ceil(factor));
  const hands: Arrival[][] = Array.from({ length: agents }, () => []);
  for (const call of kept) hands[Math.floor(dice.next() * agents)]?.push(call);
  return hands;
}

/** How the agents call. `tokens`: how many tokens they have together. */
interface Swarm {
  readonly clock: Clock;
  readonly manners: Manners;
  readonly model: string;
  readonly tokens: number;
}

/**
 * One hour of agents that each make one call after the other: the next one when it is due by the trace, or when the
 * one before has ended, whichever is later. What is not begun within the hour is left out.
 */
export async function runAgents(
  baseUrl: string,
  hands: readonly (readonly Arrival[])[],
  { clock, manners, model, tokens }: Swarm,
): Promise<Seen> {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const targetOf = (number: number): Target => ({
    url: new URL(`${baseUrl}/v1/chat/completions`),
    agent,
    clock,
    token: `hf_bench${number % tokens}`,
    timeoutMs: 150_000,
  });
  const startMs = clock.now();
  const done: Done[] = [];
  const counts = { refused: 0, failed: 0 };
  const live = async (hand: readonly Arrival[], number: number): Promise<void> => {
    const target = targetOf(number);
    for (const [turn, { atMs, promptTokens, outputTokens }] of hand.entries()) {
      const waitMs = startMs + atMs - clock.now();
      if (waitMs > 0) await clock.sleep(waitMs);
      if (clock.now() - startMs > HOUR_MS) return;
      const body = JSON.stringify({
        model,
        messages: [{ role: 'user', content: `Task ${number}.${turn}` }],
        max_tokens: outputTokens,
        metadata: { prompt_tokens: String(promptTokens) },
      });
      const firstMs = clock.now();
      let lateMs = 0;
      let isServed = false;
      for (let attempt = 0; ; attempt++) {
        lateMs = clock.now() - firstMs;
        const { kind } = await makeCall(target, { agentName: `agent-${number}`, body, isStreamed: false });
        isServed = kind === 'ok';
        if (kind === 'refused') counts.refused++;
        else if (!isServed) counts.failed++;
        if (kind !== 'refused' || manners === 'no retry' || attempt >= TRIES) break;
        await clock.sleep(1_000 * 2 ** attempt);
      }
      done.push({ agent: number, endedAtMs: clock.now() - startMs, isServed, lateMs });
    }
  };
  await Promise.all(hands.map((hand, number) => live(hand, number)));
  agent.destroy();
  return { done, ...counts };
}
