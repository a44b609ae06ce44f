import assert from 'node:assert/strict';
import test from 'node:test';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import type { RolloutEvent } from '../../../src/core/rollout/event.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import { beginEffect } from '../../../src/daemon/effects/effects.ts';
import { RouteWatch } from '../../../src/daemon/route/watch.ts';
import { createEndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import { createHubClient } from '../../../src/huggingface/hub/hub.ts';
import { startSimulation } from '../../../src/simulation/server.ts';
import { fastClock } from '../../simulation/clocks.ts';
import { PROFILE, START } from '../../support/samples.ts';
import { MODEL } from '../../support/stage.ts';

const TOKEN = 'hf_test';

test('a rollout older than the choice gets what its policy names, shared among all accelerators', async () => {
  const clock = fastClock(1000);
  await using simulation = await startSimulation({ clock });
  const named = {
    namespace: 'acme',
    vendor: 'aws',
    region: 'us-east-1',
    instanceType: 'nvidia-l4',
    instanceSize: 'x4',
  };
  const parsed = parsePolicy({ routes: [{ model: MODEL, endpoint: named }] });
  assert.ok(parsed.ok);
  const [policy] = parsed.policy.routes;
  assert.ok(policy);
  const watch = new RouteWatch(MODEL, policy);
  const rollout = {
    id: 'aaaabbbb',
    model: MODEL,
    policyHash: 'hash',
    toward: 'dedicated' as const,
    createdAt: START,
    endpointName: 'up-old',
    namespace: 'acme',
    pricePerHourMicros: 3_800_000,
    criteriaSince: START,
  };
  const events: RolloutEvent[] = [{ type: 'proposed', rollout }, { type: 'provisioning_started' }];
  watch.setRollout(
    events.reduce((state, event) => evolve(state, event, START), null as ReturnType<typeof evolve> | null),
    policy,
  );
  const endpoints = createEndpointsClient({ baseUrl: simulation.endpointsUrl, token: TOKEN });
  await beginEffect(watch, 'ensure', {
    clock,
    endpoints,
    hub: createHubClient({ hubUrl: simulation.hubUrl, token: TOKEN }),
    token: TOKEN,
    ledgerId: 'ledger',
    learn: () => Promise.resolve(PROFILE),
    experience: () => Promise.reject(new Error('nobody asks')),
    signal: AbortSignal.timeout(20_000),
    wake: () => undefined,
    log: () => undefined,
  });
  assert.equal(watch.results.ensure?.problem, null);
  const { namespace, ...instance } = named;
  assert.deepEqual((await endpoints.get(namespace, 'up-old'))?.instance, instance);
  const answer = await fetch(`${simulation.endpointsUrl}/v2/endpoint/acme/up-old`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  const { model } = (await answer.json()) as { model: { image: { vLLM: { tensorParallelSize: number } } } };
  assert.equal(model.image.vLLM.tensorParallelSize, 4);
});
