import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import type { UpshiftFetch } from '../../src/client/fetch.ts';
import type { UpshiftFetchOptions } from '../../src/client/settings.ts';
import { createUpshiftFetch } from '../../src/client/fetch.ts';
import { GATEWAY_ID } from '../../src/core/call.ts';
import type { Call } from '../../src/core/call.ts';
import type { RouteTable } from '../../src/core/route.ts';
import { createClock } from '../../src/files/clock.ts';
import type { Gateway } from '../../src/gateway/server.ts';
import { createGateway } from '../../src/gateway/server.ts';
import type { Ledger } from '../../src/ledger/open.ts';
import { openLedger } from '../../src/ledger/open.ts';
import type { Simulation } from '../../src/simulation/server.ts';
import { startSimulation } from '../../src/simulation/server.ts';
import { fastClock } from '../simulation/clocks.ts';
import { atEnd } from '../support/ending.ts';
import { eventually } from '../support/waiting.ts';

export const LLAMA = 'meta-llama/Llama-3.1-8B-Instruct';
export const ROUTER = 'https://router.huggingface.co';
export const TOKEN = 'hf_secret_of_the_caller';

/** A part of a row of the ledger's `call_log`. */
export interface Row {
  readonly id: number;
  readonly arrived: string;
  readonly model: string | null;
  readonly shape: string;
  readonly agent: string;
  readonly outcome: string;
  readonly status: number;
  readonly served_by: string | null;
  readonly role: string | null;
  readonly is_eligible: number;
  readonly bypassed_gateway: number;
  readonly duration_ms: number;
  readonly first_byte_ms: number | null;
}

/** A simulated router, a ledger, and a gateway that can be stopped and started again. */
export interface Desk {
  readonly sim: Simulation;
  readonly folder: string;
  readonly spool: string;
  readonly ledger: Ledger;
  /** The gateway's URL, also while it is stopped. */
  readonly url: string;
  /** Reported calls that were new to the gateway. */
  readonly reported: Call[];
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  rows(): readonly Row[];
  someRows(count: number): Promise<readonly Row[]>;
  /** The lines in the spool. */
  spooled(): string[];
  /** A fetch of an agent that uses the simulated router as Hugging Face's. */
  fetch(options?: UpshiftFetchOptions): UpshiftFetch;
}

const TIMEOUTS = { connectMs: 2_000, firstByteMs: 10_000, betweenChunksMs: 10_000, totalMs: 60_000 };

export async function openDesk(t: TestContext): Promise<Desk> {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-client-'));
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }));
  const sim = await startSimulation({ clock: fastClock(1_000), limits: { routerRetryAfterSeconds: 7 } });
  atEnd(t, () => sim.close());
  const clock = createClock({ scale: 1, start: 0 });
  const path = join(folder, 'upshift.db');
  const ledger = await openLedger(path, { clock });
  atEnd(t, () => ledger.close());
  const table: RouteTable = { generation: 1, routes: new Map(), fallback: { timeouts: TIMEOUTS, care: null } };
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
  const spool = join(folder, 'spool', 'outcomes.jsonl');
  const url = `http://127.0.0.1:${port}`;
  return {
    sim,
    folder,
    spool,
    ledger,
    url,
    reported,
    goAway: () => gateway.close(),
    comeBack,
    rows: () => all.all(),
    someRows: (count) => eventually(`${count} rows`, () => (all.all().length >= count ? all.all() : null)),
    spooled: () => linesOf(spool),
    fetch: (options) =>
      createUpshiftFetch({ gateway: url, router: sim.routerUrl, agent: 'planner-7', spool, awayMs: 200, ...options }),
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
