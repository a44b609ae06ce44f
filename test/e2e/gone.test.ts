import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import test from 'node:test';
import { exitOf, runUpshift, startDaemon } from '../support/processes.ts';
import { assertAllRecorded, assertAudited, askedFor, inPhase } from '../support/rollout.ts';
import { MODEL, openStage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

test('a ledger that is moved away stops decisions and no call, and all goes on once it is back', PATIENT, async (t) => {
  const stage = await openStage(t);
  const { dbPath, env } = stage;
  const daemon = await startDaemon(t, stage);
  const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL });
  await inPhase(stage, 'proposed');
  await askedFor(stage, 0);
  const approved = await runUpshift(t, ['pause', '--db', dbPath], env);
  assert.equal(approved.code, 0, approved.stderr);

  renameSync(dbPath, `${dbPath}.away`);
  const health = async () => {
    const response = await fetch(`${daemon.admin}/healthz`);
    const { ledger } = (await response.json()) as { ledger: { fault: string | null } };
    return { status: response.status, fault: ledger.fault };
  };
  const seen = await eventually('the daemon notices', async () => ((await health()).fault === null ? null : health()));
  assert.equal(seen.status, 503);
  assert.match(String(seen.fault), /upshift\.db was deleted or moved/);
  await eventually('the log says so', () => daemon.stderr().includes('a file of the ledger is gone'));
  const already = traffic.sent.length;
  await eventually('calls are answered', () => traffic.sent.length > already + 60);
  renameSync(`${dbPath}.away`, dbPath);
  await eventually('nothing is wrong any more', async () => (await health()).status === 200);
  const resumed = await runUpshift(t, ['resume', '--db', dbPath], env);
  assert.equal(resumed.code, 0, resumed.stderr);

  // Who removes the lock does not open the door to a second daemon.
  rmSync(`${dbPath}.lock`);
  const status = await runUpshift(t, ['status', '--json', '--db', dbPath], env);
  assert.equal((JSON.parse(status.stdout) as { running: boolean }).running, true);
  await assert.rejects(startDaemon(t, stage), /is in use by process \d+/);

  await traffic.stop();
  assert.deepEqual(traffic.failures(), []);
  daemon.child.kill('SIGTERM');
  assert.equal(await exitOf(daemon.child), 0, daemon.stderr());
  assertAllRecorded(stage, traffic.sent);
  assertAudited(stage);
});
