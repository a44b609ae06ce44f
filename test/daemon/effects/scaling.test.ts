import assert from 'node:assert/strict';
import test from 'node:test';
import type { RolloutEvent } from '../../../src/core/rollout/event.ts';
import { openDaemon } from '../../support/inside.ts';
import {
  approve,
  approvedTo,
  assertAllRecorded,
  assertAudited,
  inPhase,
  newestRollout,
} from '../../support/rollout.ts';
import type { Stage } from '../../support/stage.ts';
import { MODEL, openStage } from '../../support/stage.ts';
import type { LearnedCapacity } from '../../../src/core/scaling/capacity.ts';
import { readLearned } from '../../../src/core/learned.ts';
import { learned } from '../../../src/ledger/journal/learned.ts';
import { openAsks } from '../../../src/ledger/journal/asks.ts';
import { startTraffic } from '../../support/traffic.ts';
import { PATIENT, eventually } from '../../support/waiting.ts';

/** Two minutes in a second: 15 calls a minute, of which serverless refuses about half. */
const FAST = { scale: 120, limits: { routerCalls: 8 } };
const criteria = { calls: 10 };

/** What happened by detours, in order. */
function detours(stage: Stage): RolloutEvent[] {
  const sql = "SELECT data FROM events WHERE type IN ('detour_began', 'waking', 'detour_ended') ORDER BY id";
  const rows = stage.read((db) => db.prepare<[], string>(sql).pluck().all());
  return rows.map((data) => JSON.parse(data) as RolloutEvent);
}

/** Attempts at the endpoint that did not end well: none while it was off the air. */
function failedAttempts(stage: Stage): object[] {
  const sql = "SELECT * FROM attempt_log WHERE upstream = 'dedicated' AND outcome <> 'ok'";
  return stage.read((db) => db.prepare<[], object>(sql).all());
}

/** What was learned of the endpoint of MODEL, as the ledger has it. */
function learnedCapacity(stage: Stage): LearnedCapacity {
  const row = stage.read(learned).find(({ what, model }) => what === 'concurrency' && model === MODEL);
  assert.ok(row !== undefined);
  return readLearned({ ...row, what: 'concurrency' }, row.value).capacity;
}

const detourOf = (stage: Stage) => {
  const rollout = newestRollout(stage);
  return rollout?.phase === 'promoted' ? (rollout.detour?.why ?? 'none') : rollout?.phase;
};

test('while its scaling is changed, serverless serves, and no call fails', PATIENT, async (t) => {
  const stage = await openStage(t, {
    ...FAST,
    policy: {
      criteria,
      endpoint: { maxReplica: 2, maxPricePerHour: 5 },
      defaults: { scaling: { adjust: 'automatic', from: 1, to: 1, every: '10m' } },
    },
  });
  const { gateway } = await openDaemon(t, stage);
  const traffic = startTraffic(t, { url: gateway, model: MODEL });
  const before = await approvedTo(stage, 'promoted');
  assert.equal(before.pricePerHourMicros, 1_600_000);
  await eventually('the traffic is away', () => detourOf(stage) === 'rescale');
  await eventually('the traffic is back', () => detourOf(stage) === 'none');
  const after = await inPhase(stage, 'promoted');
  assert.deepEqual([after.scaling?.maxReplica, after.pricePerHourMicros], [1, 800_000]);
  const [began, ended, ...rest] = detours(stage);
  assert.deepEqual(rest, []);
  assert.equal(began?.type, 'detour_began');
  assert.ok(ended?.type === 'detour_ended' && ended.outcome === 'done' && ended.bridged > 0);
  await traffic.stop();
  assert.deepEqual(traffic.failures(), []);
  assertAllRecorded(stage, traffic.sent);
  assert.deepEqual(failedAttempts(stage), []);
  assertAudited(stage);
});

