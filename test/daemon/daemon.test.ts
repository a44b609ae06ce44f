import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../../src/ledger/database.ts';
import type { Log } from '../../src/daemon/log.ts';
import { openDaemon } from '../support/inside.ts';
import { holdLock } from '../support/processes.ts';
import { approveUpTo, assertAllRecorded, assertAudited, inPhase } from '../support/rollout.ts';
import type { Stage } from '../support/stage.ts';
import { MODEL, openStage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

test('a restart finds the window and the figures of the step as they were', PATIENT, async (t) => {
  const stage = await openStage(t, { policy: { criteria: { window: '2h' } } });
  const first = await openDaemon(t, stage);
  const traffic = startTraffic(t, { url: first.gateway, model: MODEL });
  await approveUpTo(stage, 1);
  await eventually('the step has figures', () => {
    return (first.daemon.report().routes[0]?.rollout?.figures?.canary.decided ?? 0) > 20;
  });
  await traffic.stop();
  const before = first.daemon.report().routes[0];
  await first.close();
  const second = await openDaemon(t, stage);
  const after = second.daemon.report().routes[0];
  assert.ok(before && after);
  // What had held is judged anew after the gap.
  const demand = (figures: typeof before.demand) => ({ ...figures, holdsSince: null });
  assert.deepEqual(demand(after.demand), demand(before.demand));
  const rollout = ({
    id,
    step,
    weight,
    figures,
    assignedShare,
    servedShare,
    since,
  }: NonNullable<typeof before.rollout>) => {
    return { id, step, weight, figures, assignedShare, servedShare, since };
  };
  assert.ok(before.rollout && after.rollout);
  assert.deepEqual(rollout(after.rollout), rollout(before.rollout));
});

test(
  'it goes back in memory where a locked ledger cannot take the decision, and writes it down later',
  PATIENT,
  async (t) => {
    const stage = await openStage(t, { policy: { limits: { bake: '5m' } } });
    const { daemon, gateway } = await openDaemon(t, stage);
    const traffic = startTraffic(t, { url: gateway, model: MODEL, streams: 0 });
    await approveUpTo(stage, 1);
    const { id } = await inPhase(stage, 'stepping', 1);
    // Before the step may ask, however busy the machine is.
    const lock = await holdLock(t, stage.dbPath);
    const weight = () => daemon.report().routes[0]?.rollout?.weight;
    await eventually(
      'the endpoint serves',
      () => (daemon.report().routes[0]?.rollout?.figures?.canary.decided ?? 0) > 5,
    );
    // A tick that waits for the ledger with something else must not hold up the way back.
    const action = () => daemon.report().routes[0]?.decision?.action;
    await eventually('it would ask, and cannot', () => action() === 'ask');
    await stage.simulation.setFault({ target: 'endpoint', kind: 'refuses' });
    await eventually('the weight is 0', () => weight() === 0);
    assert.ok(daemon.report().routes[0]?.notes.some((note) => note.includes('the ledger cannot store the decision')));
    // The cause is gone before the ledger can be written: what was decided still holds.
    await stage.simulation.clearFaults();
    assert.equal(daemon.report().routes[0]?.phase, 'stepping');
    await lock.release();
    const ended = await inPhase(stage, 'aborted');
    assert.equal(ended.id, id);
    assert.match(ended.reason, /^(consecutive_faults|endpoint_unhealthy)/);
    assert.equal(endpointOf(stage)?.state, 'paused');
    await traffic.stop();
    assert.deepEqual(traffic.failures(), []);
    assertAllRecorded(stage, traffic.sent);
    assertAudited(stage);
  },
);

test('an endpoint paused and resumed while the ledger is locked has still lost its weight', PATIENT, async (t) => {
  // The calls that it fails must not be what keeps the decision.
  const stage = await openStage(t, { policy: { limits: { consecutiveFaults: 100_000 } } });
  let failedTicks = 0;
  const log: Log = (_level, message) => {
    if (message === 'tick failed') failedTicks++;
  };
  const { daemon, gateway } = await openDaemon(t, stage, { log });
  const traffic = startTraffic(t, { url: gateway, model: MODEL, streams: 0 });
  await approveUpTo(stage, 1);
  await inPhase(stage, 'stepping', 1);
  await eventually('the endpoint serves', () => (daemon.report().routes[0]?.rollout?.figures?.canary.decided ?? 0) > 5);
  const lock = await holdLock(t, stage.dbPath);
  await tell(stage, 'pause');
  await eventually('the weight is 0', () => daemon.report().routes[0]?.rollout?.weight === 0);
  await tell(stage, 'resume');
  await eventually('it is seen to run', () => daemon.report().routes[0]?.rollout?.endpoint?.isHealthy === true);
  // The attempt to write that was under way when the endpoint came back is over, too.
  const failedBefore = failedTicks;
  await eventually('another attempt to write has failed', () => failedTicks > failedBefore);
  assert.equal(daemon.report().routes[0]?.rollout?.weight, 0);
  await lock.release();
  assert.match((await inPhase(stage, 'aborted')).reason, /^endpoint_paused/);
  await traffic.stop();
  assert.deepEqual(traffic.failures(), []);
  assertAudited(stage);
});

test('a ledger whose requests cannot be read does not keep the weight from going back', PATIENT, async (t) => {
  const stage = await openStage(t, { policy: { limits: { consecutiveFaults: 100_000 } } });
  const { gateway } = await openDaemon(t, stage);
  const traffic = startTraffic(t, { url: gateway, model: MODEL, streams: 0 });
  await approveUpTo(stage, 1);
  await inPhase(stage, 'stepping', 1);
  const db = connect(stage.dbPath, { timeout: 5_000 });
  db.exec('ALTER TABLE requests RENAME TO wishes');
  db.close();
  await tell(stage, 'pause');
  assert.match((await inPhase(stage, 'aborted')).reason, /^endpoint_paused/);
  await traffic.stop();
  assert.deepEqual(traffic.failures(), []);
});

test('calls of a shape that the endpoint cannot answer stay on serverless and are counted', PATIENT, async (t) => {
  const stage = await openStage(t);
  const { daemon, gateway, admin } = await openDaemon(t, stage);
  const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }];
  const plain = startTraffic(t, { url: gateway, model: MODEL, rate: 20, prefix: 'plain' });
  const tooled = startTraffic(t, {
    url: gateway,
    model: MODEL,
    rate: 10,
    prefix: 'tooled',
    streams: 0,
    extra: { tools },
  });
  await approveUpTo(stage, 2);
  await inPhase(stage, 'holding', 2);
  const sql = `SELECT served_by AS servedBy, is_eligible AS isEligible, role, count(*) AS calls FROM call_log
    WHERE step = 2 AND shape = 'chat+tools' AND status <> 429 GROUP BY 1, 2, 3`;
  const rows = () => stage.read((db) => db.prepare<[], { calls: number }>(sql).all());
  await eventually('such calls were made at full weight', () => rows().reduce((sum, { calls }) => sum + calls, 0) > 20);
  assert.deepEqual(
    rows().map((row) => ({ ...row, calls: 0 })),
    [{ servedBy: 'serverless', isEligible: 0, role: null, calls: 0 }],
  );
  const counts = daemon.report().gateway;
  assert.ok(counts.ineligible > 20);
  assert.deepEqual(counts.ineligibleBecause, { shape: counts.ineligible });
  const metrics = await (await fetch(`${admin}/metrics`)).text();
  assert.match(metrics, /^upshift_calls_ineligible [1-9]\d*$/m);
  await plain.stop();
  await tooled.stop();
  assert.deepEqual([...plain.failures(), ...tooled.failures()], []);
});

