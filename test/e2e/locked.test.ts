import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { holdLock, startDaemon } from '../support/processes.ts';
import { assertAllRecorded } from '../support/rollout.ts';
import { MODEL, openFolder, policyText, readerOf } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';
import { chatAnswer, json, startUpstream } from '../gateway/rig.ts';

const CALLS = 150;

interface Health {
  readonly status: string;
  readonly ledger: { readonly pending: number; readonly lost: number; readonly isDegraded: boolean };
}

// How long an answer waits for its row at most is a law of the log of calls, whose test has a clock that it moves.
test('a ledger that another process locks fails no call, holds none up, and loses no row', PATIENT, async (t) => {
  const folder = openFolder(t);
  const dbPath = join(folder, 'upshift.db');
  const policyPath = join(folder, 'policy.yaml');
  writeFileSync(policyPath, policyText());
  await using router = await startUpstream((response) => json(response, 200, chatAnswer(MODEL)));
  const { HF_TOKEN: _token, ...environment } = process.env;
  const env = { ...environment, UPSHIFT_ROUTER_URL: router.url };
  const daemon = await startDaemon(t, { env, dbPath, policyPath });
  const health = async () => (await (await fetch(`${daemon.admin}/healthz`)).json()) as Health;
  const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL, rate: 100, streams: 0 });
  const answered = (count: number) => {
    const already = traffic.sent.length;
    return eventually(`${count} calls are answered`, () => traffic.sent.length >= already + count);
  };

  await answered(CALLS);
  await eventually('no call waits for the ledger', async () => (await health()).status === 'ok');
  const lock = await holdLock(t, dbPath);
  const lockedAt = Date.now();
  await eventually('calls wait for the ledger', async () => (await health()).ledger.pending >= CALLS);
  assert.equal((await health()).status, 'degraded');
  // The thread that writes decisions has tried for as long as it does.
  await eventually('the lock has outlasted the journal', () => daemon.stderr().includes('status cannot be saved'));
  await answered(CALLS);
  const { length } = traffic.sent.filter(({ startedAt }) => startedAt > lockedAt);
  const metrics = await (await fetch(`${daemon.admin}/metrics`)).text();
  assert.ok(Number(/^upshift_ledger_pending (\d+)/m.exec(metrics)?.[1]) >= length);
  await lock.release();

  await eventually('nothing waits for the ledger any more', async () => (await health()).status === 'ok');
  await traffic.stop();
  assert.deepEqual(traffic.failures(), []);
  await eventually('the last rows are written', async () => (await health()).ledger.pending === 0);
  assert.deepEqual((await health()).ledger, { pending: 0, lost: 0, isDegraded: false, fault: null });
  assertAllRecorded({ read: readerOf(t, dbPath) }, traffic.sent);
  assert.equal(await daemon.stop(), 0, daemon.stderr());
});
