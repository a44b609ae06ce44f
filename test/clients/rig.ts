import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { compileFunction } from 'node:vm';
import Database from 'better-sqlite3';
import { GATEWAY_ID } from '../../src/core/call.ts';
import type { Canary, RouteTable } from '../../src/core/route.ts';
import { createClock } from '../../src/files/clock.ts';
import { createGateway } from '../../src/gateway/server.ts';
import { openLedger } from '../../src/ledger/open.ts';
import type { Simulation } from '../../src/simulation/server.ts';
import { startSimulation } from '../../src/simulation/server.ts';
import type { Limits } from '../../src/simulation/limits.ts';
import { fastClock } from '../simulation/clocks.ts';
import { atEnd } from '../support/ending.ts';
import { eventually } from '../support/waiting.ts';

export const LLAMA = 'meta-llama/Llama-3.1-8B-Instruct';
export const MINILM = 'sentence-transformers/all-MiniLM-L6-v2';
export const TOKEN = 'hf_client';
export const AGENT = 'planner-7';
export const messages = [{ role: 'user' as const, content: 'Say hello.' }];

/** The `Retry-After` of a 429. */
export const RETRY_AFTER = 7;

/** A part of a row of the ledger's view `call_log`. */
export interface Row {
  readonly model: string | null;
  readonly shape: string;
  readonly agent: string;
  readonly outcome: string;
  readonly status: number;
  readonly prompt_tokens: number | null;
  readonly output_tokens: number | null;
  readonly served_by: string | null;
  readonly is_eligible: number;
  readonly client_left: number;
  readonly attempts: number;
}

/** A simulated Hugging Face, the gateway before it, and the gateway's ledger. */
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

const TIMEOUTS = { connectMs: 2_000, firstByteMs: 10_000, betweenChunksMs: 10_000, totalMs: 60_000 };

export async function openDesk(t: TestContext, limits: Partial<Limits> = {}): Promise<Desk> {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-clients-'));
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }));
  const sim = await startSimulation({
    clock: fastClock(1_000),
    limits: { routerRetryAfterSeconds: RETRY_AFTER, ...limits },
  });
  atEnd(t, () => sim.close());
  const clock = createClock({ scale: 1, start: 0 });
  const path = join(folder, 'upshift.db');
  const ledger = await openLedger(path, { clock });
  atEnd(t, () => ledger.close());
  let table: RouteTable = { generation: 1, routes: new Map(), fallback: { timeouts: TIMEOUTS, care: null } };
  const nothing = () => undefined;
  const gateway = createGateway({
    gatewayId: GATEWAY_ID,
    table: () => table,
    routerUrl: sim.routerUrl,
    token: 'hf_daemon',
    clock,
    recorder: ledger.calls,
    observer: { arrived: nothing, sent: nothing, failed: nothing, ended: nothing, shadowed: nothing },
    agentSalt: ledger.agentSalt,
  });
  const { port } = await gateway.listen(0);
  atEnd(t, () => gateway.close());
  const url = `http://127.0.0.1:${port}`;
  const db = new Database(path, { readonly: true });
  atEnd(t, () => db.close());
  const all = db.prepare<[], Row>('SELECT * FROM call_log ORDER BY ended_at_us');
  return {
    sim,
    url,
    async rows(count) {
      const rows = await eventually(`${count} rows`, () => (all.all().length >= count ? all.all() : null));
      assert.equal(rows.length, count);
      return rows;
    },
    line: (client, names) => evaluate(lineFor(client).replaceAll(BASE, `${url}/agents/${AGENT}`), names),
    promote(model, to) {
      table = { ...table, generation: table.generation + 1, routes: new Map([[model, promoted(model, to)]]) };
    },
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

/** Sets variables of the environment until the test is over. */
export function setEnvironment(t: TestContext, variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name];
    process.env[name] = value;
    t.after(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
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
