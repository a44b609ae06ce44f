import assert from 'node:assert/strict';
import test from 'node:test';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { listRollouts } from '../../../src/ledger/journal/rollouts.ts';
import { openDaemon } from '../../support/inside.ts';
import { inPhase } from '../../support/rollout.ts';
import { AT_ONCE, MODEL, openStage } from '../../support/stage.ts';
import { startTraffic } from '../../support/traffic.ts';
import { PATIENT } from '../../support/waiting.ts';

test('the next proposal begins with an instance that was not exhausted lately', PATIENT, async (t) => {
  const endpoint = { namespace: 'acme', regions: ['aws/us-east-1'], maxPricePerHour: 9 };
  const criteria = { ...AT_ONCE.criteria, cooldown: '10s' };
  const stage = await openStage(t, { policy: { ...AT_ONCE, criteria, routes: [{ model: MODEL, endpoint }] } });
  for (const name of ['nvidia-l4/x1', 'nvidia-a10g/x1']) {
    await stage.simulation.setFault({ target: 'management', kind: 'capacity', name });
  }
  const daemon = await openDaemon(t, stage);
  const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL });
  await inPhase(stage, 'promoted');
  await traffic.stop();
  const rollouts = stage.read(listRollouts).map(({ snapshot }) => JSON.parse(snapshot) as Rollout);
  const told = rollouts.map(({ phase, left = [], instance }) => [
    phase,
    ...left.map((one) => one.instance),
    instance.instanceType,
  ]);
  const [l4, a10g] = ['aws us-east-1 nvidia-l4 x1', 'aws us-east-1 nvidia-a10g x1'];
  assert.deepEqual(told, [
    ['failed', l4, a10g, 'nvidia-a10g'],
    ['promoted', 'nvidia-l40s'],
  ]);
  assert.match(
    ('reason' in (rollouts[0] ?? {}) && (rollouts[0] as { reason: string }).reason) || '',
    /^capacity_exhausted: /,
  );
});
