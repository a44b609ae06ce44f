import assert from 'node:assert/strict';
import test from 'node:test';
import { events, listRollouts } from '../../src/ledger/journal/rollouts.ts';
import { Phoenix } from '../support/phoenix.ts';
import { runUpshift } from '../support/processes.ts';
import type { Stage } from '../support/stage.ts';
import { MODEL, openStage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';
import {
  abort,
  approve,
  approveUpTo,
  approvedByCommand,
  approvedTo,
  askedFor,
  assertAllRecorded,
  assertAnsweredOnce,
  assertAudited,
  inPhase,
  isCarriedOut,
} from '../support/rollout.ts';

test('a rollout survives SIGKILL in each of its phases, under traffic', PATIENT, async (t) => {
  const stage = await openStage(t, { policy: { steps: ['20%', '50%', '100%'] } });
  const { simulation } = stage;
  const daemon = await Phoenix.rise(t, stage);
  const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL });

  const proposed = await inPhase(stage, 'proposed');
  const firstAsk = await askedFor(stage, 0);
  // An approval that comes while nobody is there to read it is neither lost nor carried out twice.
  await daemon.die(async () => {
    const queued = await runUpshift(t, ['approve', proposed.id, '--step', '0', '--db', stage.dbPath], stage.env);
    assert.equal(queued.code, 0, queued.stderr);
    assert.match(queued.stderr, /no daemon/);
    await simulation.setFault({ target: 'management', kind: 'slow', factor: 60 });
  });
  assert.equal(simulation.state().created, 0);

  // The request to create the endpoint is under way when the daemon dies; what comes of it is found again.
  await inPhase(stage, 'provisioning');
  await eventually('the endpoint is being asked for', () => timesNotFound(stage) >= 2);
  await daemon.die(() => simulation.clearFaults());
  await simulation.setFault({ target: 'endpoint', kind: 'unavailable' });
  await inPhase(stage, 'warming');
  assert.equal((await daemon.die()).phase, 'warming');
  assert.equal((await inPhase(stage, 'warming')).id, proposed.id);
  await simulation.clearFaults();

  await approveUpTo(stage, 1, 1);
  await inPhase(stage, 'stepping', 1);
  // Killed with the approval just in: before or after it was carried out, it is carried out once.
  const request = approve(stage, await askedFor(stage, 2));
  await daemon.die();
  if (!(await isCarriedOut(stage, request))) await approveUpTo(stage, 2, 2);
  const middle = await inPhase(stage, 'stepping', 2);
  const ask = await askedFor(stage, 3);
  const left = await daemon.die();
  const restartedAtUs = stage.clock.now() * 1_000;
  // A question that is put in between brings the month's figures of then.
  const unasked = { ask: null, serverlessMonth: null };
  assert.deepEqual({ ...left, ...unasked }, { ...middle, ...unasked });
  assert.equal((await askedFor(stage, 3)).id, ask.id);
  await eventually('calls are split as before', () => weightsSince(stage, restartedAtUs).calls > 40);
  assert.deepEqual(weightsSince(stage, restartedAtUs).weights, [{ step: 2, weight: 5_000 }]);

  await approvedByCommand(t, stage, 3);
  await askedFor(stage, 4);
  const promoted = await approvedTo(stage, 'promoted');
  assert.deepEqual(await daemon.die(), promoted);
  assert.equal((await inPhase(stage, 'promoted')).id, proposed.id);

  await simulation.setFault({ target: 'management', kind: 'down' });
  abort(stage, proposed.id);
  await inPhase(stage, 'draining');
  assert.equal((await daemon.die()).phase, 'draining');
  await inPhase(stage, 'draining');
  await simulation.clearFaults();
  const ended = await inPhase(stage, 'aborted');
  await traffic.stop();

  assert.equal(ended.id, proposed.id);
  assert.equal(stage.read(listRollouts).length, 1);
  const { created, endpoints } = simulation.state();
  assert.deepEqual([created, endpoints[0]?.name, endpoints[0]?.state], [1, proposed.endpointName, 'paused']);
  const approvals = stage.read((db) => events(db, proposed.id)).filter(({ type }) => type === 'approved');
  assert.deepEqual(
    approvals.map(({ data }) => (JSON.parse(data) as { step: number }).step),
    [0, 1, 2, 3, 4],
  );
  assert.equal(firstAsk.rolloutId, proposed.id);
  // Five approvals and the abort.
  assertAnsweredOnce(stage, 6);
  const unexplained = traffic.failures().filter((one) => !daemon.wasDownDuring(one));
  assert.deepEqual(unexplained, []);
  assert.ok(traffic.sent.length > 300, `${traffic.sent.length} calls`);
  assertAllRecorded(
    stage,
    traffic.sent.filter((one) => daemon.mustHave(one)),
  );
  assertAudited(stage);
});

/** How often the management API has said that there is no such endpoint: once to a look, once before the creation. */
function timesNotFound(stage: Stage): number {
  return stage.simulation.state().counters['management']?.['404'] ?? 0;
}

function weightsSince(stage: Stage, sinceUs: number) {
  const where = 'FROM calls WHERE ended_at_us - duration_us > ? AND rollout_name_id IS NOT NULL';
  return stage.read((db) => ({
    calls: db.prepare<[number], number>(`SELECT count(*) ${where}`).pluck().get(sinceUs) ?? 0,
    weights: db.prepare(`SELECT DISTINCT step, weight_per_10000 AS weight ${where}`).all(sinceUs),
  }));
}
