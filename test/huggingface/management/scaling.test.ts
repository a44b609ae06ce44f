import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import { createClock } from '../../../src/files/clock.ts';
import { createEndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import { knock, scalingChange } from '../../../src/huggingface/management/scaling.ts';
import { endpointSpec } from '../../../src/huggingface/management/spec.ts';
import { readScaling } from '../../../src/huggingface/management/status.ts';
import { checkHealth } from '../../../src/huggingface/probe/probe.ts';
import { startSimulation } from '../../../src/simulation/server.ts';
import { endpointBody, serve } from '../rig.ts';
import { PATIENT } from '../../support/waiting.ts';
import { namedInstance } from '../../support/named-instance.ts';

const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';
const TOKEN = 'hf_simulated';
const INSTANCE = { vendor: 'aws', region: 'us-east-1', instanceType: 'nvidia-l4', instanceSize: 'x1' };

function specOf(more: object = {}) {
  const parsed = parsePolicy({ routes: [{ model: MODEL, endpoint: { namespace: 'acme', ...INSTANCE, ...more } }] });
  assert.ok(parsed.ok);
  const policy = parsed.policy.routes[0]?.endpoint;
  assert.ok(policy);
  const instance = namedInstance(policy, 1);
  assert.ok(instance);
  return endpointSpec({ name: 'up-one', policy, model: MODEL, instance });
}

describe('an endpoint that may scale is created with', () => {
  it('a threshold of pending calls, if its engine has a queue', () => {
    assert.deepEqual(specOf({ maxReplica: 3 }).compute.scaling.measure, { pendingRequests: 1.5 });
    assert.equal(specOf().compute.scaling.measure, undefined);
  });

  it('a threshold of hardware usage, if the engine is full when its hardware is fully used', () => {
    const tei = { engine: 'tei', image: 'tei:1', maxReplica: 3 };
    assert.deepEqual(specOf(tei).compute.scaling.measure, { hardwareUsage: 80 });
    assert.deepEqual(specOf({ accelerator: 'cpu', maxReplica: 3 }).compute.scaling.measure, { hardwareUsage: 80 });
  });
});

describe('the scaling of an endpoint', () => {
  const scaling = { minReplica: 0, maxReplica: 3, scaleToZeroTimeout: 15, measure: { pendingRequests: 4 } };

  it('is read as the API shows it, or is null', () => {
    const body = (over: object) => ({ compute: { scaling: { ...scaling, ...over } } });
    assert.deepEqual(readScaling(body({ metric: 'pendingRequests', threshold: 4 })), scaling);
    assert.deepEqual(readScaling(body({ measure: { hardwareUsage: 70 } }))?.measure, { hardwareUsage: 70 });
    assert.equal(readScaling(body({ measure: { hardwareUsage: null } }))?.measure, null);
    assert.equal(readScaling(body({ measure: undefined, scaleToZeroTimeout: null }))?.scaleToZeroTimeout, null);
    for (const broken of [{}, null, 'no', body({ minReplica: '1' })]) assert.equal(readScaling(broken), null);
  });

  it('is changed by a body without any other field, such as the image', () => {
    assert.deepEqual(scalingChange(scaling), { compute: { scaling } });
    assert.deepEqual(
      Object.keys((scalingChange({ ...scaling, measure: null }) as { compute: { scaling: object } }).compute.scaling),
      ['minReplica', 'maxReplica', 'scaleToZeroTimeout'],
    );
  });

  it('is scaled to zero with a separate request', async () => {
    await using rig = await serve(() => ({ body: endpointBody('up-x', 'scaledToZero') }));
    const client = createEndpointsClient({ baseUrl: rig.url, token: TOKEN });
    assert.equal((await client.scaleToZero('acme', 'up-x')).state, 'scaledToZero');
    assert.deepEqual(
      rig.seen.map(({ method, path, body }) => [method, path, body]),
      [['POST', '/v2/endpoint/acme/up-x/scale-to-zero', null]],
    );
  });

  it('changes, sleeps and wakes against the simulated Hugging Face', PATIENT, async () => {
    const clock = createClock({ scale: 600, start: Date.now() });
    await using simulation = await startSimulation({ clock });
    const client = createEndpointsClient({ baseUrl: simulation.endpointsUrl, token: TOKEN });
    const get = async () => {
      const status = await client.get('acme', 'up-one');
      assert.ok(status);
      return status;
    };
    const until = async (is: (status: Awaited<ReturnType<typeof get>>) => boolean) => {
      let status = await get();
      while (!is(status)) status = await get();
      return status;
    };
    await client.create('acme', specOf({ maxReplica: 2 }));
    await until(({ state }) => state === 'running');
    const wanted = { minReplica: 2, maxReplica: 3, scaleToZeroTimeout: null, measure: { pendingRequests: 6 } };
    const changed = await client.update('acme', 'up-one', scalingChange(wanted));
    assert.deepEqual([changed.state, changed.readyReplica, changed.scaling], ['updating', 0, wanted]);
    const running = await until(({ state }) => state === 'running');
    assert.deepEqual([running.readyReplica, running.targetReplica], [2, 2]);
    assert.equal((await client.scaleToZero('acme', 'up-one')).state, 'scaledToZero');
    await knock(running.url ?? '', TOKEN, running.healthRoute, AbortSignal.timeout(20_000));
    const awake = await until(({ state }) => state === 'running');
    assert.ok((await checkHealth(awake.url ?? '', TOKEN, awake.healthRoute)).ok);
  });

  it('a wake call to an unreachable endpoint is not an error', async () => {
    await knock('http://127.0.0.1:9', TOKEN, '/health', AbortSignal.timeout(20_000));
    await assert.rejects(
      knock('http://127.0.0.1:9', TOKEN, '/health', AbortSignal.abort(new Error('closed'))),
      /closed/,
    );
  });
});