test(
  'a change that is asked for waits for its yes, and a daemon that dies in the middle goes on with it',
  PATIENT,
  async (t) => {
    const stage = await openStage(t, {
      ...FAST,
      limits: { ...FAST.limits, updateMs: 240_000 },
      policy: {
        criteria,
        endpoint: { maxReplica: 2 },
        defaults: { scaling: { adjust: 'ask', from: 1, to: 1, every: '10m' } },
      },
    });
    const first = await openDaemon(t, stage);
    const traffic = startTraffic(t, { url: first.gateway, model: MODEL });
    await approvedTo(stage, 'promoted');
    const ask = await eventually(
      'it asks',
      () => stage.read(openAsks).find(({ about }) => about === 'scaling') ?? null,
    );
    assert.equal(detourOf(stage), 'none');
    approve(stage, { ...ask, step: null as unknown as number });
    const updating = () => stage.simulation.state().endpoints[0]?.state === 'updating';
    await eventually('it is being changed', updating);
    await traffic.stop();
    await first.close();
    assert.equal(detourOf(stage), 'rescale');
    const known = learnedCapacity(stage);
    assert.ok(known.length > 0);
    const second = await openDaemon(t, stage);
    // Nothing is on the endpoint: what is known of it is what the former process knew.
    const began = second.daemon.report().at;
    await eventually('it has saved what it knows', () => (stage.report()?.at ?? 0) > began + 10_000);
    assert.deepEqual(learnedCapacity(stage), known);
    const again = startTraffic(t, { url: second.gateway, model: MODEL, prefix: 'again' });
    await eventually('the traffic is back', () => detourOf(stage) === 'none');
    await eventually('it serves', () => (second.daemon.report().routes[0]?.rollout?.figures?.canary.assigned ?? 0) > 0);
    await again.stop();
    assert.deepEqual([...traffic.failures(), ...again.failures()], []);
    assert.deepEqual(failedAttempts(stage), []);
    assertAudited(stage);
  },
);

test(
  'an endpoint that nobody calls sleeps, and is woken by calls that serverless serves meanwhile',
  PATIENT,
  async (t) => {
    const stage = await openStage(t, {
      ...FAST,
      policy: { criteria, defaults: { scaling: { sleep: { after: '5m', calls: 20 } } } },
    });
    const { gateway, daemon } = await openDaemon(t, stage);
    const traffic = startTraffic(t, { url: gateway, model: MODEL });
    await approvedTo(stage, 'promoted');
    await traffic.stop();
    const state = () => stage.simulation.state().endpoints[0]?.state;
    await eventually('it sleeps', () => state() === 'scaledToZero');
    const asleepAt = stage.simulation.state().endpoints[0];
    const spent = stage.simulation.spentMicroDollars(asleepAt?.name ?? '');
    assert.equal(daemon.report().routes[0]?.rollout?.weight, 0);
    const few = startTraffic(t, { url: gateway, model: MODEL, rate: 2, prefix: 'few' });
    await eventually('a few calls are served', () => few.sent.length > 2);
    assert.equal(state(), 'scaledToZero');
    await few.stop();
    assert.equal(stage.simulation.spentMicroDollars(asleepAt?.name ?? ''), spent);
    const many = startTraffic(t, { url: gateway, model: MODEL, prefix: 'many' });
    await eventually('it is awake', () => detourOf(stage) === 'none');
    await eventually('it serves', () => {
      const sql = "SELECT count(*) FROM call_log WHERE agent LIKE 'many-%' AND served_by = 'dedicated'";
      return stage.read((db) => db.prepare<[], number>(sql).pluck().get() ?? 0) > 20;
    });
    await many.stop();
    assert.deepEqual(
      detours(stage).map(({ type }) => type),
      ['detour_began', 'waking', 'detour_ended'],
    );
    assert.deepEqual([...traffic.failures(), ...few.failures(), ...many.failures()], []);
    assertAllRecorded(stage, [...traffic.sent, ...few.sent, ...many.sent]);
    assert.deepEqual(failedAttempts(stage), []);
    assertAudited(stage);
  },
);
