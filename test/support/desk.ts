import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { GATEWAY_ID } from '../../src/core/call.ts';
import type { Call } from '../../src/core/call.ts';
import type { RouteEntry, RouteTable } from '../../src/core/route.ts';
import { createClock } from '../../src/files/clock.ts';
import { createGateway } from '../../src/gateway/server.ts';
import type { Gateway } from '../../src/gateway/server.ts';
import { openLedger } from '../../src/ledger/open.ts';
import type { Ledger } from '../../src/ledger/open.ts';
import type { Limits } from '../../src/simulation/limits.ts';
import { startSimulation } from '../../src/simulation/server.ts';
import type { Simulation } from '../../src/simulation/server.ts';
import { fastClock } from '../simulation/clocks.ts';
import { atEnd } from './ending.ts';
import { eventually } from './waiting.ts';

export const LLAMA = 'meta-llama/Llama-3.1-8B-Instruct';

/** The agent that calls. */
export const AGENT = 'planner-7';

/** The `Retry-After` of a 429, in seconds. */
export const RETRY_AFTER = 7;

export const TIMEOUTS = {
  connectMs: 2_000,
  firstByteMs: 10_000,
  betweenChunksMs: 10_000,
  totalMs: 60_000,
  serverless: { betweenChunksMs: 10_000, totalMs: 60_000 },
};

/** A part of a row of the ledger's view `call_log`. */
export interface Row {
  readonly id: number;
  readonly arrived: string;
  readonly model: string | null;
  readonly shape: string;
  readonly agent: string;
  readonly outcome: string;
  readonly status: number;
  readonly prompt_tokens: number | null;
  readonly output_tokens: number | null;
  readonly served_by: string | null;
  readonly role: string | null;
  readonly is_eligible: number;
  readonly bypassed_gateway: number;
  readonly client_left: number;
  readonly attempts: number;
  readonly duration_ms: number;
  readonly first_byte_ms: number | null;
}

/** A simulated Hugging Face, a gateway before it that can be stopped and started again, and the gateway's ledger. */
export interface Desk {
  readonly sim: Simulation;
  readonly folder: string;
  readonly ledger: Ledger;
  /** The gateway's URL, also while it is stopped. */
  readonly url: string;
  /** Reported calls that were new to the gateway. */
  readonly reported: Call[];
  /** Gives the gateway this route and no other. */
  setRoute(route: RouteEntry): void;
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  rows(): readonly Row[];
  /** The ledger's rows, once there are at least this many. */
  someRows(count: number): Promise<readonly Row[]>;
}

/** Opens a desk until the test is over. */
export async function openDesk(t: TestContext, limits: Partial<Limits> = {}): Promise<Desk> {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-desk-'));
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
  const reported: Call[] = [];
  let gateway: Gateway;
  let port = 0;
  const comeBack = async () => {
    gateway = createGateway({
      gatewayId: GATEWAY_ID,
      table: () => table,
      routerUrl: sim.routerUrl,
      token: 'hf_daemon',
      clock,
      recorder: ledger.calls,
      observer: { arrived: nothing, sent: nothing, failed: nothing, ended: nothing, shadowed: nothing },
      agentSalt: ledger.agentSalt,
      takeBypassed: async (calls) => {
        const fresh = await ledger.bypass.record(calls);
        reported.push(...fresh);
        return fresh.length;
      },
    });
    port = (await gateway.listen(port)).port;
  };
  await comeBack();
  atEnd(t, () => gateway.close());
  const db = new Database(path, { readonly: true });
  atEnd(t, () => db.close());
  const all = db.prepare<[], Row>('SELECT * FROM call_log ORDER BY ended_at_us');
  return {
    sim,
    folder,
    ledger,
    url: `http://127.0.0.1:${port}`,
    reported,
    setRoute(route) {
      table = { ...table, generation: table.generation + 1, routes: new Map([[route.model, route]]) };
    },
    goAway: () => gateway.close(),
    comeBack,
    rows: () => all.all(),
    someRows: (count) => eventually(`${count} rows`, () => (all.all().length >= count ? all.all() : null)),
  };
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
