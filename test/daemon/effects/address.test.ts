import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { OUR_TAG } from '../../../src/core/sweep/sweep.ts';
import type { EffectContext } from '../../../src/daemon/effects/context.ts';
import { beginEffect, readEndpoints } from '../../../src/daemon/effects/effects.ts';
import { RouteWatch } from '../../../src/daemon/route/watch.ts';
import type { EndpointStatus } from '../../../src/huggingface/management/status.ts';
import { routeState } from '../../support/route-state.ts';
import { promotedRollout, rolloutAfter, routePolicy, START, TO_WARM } from '../../support/samples.ts';

/** A server that answers everything well, and counts the connections that it gets. */
async function openServer(t: TestContext): Promise<{ readonly url: string; connections(): number }> {
  let connections = 0;
  const server = createServer((_, response) => response.end('{}')).on('connection', () => connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => connections };
}

/** A management API that says where the endpoint is. */
function contextOf(url: string, state: EndpointStatus['state'], isLocalApi: boolean): EffectContext {
  const status = {
    name: 'writer-aaaabbbb',
    state,
    url,
    type: 'protected',
    model: 'acme/writer',
    tags: [OUR_TAG],
    message: null,
    errorMessage: null,
    readyReplica: 1,
    targetReplica: 1,
    scaling: null,
    healthRoute: '/health',
    createdAt: START,
    updatedAt: START,
  };
  const endpoints = { get: () => Promise.resolve(status), resume: () => Promise.resolve(status) };
  const clock = { now: () => START + 1, sleep: () => Promise.resolve(), scale: 1 };
  const nothing = () => undefined;
  const signal = new AbortController().signal;
  return {
    endpoints,
    clock,
    token: 'hf_secret',
    isLocalApi,
    ledgerId: 'ab',
    signal,
    wake: nothing,
    log: nothing,
  } as unknown as EffectContext;
}

function watchOf(rollout: Rollout): RouteWatch {
  const watch = new RouteWatch(rollout.model, routePolicy());
  watch.enter(routeState(rollout, routePolicy()));
  return watch;
}

const asleep = evolve(promotedRollout(), { type: 'detour_began', why: 'sleep', bridgedBefore: 0 }, START);

describe('an endpoint that the management API names', () => {
  const phases: readonly (readonly [what: string, rollout: Rollout])[] = [
    ['is being made', rolloutAfter(...TO_WARM.slice(0, 3))],
    ['serves calls', promotedRollout()],
  ];
  for (const [what, rollout] of phases) {
    it(`gets no byte while it ${what} if it is on no list, and the reading says where it is`, async (t) => {
      const server = await openServer(t);
      const watch = watchOf(rollout);
      await readEndpoints([watch], contextOf(server.url, 'running', false));
      assert.equal(watch.endpoint?.url, null);
      assert.equal(watch.endpoint.foreignUrl, `${server.url}/`);
      assert.equal(watch.endpoint.isHealthy, false);
      assert.equal(server.connections(), 0);
    });
  }

  it('is asked for its health if the API is on this machine, too', async (t) => {
    const server = await openServer(t);
    const watch = watchOf(promotedRollout());
    await readEndpoints([watch], contextOf(server.url, 'running', true));
    assert.equal(watch.endpoint?.url, server.url);
    assert.equal(watch.endpoint.foreignUrl, undefined);
    assert.equal(watch.endpoint.isHealthy, true);
    assert.ok(server.connections() > 0);
  });

  for (const isLocalApi of [false, true]) {
    it(`is ${isLocalApi ? '' : 'not '}woken by a call if it is ${isLocalApi ? 'where it may be' : 'on no list'}`, async (t) => {
      const server = await openServer(t);
      await beginEffect(watchOf(asleep), 'wake', contextOf(server.url, 'scaledToZero', isLocalApi));
      assert.equal(server.connections() > 0, isLocalApi);
    });
  }
});
