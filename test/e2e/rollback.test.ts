import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import test from 'node:test';
import { listRollouts } from '../../src/ledger/journal/rollouts.ts';
import type { FaultInput } from '../../src/simulation/faults.ts';
import { startDaemon } from '../support/processes.ts';
import type { DaemonProcess } from '../support/processes.ts';
import type { Stage } from '../support/stage.ts';
import { MODEL, openStage } from '../support/stage.ts';
import type { Traffic } from '../support/traffic.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';
import { approveUpTo, assertAllRecorded, assertAudited, inPhase } from '../support/rollout.ts';

/** What comes in two seconds: the decision takes that long at most, and the calls of a machine that stood still wait too. */
const FEW = 60;

interface Running {
  readonly stage: Stage;
  readonly daemon: DaemonProcess;
  readonly traffic: Traffic;
  readonly rolloutId: string;
}

/** A rollout under traffic that stands where the approvals up to `step` have brought it. */
async function runTo(t: TestContext, step: number, streams: number): Promise<Running> {
  const stage = await openStage(t);
  const daemon = await startDaemon(t, stage);
  const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL, streams });
  await approveUpTo(stage, step);
  const { id: rolloutId } = step > 2 ? await inPhase(stage, 'promoted') : await inPhase(stage, 'stepping', step);
  await eventually('the endpoint serves', () => canaryCalls(stage).served > 10);
  return { stage, daemon, traffic, rolloutId };
}

for (const { claim, step, streams, fault } of [
  {
    claim: 'an endpoint that dies at half the weight loses it after a few calls, and no client notices',
    step: 1,
    streams: 0,
    fault: { target: 'endpoint', kind: 'dies' },
  },
  {
    claim: 'an endpoint that refuses connections once promoted loses the weight after a few calls, streams included',
    step: 3,
    streams: 0.3,
    fault: { target: 'endpoint', kind: 'refuses' },
  },
] satisfies { claim: string; step: number; streams: number; fault: FaultInput }[]) {
  test(claim, PATIENT, async (t) => {
    const running = await runTo(t, step, streams);
    const { stage } = running;
    const strikesAt = stage.clock.now();
    await stage.simulation.setFault(fault);
    const ended = await inPhase(stage, 'aborted');
    assert.match(ended.reason, /^consecutive_faults: /);

    const calls = callsAfterFifthFault(stage, strikesAt);
    t.diagnostic(`${calls} calls were assigned to the endpoint after its fifth fault was known`);
    assert.ok(calls < FEW, `${calls} calls`);
    await assertWayBack(running);
  });
}

test('an endpoint that somebody pauses gives its traffic back', PATIENT, async (t) => {
  const running = await runTo(t, 1, 0);
  const { stage } = running;
  const [endpoint] = stage.simulation.state().endpoints;
  const url = `${stage.simulation.endpointsUrl}/v2/endpoint/acme/${endpoint?.name}/pause`;
  const paused = await fetch(url, { method: 'POST', headers: { authorization: 'Bearer hf_somebody' } });
  assert.equal(paused.status, 200);
  const ended = await inPhase(stage, 'aborted');
  assert.match(ended.reason, /^(endpoint_paused|consecutive_faults): /);
  await assertWayBack(running);
});

/** Fails unless all is as before the rollout: traffic, money, and nothing proposed although the criteria hold again. */
async function assertWayBack({ stage, daemon, traffic, rolloutId }: Running): Promise<void> {
  const endedAtUs = stage.clock.now() * 1_000;
  await eventually('the criteria hold again, and it cools down', () => {
    return stage.report()?.routes[0]?.decision?.reason === 'cooldown';
  });
  await traffic.stop();
  assert.deepEqual(traffic.failures(), []);
  const [endpoint] = stage.simulation.state().endpoints;
  assert.equal(endpoint?.state, 'paused');
  assert.equal(stage.simulation.state().created, 1);
  assert.deepEqual(
    stage.read(listRollouts).map(({ id }) => id),
    [rolloutId],
  );
  assert.equal(await daemon.stop(), 0, daemon.stderr());
  assert.equal(canaryCalls(stage, endedAtUs).assigned, 0);
  assertAllRecorded(stage, traffic.sent);
  assertAudited(stage);
}

function canaryCalls(stage: Stage, sinceUs = 0): { assigned: number; served: number } {
  const sql = `SELECT count(*) AS assigned, coalesce(sum(served_by = 'dedicated'), 0) AS served FROM call_log
    WHERE role = 'canary' AND ended_at_us > ?`;
  return stage.read((db) => db.prepare<[number], { assigned: number; served: number }>(sql).get(sinceUs)) as {
    assigned: number;
    served: number;
  };
}

/** How many calls were assigned to the endpoint after the fifth fault since then was known. */
function callsAfterFifthFault(stage: Stage, since: number): number {
  const sql = `SELECT (c.ended_at_us - c.duration_us + t.started_after_us + t.duration_us) AS at FROM attempts t
    JOIN calls c ON c.ended_at_us = t.call_ended_at_us AND c.gateway_id = t.gateway_id
    JOIN outcomes o ON o.id = t.outcome_id
    WHERE t.upstream = 1 AND o.name <> 'ok' AND c.ended_at_us > ? * 1e3 ORDER BY at`;
  const faults = stage.read((db) => db.prepare<[number], number>(sql).pluck().all(since));
  assert.ok(faults.length >= 5, `${faults.length} faults`);
  const assigned = 'SELECT count(*) FROM calls WHERE flags & 4 <> 0 AND ended_at_us - duration_us > ?';
  return (
    stage.read((db) =>
      db
        .prepare<[number], number>(assigned)
        .pluck()
        .get(faults[4] ?? 0),
    ) ?? 0
  );
}
