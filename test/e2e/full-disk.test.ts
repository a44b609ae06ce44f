import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { runUpshift, startDaemon } from '../support/processes.ts';
import { approveUpTo, assertAllRecorded, assertAudited, inPhase } from '../support/rollout.ts';
import { openDisk, whyNoDisk } from '../support/small-disk.ts';
import { MODEL, openStage, readerOf } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

test('a full disk does not stop an abort, and no call is lost by it', { ...PATIENT, skip: whyNoDisk() }, async (t) => {
  const disk = openDisk(t, 16);
  const dbPath = join(disk.path, 'upshift.db');
  const opened = await openStage(t);
  const stage = { ...opened, dbPath, read: readerOf(t, dbPath) };
  const daemon = await startDaemon(t, stage);
  const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL });
  await approveUpTo(stage, 1);
  await inPhase(stage, 'stepping', 1);
  disk.fill();
  await eventually('the WAL gives its room back', () => statSync(`${dbPath}-wal`).size < 100_000);
  disk.fill();
  const before = traffic.sent.length;
  await eventually('calls go on without room', () => traffic.sent.length > before + 60);

  const { code, stdout, stderr } = await runUpshift(t, ['abort', '--db', dbPath, '--json'], stage.env);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /"result":"done"/);
  await inPhase(stage, 'aborted');

  disk.free();
  await eventually('the room for decisions is kept again', () => statSync(`${dbPath}.reserve`).size === 1 << 20);
  await traffic.stop();
  assert.equal(await daemon.stop(), 0, daemon.stderr());
  const failed = traffic.sent.filter(({ status }) => status !== 200 && status !== 429);
  assert.deepEqual(failed, []);
  assertAllRecorded(stage, traffic.sent);
  assertAudited(stage);
});
