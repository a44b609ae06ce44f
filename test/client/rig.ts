import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createUpshiftFetch } from '../../src/client/fetch.ts';
import type { UpshiftFetch } from '../../src/client/fetch.ts';
import type { UpshiftFetchOptions } from '../../src/client/settings.ts';
import { AGENT, LLAMA, openDesk as openGatewayDesk } from '../support/desk.ts';
import type { Desk as GatewayDesk } from '../support/desk.ts';

export const ROUTER = 'https://router.huggingface.co';
export const TOKEN = 'hf_secret_of_the_caller';

/** A simulated router, a ledger, and a gateway that can be stopped, for a program that calls by `upshiftFetch`. */
export interface Desk extends GatewayDesk {
  readonly spool: string;
  /** The lines in the spool. */
  spooled(): string[];
  /** A fetch of an agent that uses the simulated router as Hugging Face's. */
  fetch(options?: UpshiftFetchOptions): UpshiftFetch;
}

export async function openDesk(t: TestContext): Promise<Desk> {
  const desk = await openGatewayDesk(t);
  const spool = join(desk.folder, 'spool', 'outcomes.jsonl');
  const settings = { gateway: desk.url, router: desk.sim.routerUrl, agent: AGENT, spool, awayMs: 200 };
  return {
    ...desk,
    spool,
    spooled: () => linesOf(spool),
    fetch: (options) => createUpshiftFetch({ ...settings, ...options }),
  };
}

export function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n');
  } catch {
    return [];
  }
}

/** A chat call as a client makes it. */
export function chat(more: Record<string, unknown> = {}, init: RequestInit = {}): RequestInit {
  const messages = [{ role: 'user', content: 'Say a secret word.' }];
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ model: LLAMA, messages, max_tokens: 20, ...more }),
    ...init,
  };
}

export const CHAT = `${ROUTER}/v1/chat/completions`;
