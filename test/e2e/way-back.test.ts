import assert from 'node:assert/strict';
import test from 'node:test';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import { listRollouts } from '../../src/ledger/journal/rollouts.ts';
import { Phoenix } from '../support/phoenix.ts';
import { runUpshift } from '../support/processes.ts';
import {
  approvedByCommand,
  approveUpTo,
  askedFor,
  assertAllRecorded,
  assertAudited,
  inPhase,
} from '../support/rollout.ts';
import { MODEL, openStage } from '../support/stage.ts';
import type { Stage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

const BACK = { calls: 100, below: 'off', sustain: '2m', after: '1m', cooldown: '1h' };

/** Calls since a time that one kind of upstream served, and how many there were. */
function servedSince(stage: Stage, sinceUs: number): { all: number; dedicated: number } {
  const sql = `SELECT count(*) AS "all", total(served_by = 'dedicated') AS dedicated FROM call_log
    WHERE ended_at_us - duration_ms * 1000 > ? AND model = ?`;
  return stage.read(
    (db) => db.prepare<[number, string], { all: number; dedicated: number }>(sql).get(sinceUs, MODEL) as never,
  );
}

/** When the newest verdict was stored. */
function judgedAtUs(stage: Stage): number {
  const sql = "SELECT max(decided_at_ms) * 1000 FROM decisions WHERE input ->> '$.verdict' IS NOT NULL";
  return stage.read((db) => db.prepare<[], number>(sql).pluck().get() ?? 0);
}

test('a promoted route goes back to serverless under traffic, whenever its daemon is killed', PATIENT, async (t) => {
  const stage = await openStage(t, { policy: { steps: ['50%', '100%'], defaults: { back: BACK } } });
  const daemon = await Phoenix.rise(t, stage);
  const busy = startTraffic(t, { url: daemon.gateway, model: MODEL });
  await approveUpTo(stage, 3);
  const promoted = await inPhase(stage, 'promoted');
  await busy.stop();

  const quiet = startTraffic(t, { url: daemon.gateway, model: MODEL, rate: 10, prefix: 'quiet' });
  const first = await askedFor(stage, 1);
  const proposed = await inPhase(stage, 'proposed');
  assert.deepEqual([proposed.toward, proposed.wayBack?.replaces], ['serverless', promoted.id]);
  assert.equal(first.rolloutId, proposed.id);
  const die = async () => {
    // A verdict counts calls that are in flight: those that a kill cuts off could not be judged again from the ledger.
    await eventually(
      'the calls of the newest verdict have ended',
      () => servedSince(stage, judgedAtUs(stage)).all > 10,
    );
    await daemon.die();
    return stage.clock.now() * 1_000;
  };
  await die();
  await approveUpTo(stage, 1, 1);
  await inPhase(stage, 'stepping', 1);
  const restartedAtUs = await die();
  // Serverless is called slowly at first after a start: what waits for it has not ended yet.
  await eventually('calls are split as before', () => {
    const { all, dedicated } = servedSince(stage, restartedAtUs);
    return all > 40 && dedicated > all * 0.25 && dedicated < all * 0.75;
  });

  const told = await runUpshift(t, ['status', '--db', stage.dbPath], stage.env);
  assert.match(told.stdout, /WAY BACK: STEPPING/);
  assert.match(told.stdout, /\[ 100 ok \]-\[ 50 now \]-\[ 10 \]-\[ returned \]/);
  await approvedByCommand(t, stage, 2);
  await inPhase(stage, 'holding', 2);
  await askedFor(stage, 3);
  await stage.simulation.setFault({ target: 'management', kind: 'down' });
  await approveUpTo(stage, 3, 3);
  await inPhase(stage, 'draining');
  const drainingSinceUs = stage.clock.now() * 1_000;
  await die();
  await eventually('calls go on', () => servedSince(stage, drainingSinceUs).all > 40);
  assert.equal((await inPhase(stage, 'draining')).id, proposed.id);
  assert.equal(stage.simulation.state().endpoints[0]?.state, 'running');
  await stage.simulation.clearFaults();
  await inPhase(stage, 'returned');
  await die();
  await eventually('calls go on', () => servedSince(stage, drainingSinceUs).all > 60);
  await quiet.stop();

  assert.equal(servedSince(stage, drainingSinceUs).dedicated, 0);
  const rollouts = stage.read(listRollouts).map(({ snapshot }) => JSON.parse(snapshot) as Rollout);
  assert.deepEqual(
    rollouts.map(({ id, phase }) => [id, phase]),
    [
      [promoted.id, 'returned'],
      [proposed.id, 'returned'],
    ],
  );
  const { created, endpoints } = stage.simulation.state();
  assert.deepEqual([created, endpoints[0]?.name, endpoints[0]?.state], [1, promoted.endpointName, 'paused']);
  const replayed = await runUpshift(t, ['judge', '--replay', proposed.id, '--db', stage.dbPath], stage.env);
  assert.equal(replayed.code, 0, replayed.stdout);
  assertAllRecorded(
    stage,
    [...busy.sent, ...quiet.sent].filter((one) => daemon.mustHave(one)),
  );
  assertAudited(stage);
});