test('a name that the engine serves the model under is put in and taken out again', PATIENT, async (t) => {
  const stage = await openStage(t, {
    policy: { steps: ['50%', '100%'], endpoint: { args: ['--served-model-name', 'other'] } },
  });
  const { gateway } = await openDaemon(t, stage);
  const traffic = startTraffic(t, { url: gateway, model: MODEL });
  await approveUpTo(stage, 3);
  const { endpoint } = await inPhase(stage, 'promoted');
  assert.equal(endpoint.servedModel, 'other');
  await traffic.stop();
  const whole = (await (await chat(gateway, 'whole')).json()) as { model: string };
  assert.equal(whole.model, MODEL);
  const events = await (await chat(gateway, 'streamed', { stream: true })).text();
  const models = [...events.matchAll(/"model":"([^"]*)"/g)].map(([, model]) => model);
  assert.ok(models.length > 1);
  assert.deepEqual([...new Set(models)], [MODEL]);
  const sql = "SELECT DISTINCT served_by FROM call_log WHERE agent IN ('whole', 'streamed')";
  assert.deepEqual(
    stage.read((db) => db.prepare(sql).pluck().all()),
    ['dedicated'],
  );
  assert.deepEqual(traffic.failures(), []);
});

test('health and metrics answer, and nothing else', PATIENT, async (t) => {
  const stage = await openStage(t);
  const { gateway, admin } = await openDaemon(t, stage);
  assert.equal((await chat(gateway, 'ann')).status, 200);
  const health = (await (await fetch(`${admin}/healthz`)).json()) as object;
  assert.deepEqual(
    { ...health, at: 0 },
    {
      status: 'ok',
      version: '0.0.0-test',
      at: 0,
      ledger: { pending: 0, lost: 0, isDegraded: false, fault: null },
      localTrouble: null,
    },
  );
  const metrics = await (await fetch(`${admin}/metrics`)).text();
  assert.match(
    metrics,
    /^upshift_calls_total\{model="meta-llama\/Llama-3.1-8B-Instruct",.*upstream="serverless",outcome="ok"\} 1$/m,
  );
  assert.match(metrics, /^upshift_ledger_lost 0$/m);
  assert.match(metrics, /^upshift_provider_tried\{model="meta-llama\/Llama-3.1-8B-Instruct",provider="groq"\} 1$/m);
  assert.equal((await fetch(`${admin}/`)).status, 404);
  assert.equal((await fetch(`${admin}/healthz`, { method: 'POST' })).status, 404);
});

