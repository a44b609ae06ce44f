import assert from 'node:assert/strict';
import test from 'node:test';
import type { Outcome } from '../../src/core/outcome.ts';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import { listRollouts } from '../../src/ledger/journal/rollouts.ts';
import type { FaultInput } from '../../src/simulation/faults.ts';
import { DEFAULT_MODELS } from '../../src/simulation/hub/models.ts';
import { openDaemon } from '../support/inside.ts';
import { assertAllRecorded, assertAudited } from '../support/rollout.ts';
import type { Stage } from '../support/stage.ts';
import { AT_ONCE, LOOSE_JUDGE, MODEL, NO_REFUSALS, openStage, routeWith } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

/** What comes in two seconds: the decision takes that long at most, and the calls of a machine that stood still wait too. */
const FEW = 40;

const BROKEN: readonly { readonly kind: FaultInput['kind']; readonly whole: Outcome; readonly streamed: Outcome }[] = [
  { kind: 'empty', whole: 'empty_answer', streamed: 'empty_answer' },
  { kind: 'garbage', whole: 'incomplete_answer', streamed: 'empty_answer' },
  { kind: 'html', whole: 'incomplete_answer', streamed: 'incomplete_answer' },
  { kind: 'truncated', whole: 'incomplete_answer', streamed: 'incomplete_answer' },
  { kind: 'error200', whole: 'server_error', streamed: 'server_error' },
];

test('a promoted endpoint whose answers are 200 and none loses its traffic, whatever they are', PATIENT, async (t) => {
  const [llama] = DEFAULT_MODELS;
  assert.ok(llama);
  const modelOf = (kind: string) => `acme/${kind}`;
  const models = BROKEN.map(({ kind }) => ({ ...llama, id: modelOf(kind) }));
  const routes = models.map(({ id }) => routeWith(id));
  const hub = { models, quotas: { 'nvidia-l4': 20 } };
  const stage = await openStage(t, { limits: NO_REFUSALS, hub, policy: { ...AT_ONCE, routes } });
  const { daemon, gateway } = await openDaemon(t, stage);
  const traffic = new Map(
    models.map(({ id: model }) => {
      return [model, startTraffic(t, { url: gateway, model, rate: 10, streams: 0.5, prefix: model })];
    }),
  );
  for (const { id } of models) await eventually(`${id} is promoted`, () => rolloutOf(stage, id)?.phase === 'promoted');

  for (const { kind } of BROKEN) {
    const name = rolloutOf(stage, modelOf(kind))?.endpointName ?? '';
    await stage.simulation.setFault({ target: 'endpoint', kind, name });
  }
  const strikesAt = Date.now();
  for (const { id } of models) {
    const phase = () => rolloutOf(stage, id)?.phase;
    await eventually(`${id} has lost its traffic`, () => phase() === 'draining' || phase() === 'aborted');
  }
  const lost = Date.now() - strikesAt;
  for (const { id } of models) await eventually(`${id} is over`, () => rolloutOf(stage, id)?.phase === 'aborted');
  for (const running of traffic.values()) await running.stop();
  assert.ok(daemon.report().routes.every(({ rollout }) => rollout === null));

  for (const { kind, whole, streamed } of BROKEN) {
    const model = modelOf(kind);
    assert.match(reasonOf(stage, model), /^consecutive_faults: the endpoint .+ \d+ times in a row/);
    const seen = faultsOf(stage, model);
    const calls = seen.reduce((sum, row) => sum + row.calls, 0);
    t.diagnostic(`${kind}: ${calls} broken answers, ${lost} ms for all; ${JSON.stringify(seen)}`);
    assert.ok(calls >= 5 && calls < FEW, `${kind}: ${calls} broken answers`);
    const expected = { chat: whole, 'chat+stream': streamed };
    for (const { shape, outcome } of seen) assert.equal(outcome, expected[shape], `${kind}, ${shape}`);
    // Only of a stream that stops halfway has a byte reached the client.
    const failures = traffic.get(model)?.failures() ?? [];
    const cut = seen.filter(({ shape }) => kind === 'truncated' && shape === 'chat+stream');
    assert.equal(failures.length, cut[0]?.calls ?? 0, JSON.stringify(failures[0]));
  }
  assertAllRecorded(
    stage,
    [...traffic.values()].flatMap(({ sent }) => sent),
  );
  assertAudited(stage);
});

for (const { share, rate, steps } of [
  { share: 0.5, rate: 40, steps: ['25%', '50%', '100%'] },
  { share: 0.02, rate: 150, steps: ['40%', '50%', '100%'] },
]) {
  const title = `an endpoint that ends ${share * 100} % of its streams with nothing but [DONE] is rolled back before half of the weight`;
  test(title, PATIENT, async (t) => {
    const judge = {
      ...LOOSE_JUDGE,
      faults: { margin: 0.01, rollbackMargin: 0.005, judge: 'act' },
      errorRates: { falsePass: 0.001, falsePassLast: 0.001 },
    };
    const policy = { ...AT_ONCE, steps, defaults: { ...AT_ONCE.defaults, judge } };
    const stage = await openStage(t, { limits: NO_REFUSALS, policy });
    const { gateway } = await openDaemon(t, stage);
    const traffic = startTraffic(t, { url: gateway, model: MODEL, rate, streams: 1, maxTokens: 4 });
    // While it is warmed up it answers well.
    await eventually('it has traffic', () => rolloutOf(stage, MODEL)?.phase === 'stepping');
    await stage.simulation.setFault({ target: 'endpoint', kind: 'empty', share });
    // On a slow machine the calls that this takes come slowly.
    await eventually('it is rolled back', () => rolloutOf(stage, MODEL)?.phase === 'aborted', {
      withinMs: 200_000,
    });
    await traffic.stop();
    assert.match(reasonOf(stage, MODEL), /^(verdict_fail|consecutive_faults): /);
    const { step, calls, empty } = exposureOf(stage);
    t.diagnostic(`rolled back at step ${step}, after ${calls} calls of the endpoint, ${empty} of them empty`);
    assert.equal(step, 1);
    assert.ok(empty > 0);
    assert.deepEqual(traffic.failures(), []);
    assertAudited(stage);
  });
}

function rolloutOf(stage: Stage, model: string): Rollout | null {
  const rollouts = stage.read(listRollouts).map(({ snapshot }) => JSON.parse(snapshot) as Rollout);
  return rollouts.findLast((rollout) => rollout.model === model) ?? null;
}

function reasonOf(stage: Stage, model: string): string {
  const rollout = rolloutOf(stage, model);
  return rollout?.phase === 'aborted' ? rollout.reason : '';
}

/** The faults of a model's endpoint, by the shape of the call. */
function faultsOf(
  stage: Stage,
  model: string,
): { readonly shape: 'chat' | 'chat+stream'; readonly outcome: Outcome; readonly calls: number }[] {
  const sql = `SELECT shape, outcome, count(*) AS calls FROM call_log
    WHERE model = ? AND role = 'canary' AND outcome <> 'ok' GROUP BY 1, 2`;
  return stage.read((db) => db.prepare<[string], ReturnType<typeof faultsOf>[number]>(sql).all(model));
}

/** What was assigned to the endpoint until it was rolled back. */
function exposureOf(stage: Stage): { step: number; calls: number; empty: number } {
  const sql = `SELECT max(step) AS step, count(*) AS calls, total(outcome = 'empty_answer') AS empty
    FROM call_log WHERE role = 'canary'`;
  return stage.read((db) => db.prepare<[], ReturnType<typeof exposureOf>>(sql).get()) as ReturnType<typeof exposureOf>;
}
