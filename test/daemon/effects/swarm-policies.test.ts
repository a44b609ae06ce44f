import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { NOTHING_TRIED } from '../../../src/core/sizing/candidate.ts';
import { judgeCriteria } from '../../../src/core/criteria/criteria.ts';
import type { RoutePolicy } from '../../../src/core/policy/policy.ts';
import { NO_DEMAND } from '../../../src/core/sizing/busiest-demand.ts';
import type { BusiestDemand } from '../../../src/core/sizing/busiest-demand.ts';
import { SWARM_SIZES, swarmSize } from '../../../src/core/sizing/swarm-size.ts';
import { takeSurvey } from '../../../src/daemon/effects/survey.ts';
import { loadPolicy } from '../../../src/files/policy.ts';
import { createEndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import { ensureEndpoint } from '../../../src/huggingface/management/ensure.ts';
import { endpointSpec } from '../../../src/huggingface/management/spec.ts';
import { createHubClient } from '../../../src/huggingface/hub/hub.ts';
import { startSimulation } from '../../../src/simulation/server.ts';
import { fastClock } from '../../simulation/clocks.ts';

const TOKEN = 'hf_test';
const ROOT = join(import.meta.dirname, '..', '..', '..');

/** A typical busiest window of each size, in calls and agents; a call takes 4 s, 1200 tokens, 200 of them written. */
const WINDOWS = { '1-10': [300, 6], '10-50': [1_200, 30], '50-200': [6_000, 120], '200-up': [15_000, 300] } as const;

function loadOf(calls: number): BusiestDemand {
  const perSecond = calls / 300;
  return {
    ...NO_DEMAND,
    calls,
    windowCalls: calls,
    inFlight: perSecond * 4,
    tokens: 1_200,
    longest: 4_000,
    outputPerSecond: perSecond * 200,
  };
}

function figures([calls, agents]: readonly [number, number], refusedShare = 0.08) {
  return { calls, agents, derivedAgents: 0, refused: Math.round(calls * refusedShare), refusedShare };
}

async function routeOf(path: string): Promise<RoutePolicy> {
  const [route] = (await loadPolicy(join(ROOT, path))).policy.routes;
  assert.ok(route);
  return route.endpoint === null ? route : { ...route, endpoint: { ...route.endpoint, namespace: 'acme' } };
}

describe('the policies for four sizes of swarm', () => {
  for (const [i, { name, policy }] of SWARM_SIZES.entries()) {
    const window = WINDOWS[name];

    it(`${policy} is named for ${window[0]} calls, and its criteria hold for a refused swarm of that size alone`, async () => {
      assert.equal(swarmSize(window[0]).policy, policy);
      const { criteria } = await routeOf(policy);
      // The smallest stays on serverless: refusals of such a swarm are waited for.
      assert.equal(judgeCriteria(figures(window), criteria).holds, name !== '1-10');
      const smaller = SWARM_SIZES[i - 1];
      if (smaller !== undefined) assert.equal(judgeCriteria(figures(WINDOWS[smaller.name]), criteria).holds, false);
      if (name !== '200-up') assert.equal(judgeCriteria(figures(window, 0.01), criteria).holds, false);
    });

    it(`${policy} ${name === '1-10' ? 'spends nothing' : 'gets an endpoint that carries its demand at its price'}`, async () => {
      const route = await routeOf(policy);
      const { endpoint, model } = route;
      if (name === '1-10') return assert.equal(endpoint, null);
      assert.ok(endpoint);
      await using simulation = await startSimulation({ clock: fastClock(1000) });
      const endpoints = createEndpointsClient({ baseUrl: simulation.endpointsUrl, token: TOKEN });
      const hub = createHubClient({ hubUrl: simulation.hubUrl, token: TOKEN });
      const experience = () => Promise.resolve({ demand: loadOf(window[0]), ...NOTHING_TRIED });
      const context = { clock: { now: () => 1 }, endpoints, hub, experience };
      const { instance, problem, pricePerHourMicros } = await takeSurvey(
        { model, filePolicy: route, shapes: new Set() },
        context,
        AbortSignal.timeout(20_000),
      );
      assert.equal(problem, null);
      assert.ok(instance);
      assert.ok((pricePerHourMicros ?? 0) <= (endpoint.maxPricePerHour ?? 0) * 1e6, String(pricePerHourMicros));
      const spec = endpointSpec({ name: 'up-swarm', policy: endpoint, model, instance });
      const made = await ensureEndpoint(endpoints, 'acme', spec);
      assert.equal(made.instance.instanceType, instance.instanceType);
      assert.equal(spec.compute.scaling.maxReplica, endpoint.maxReplica);
    });
  }
});