test('calls that outlive the drain are cut, counted and recorded', PATIENT, async (t) => {
  const stage = await openStage(t);
  await stage.simulation.setFault({ target: 'router', kind: 'hangs' });
  const { gateway, close, daemon } = await openDaemon(t, stage, { drainMs: 50 });
  const answer = chat(gateway, 'late').catch(() => 'cut');
  await eventually('the call is under way', () => daemon.report().gateway.inFlight === 1);
  assert.deepEqual(await close(), { cut: 1 });
  assert.equal(await answer, 'cut');
  const sql = 'SELECT agent, status, final_outcome AS outcome FROM call_log';
  assert.deepEqual(
    stage.read((db) => db.prepare(sql).all()),
    [{ agent: 'late', status: 0, outcome: 'cut' }],
  );
});

function endpointOf(stage: Stage) {
  return stage.simulation.state().endpoints[0];
}

/** What somebody does to the endpoint at Hugging Face, past us. */
async function tell(stage: Stage, action: 'pause' | 'resume'): Promise<void> {
  const url = `${stage.simulation.endpointsUrl}/v2/endpoint/acme/${endpointOf(stage)?.name}/${action}`;
  const response = await fetch(url, { method: 'POST', headers: { authorization: 'Bearer hf_somebody' } });
  assert.equal(response.status, 200);
}

function chat(gateway: string, agent: string, more: object = {}): Promise<Response> {
  const body = { model: MODEL, messages: [{ role: 'user', content: 'hello' }], max_tokens: 20, ...more };
  return fetch(`${gateway}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-agent-id': agent },
    body: JSON.stringify(body),
  });
}
