import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { compileFunction } from 'node:vm';
import type { Canary } from '../../src/core/route.ts';
import type { Limits } from '../../src/simulation/limits.ts';
import type { Simulation } from '../../src/simulation/server.ts';
import { AGENT, LLAMA, openDesk as openGatewayDesk, TIMEOUTS } from '../support/desk.ts';
import type { Row } from '../support/desk.ts';

export const MINILM = 'sentence-transformers/all-MiniLM-L6-v2';
export const TOKEN = 'hf_client';
export const messages = [{ role: 'user' as const, content: 'Say hello.' }];

/** A simulated Hugging Face, the gateway before it, and the gateway's ledger, for a client library. */
export interface Desk {
  readonly sim: Simulation;
  /** The gateway. */
  readonly url: string;
  /** The ledger's rows, once there are this many; fails if there are more. */
  rows(count: number): Promise<readonly Row[]>;
  /** A line of the table in docs/clients.md, with this gateway's URL and AGENT, evaluated with these names. */
  line(client: string, names: Readonly<Record<string, unknown>>): unknown;
  /** Sends all eligible calls for a model to an endpoint of the simulation. */
  promote(model: string, to: Pick<Canary, 'url' | 'shapes' | 'servedModel'>): void;
}

/** The gateway's address in docs/clients.md. */
const BASE = 'http://127.0.0.1:8787';

export async function openDesk(t: TestContext, limits: Partial<Limits> = {}): Promise<Desk> {
  const desk = await openGatewayDesk(t, limits);
  const { sim, url } = desk;
  return {
    sim,
    url,
    async rows(count) {
      const rows = await desk.someRows(count);
      assert.equal(rows.length, count);
      return rows;
    },
    line: (client, names) => evaluate(lineFor(client).replaceAll(BASE, `${url}/agents/${AGENT}`), names),
    promote: (model, to) => desk.setRoute(promoted(model, to)),
  };
}

function promoted(model: string, to: Pick<Canary, 'url' | 'shapes' | 'servedModel'>) {
  const canary = {
    rolloutId: 'r1',
    toward: 'dedicated',
    step: 6,
    weight: 1,
    affinity: 'call',
    blockMs: 60_000,
    shadow: null,
    ...to,
  } as const;
  return { model, timeouts: TIMEOUTS, canary, care: null };
}

const PAGE = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'clients.md'), 'utf8');

/** The code in the last column of a row of the table in docs/clients.md. */
export function lineFor(client: string): string {
  const row = PAGE.split('\n').find((each) => each.startsWith('|') && each.split('|')[1]?.trim() === client);
  assert.ok(row !== undefined, `docs/clients.md has no line for ${client}`);
  return /`([^`]+)`\s*\|\s*$/.exec(row)?.[1] ?? assert.fail(`no code in ${row}`);
}

/** Evaluates the text of the page itself, because the tests check that text. */
function evaluate(code: string, names: Readonly<Record<string, unknown>>): unknown {
  return compileFunction(`return (${code});`, Object.keys(names))(...Object.values(names)) as unknown;
}

/** The parts of a row that each client's test checks. */
export function factsOf({ model, shape, agent, outcome, status, prompt_tokens, output_tokens }: Row) {
  return { model, shape, agent, outcome, status, prompt: prompt_tokens, output: output_tokens };
}

/** The row of a successful call. */
export function well(shape: string, more: Partial<ReturnType<typeof factsOf>> = {}): ReturnType<typeof factsOf> {
  return { model: LLAMA, shape, agent: AGENT, outcome: 'ok', status: 200, prompt: null, output: null, ...more };
}

/** The error that a call rejects with. */
export async function errorOf(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  return assert.fail('the call should have failed');
}

/** The row of a call that the provider refused. */
export const REFUSED = { outcome: 'rate_limited', status: 429 } as const;
/** The row of a call that the router answered with 503 and the gateway therefore with 502. */
export const UNAVAILABLE = { outcome: 'unavailable', status: 502 } as const;
