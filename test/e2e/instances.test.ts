import assert from 'node:assert/strict';
import test from 'node:test';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import { listRollouts } from '../../src/ledger/journal/rollouts.ts';
import { Phoenix } from '../support/phoenix.ts';
import { runUpshift } from '../support/processes.ts';
import { approvedByCommand, approvedTo, askedFor, assertAudited, inPhase, newestRollout } from '../support/rollout.ts';
import type { Stage } from '../support/stage.ts';
import { MODEL, openStage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { eventually, PATIENT } from '../support/waiting.ts';

const INSTANCES = ['aws/us-east-1/nvidia-l4/x1', 'aws/us-east-1/nvidia-a10g/x1', 'aws/us-east-1/nvidia-l40s/x1'];

/** The rollout while it leaves or tries one of its instances: 1, 2 or 3. */
function attempt(stage: Stage, number: number, what: 'leaves' | 'tries'): Promise<Rollout> {
  return eventually(`it ${what} instance ${number}`, () => {
    const rollout = newestRollout(stage);
    const isThere = rollout?.phase === 'provisioning' && (rollout.isLeaving === true) === (what === 'leaves');
    return isThere && (rollout.left?.length ?? 0) === (what === 'leaves' ? number : number - 1) ? rollout : null;
  });
}

test('the third of three instances is promoted under one approval, with SIGKILL at each stage', PATIENT, async (t) => {
  const route = { model: MODEL, endpoint: { namespace: 'acme', instances: INSTANCES, maxPricePerHour: 9 } };
  const stage = await openStage(t, { policy: { routes: [route] } });
  const { simulation } = stage;
  const daemon = await Phoenix.rise(t, stage);
  const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL });
  const proposed = await inPhase(stage, 'proposed');
  await askedFor(stage, 0);
  const names = proposed.alternatives?.map(({ instance }) => instance.instanceType);
  assert.deepEqual(names, ['nvidia-a10g', 'nvidia-l40s']);

  // The price list still offers both when the proposal is made.
  await simulation.setFault({ target: 'management', kind: 'capacity', name: 'nvidia-l4/x1' });
  await simulation.setFault({ target: 'management', kind: 'quota', name: 'nvidia-a10g/x1' });
  await simulation.setFault({ target: 'management', kind: 'slow', factor: 20 });
  await approvedByCommand(t, stage, 0);
  await attempt(stage, 1, 'tries');
  await daemon.die();
  await attempt(stage, 1, 'leaves');
  await daemon.die();
  await attempt(stage, 2, 'tries');
  await daemon.die();
  await attempt(stage, 2, 'leaves');
  await daemon.die();
  const third = await attempt(stage, 3, 'tries');
  await daemon.die();
  const told = await eventually('the status tells it', async () => {
    const { stdout } = await runUpshift(t, ['status', '--db', stage.dbPath], stage.env);
    const text = stdout.replaceAll(/\s+/g, ' ');
    return text.includes('(3 of 3)') ? text : null;
  });
  assert.match(
    told,
    /aws us-east-1 nvidia-l4 x1: no capacity \S+; aws us-east-1 nvidia-a10g x1: no quota \S+; now trying aws us-east-1 nvidia-l40s x1 \(3 of 3\)/,
  );
  await simulation.clearFaults();
  await approvedTo(stage, 'promoted');
  await traffic.stop();

  const { endpoints } = simulation.state();
  assert.deepEqual(
    endpoints.map(({ instance, deletedAt }) => [instance.includes('nvidia-l4 '), deletedAt !== null]),
    [
      [true, true],
      [false, false],
    ],
  );
  assert.deepEqual([endpoints[0]?.name, endpoints[1]?.name], [proposed.endpointName, third.endpointName]);
  assert.match(third.endpointName, /-3-[a-z0-9]{8}$/);
  assert.equal(stage.read(listRollouts).length, 1);
  const approvals = `SELECT count(*) FROM events WHERE type = 'approved' AND data ->> 'step' = 0`;
  assert.equal(
    stage.read((db) => db.prepare(approvals).pluck().get()),
    1,
  );
  const owners = stage.read((db) => db.prepare('SELECT DISTINCT rollout_id FROM endpoints').pluck().all());
  assert.deepEqual(owners, [proposed.id]);
  const { stdout } = await runUpshift(t, ['status', '--json', '--db', stage.dbPath], stage.env);
  const report = JSON.parse(stdout) as { routes: { rollout: { left: { cause: string }[] } }[] };
  assert.deepEqual(
    report.routes[0]?.rollout.left.map(({ cause }) => cause),
    ['capacity_exhausted', 'quota'],
  );
  assertAudited(stage);
});
