import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { atEnd } from '../support/ending.ts';
import { holdLock, startDaemon } from '../support/processes.ts';
import { MODEL, openFolder, policyText, readerOf } from '../support/stage.ts';
import type { Sent } from '../support/traffic.ts';
import { startTraffic } from '../support/traffic.ts';
import { eventually } from '../support/waiting.ts';
import { assertAllRecorded } from '../support/rollout.ts';

const LOCK_MS = Number(process.env['UPSHIFT_TEST_LOCK_SECONDS'] ?? 60) * 1_000;
const BEFORE_CALLS = 300;
/** The first calls are slower: code is compiled, connections are made. */
const WARMUP_CALLS = 200;
const RATE = 100;
const UPSTREAM_MS = 20;

interface Health {
  readonly status: string;
  readonly ledger: { readonly pending: number; readonly lost: number; readonly isDegraded: boolean };
}

test('a ledger that another process locks costs no call, no time and no row', { timeout: 150_000 }, async (t) => {
  const folder = openFolder(t);
  const dbPath = join(folder, 'upshift.db');
  const policyPath = join(folder, 'policy.yaml');
  writeFileSync(policyPath, policyText());
  const routerUrl = await startSteadyUpstream(t);
  const { HF_TOKEN: _token, ...environment } = process.env;
  const env = { ...environment, UPSHIFT_ROUTER_URL: routerUrl };
  // What a busy machine adds to calls, it adds to those of a daemon beside it, whose ledger nobody locks.
  const [daemon, other] = await Promise.all([
    startDaemon(t, { env, dbPath, policyPath }),
    startDaemon(t, { env, dbPath: join(folder, 'other.db'), policyPath }),
  ]);
  const health = async () => (await (await fetch(`${daemon.admin}/healthz`)).json()) as Health;

  const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL, rate: RATE, streams: 0 });
  const beside = startTraffic(t, { url: other.gateway, model: MODEL, rate: RATE, streams: 0 });
  await eventually('there are calls to compare with', () => traffic.sent.length >= WARMUP_CALLS + BEFORE_CALLS, 30_000);
  assert.deepEqual(await health().then(({ status, ledger }) => [status, ledger.pending]), ['ok', 0]);

  const lock = await holdLock(t, dbPath);
  const lockedAt = Date.now();
  await eventually('calls wait for the ledger', async () => (await health()).ledger.pending > RATE);
  assert.equal((await health()).status, 'degraded');
  await pause(LOCK_MS - (Date.now() - lockedAt));
  const metrics = await (await fetch(`${daemon.admin}/metrics`)).text();
  const pending = Number(/^upshift_ledger_pending (\d+)/m.exec(metrics)?.[1]);
  const releasedAt = Date.now();
  await lock.release();

  await eventually('nothing waits for the ledger any more', async () => (await health()).status === 'ok');
  await Promise.all([traffic.stop(), beside.stop()]);
  const { ledger } = await health();
  const isDuring = ({ startedAt }: Sent) => startedAt >= lockedAt && startedAt < releasedAt;
  const before = traffic.sent.slice(WARMUP_CALLS).filter(({ startedAt }) => startedAt < lockedAt);
  const [during, unlocked] = [traffic.sent.filter(isDuring), beside.sent.filter(isDuring)];
  const added = p99(during) - p99(unlocked);
  t.diagnostic(`p99 ${p99(during)} ms while locked, ${p99(unlocked)} ms beside it, ${p99(before)} ms before`);
  t.diagnostic(`${pending} calls waited at the end`);
  assert.deepEqual([...traffic.failures(), ...beside.failures()], []);
  assert.ok(during.length > (LOCK_MS / 1_000) * RATE * 0.9, `${during.length} calls while locked`);
  assert.ok(pending > during.length * 0.9, `${pending} of ${during.length} pending`);
  assert.ok(added < 100, `p99 rose by ${added} ms`);
  assert.deepEqual(ledger, { pending: 0, lost: 0, isDegraded: false });
  assertAllRecorded({ read: readerOf(t, dbPath) }, traffic.sent);
  assert.equal(await daemon.stop(), 0, daemon.stderr());
});

function p99(calls: readonly Sent[]): number {
  const sorted = calls.map(({ startedAt, endedAt }) => endedAt - startedAt).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
}

/** A router that answers every call after the same time. */
async function startSteadyUpstream(t: TestContext): Promise<string> {
  const message = { role: 'assistant', content: 'hello' };
  const body = JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] });
  const server = createServer({ keepAliveTimeout: 90_000 }, (request, response) => {
    request.resume();
    setTimeout(() => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
      response.end(body);
    }, UPSTREAM_MS);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
