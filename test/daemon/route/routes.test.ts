import assert from 'node:assert/strict';
import test from 'node:test';
import type { RouteStatus } from '../../../src/core/status.ts';
import { listRollouts } from '../../../src/ledger/journal/rollouts.ts';
import { openAsks } from '../../../src/ledger/journal/asks.ts';
import type { InsideDaemon } from '../../support/inside.ts';
import { openDaemon } from '../../support/inside.ts';
import { abort, approve, approveUpTo, inPhase } from '../../support/rollout.ts';
import { MODEL, openStage, OTHER_MODEL, policyText, routeWith } from '../../support/stage.ts';
import { startTraffic } from '../../support/traffic.ts';
import { PATIENT, eventually } from '../../support/waiting.ts';

test('a rollout keeps the policy it was proposed under, and says that the file has changed', PATIENT, async (t) => {
  const stage = await openStage(t);
  const inside = await openDaemon(t, stage);
  startTraffic(t, { url: inside.gateway, model: MODEL });
  await approveUpTo(stage, 1);
  const { policyHash } = await inPhase(stage, 'stepping', 1);
  const other = policyText({ steps: ['5%', '100%'] });
  stage.writePolicy(other);
  const changed = await eventually('the new policy is read', () => {
    const report = inside.daemon.report();
    return report.policy.hash !== policyHash && report;
  });
  const { rollout, notes } = route(inside, MODEL);
  assert.equal(rollout?.weight, 0.5);
  assert.ok(
    notes.some((note) => note.includes(`keeps ${policyHash.slice(0, 8)}`)),
    notes.join('; '),
  );

  stage.writePolicy('routes: 3\n');
  const problem = await eventually('the broken policy is told of', () => inside.daemon.report().policy.problem);
  assert.match(problem, /policy\.yaml:1:9/);
  assert.equal(inside.daemon.report().policy.hash, changed.policy.hash);
});

test('what happens to one route leaves the other alone', PATIENT, async (t) => {
  const stage = await openStage(t, { policy: { routes: [routeWith(MODEL), routeWith(OTHER_MODEL)] } });
  const inside = await openDaemon(t, stage);
  for (const model of [MODEL, OTHER_MODEL]) startTraffic(t, { url: inside.gateway, model, rate: 50, prefix: model });
  const at = (model: string) => {
    const { phase, rollout } = route(inside, model);
    return `${phase} ${rollout?.step}`;
  };
  const answered = new Set<number>();
  await eventually('both have entered their first step', () => {
    for (const ask of stage.read(openAsks)) {
      if (ask.step > 1 || answered.has(ask.id)) continue;
      answered.add(ask.id);
      approve(stage, ask);
    }
    return at(MODEL) === 'stepping 1' && at(OTHER_MODEL) === 'stepping 1';
  });
  const first = route(inside, MODEL).rollout;
  const second = route(inside, OTHER_MODEL).rollout;
  abort(stage, first?.id ?? '');
  await eventually('the first is over', () => route(inside, MODEL).lastRollout?.phase === 'aborted');
  assert.equal(at(OTHER_MODEL), 'stepping 1');
  assert.equal(route(inside, OTHER_MODEL).rollout?.weight, 0.5);
  const states = new Map(stage.simulation.state().endpoints.map(({ name, state }) => [name, state]));
  assert.deepEqual(
    [states.get(first?.endpointName ?? ''), states.get(second?.endpointName ?? '')],
    ['paused', 'running'],
  );
});

test('a model that no policy lists is only watched, across a restart too', PATIENT, async (t) => {
  const stage = await openStage(t, { policy: { criteria: { window: '1h', sustain: '0s' } } });
  const inside = await openDaemon(t, stage);
  const traffic = startTraffic(t, { url: inside.gateway, model: OTHER_MODEL });
  const seen = await eventually('it would be proposed', () => {
    const { decision, demand } = route(inside, OTHER_MODEL);
    return decision?.reason === 'would_propose_add_endpoint' && { decision, demand };
  });
  assert.match(seen.decision.detail, /add an `endpoint` block for google\/gemma-2-2b-it/);
  await traffic.stop();
  const { demand: before } = route(inside, OTHER_MODEL);
  await inside.close();
  const again = await openDaemon(t, stage);
  const { demand: after } = route(again, OTHER_MODEL);
  assert.deepEqual([after.calls, after.agents, after.refused], [before.calls, before.agents, before.refused]);
  assert.deepEqual(stage.read(listRollouts), []);
  assert.equal(stage.simulation.state().created, 0);
});

test('agents that send no id are named as what hides the demand', PATIENT, async (t) => {
  const stage = await openStage(t);
  const inside = await openDaemon(t, stage);
  startTraffic(t, { url: inside.gateway, model: MODEL, named: false });
  await eventually('it says what to send', () =>
    route(inside, MODEL).notes.some((note) => note.includes('X-Agent-Id')),
  );
  assert.equal(route(inside, MODEL).demand.agents, 1);
});

function route({ daemon }: InsideDaemon, model: string): RouteStatus {
  const found = daemon.report().routes.find((one) => one.model === model);
  assert.ok(found, `no route ${model}`);
  return found;
}
