import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePolicy } from '../../src/core/policy/parse.ts';
import { createClock } from '../../src/files/clock.ts';
import { createHubClient } from '../../src/huggingface/hub/hub.ts';
import { createEndpointsClient } from '../../src/huggingface/management/endpoints.ts';
import { ensureEndpoint } from '../../src/huggingface/management/ensure.ts';
import { endpointName, endpointSpec } from '../../src/huggingface/management/spec.ts';
import { isOurs } from '../../src/huggingface/management/status.ts';
import type { EndpointStatus } from '../../src/huggingface/management/status.ts';
import { checkHealth, readServedModel } from '../../src/huggingface/probe/probe.ts';
import { warmUp } from '../../src/huggingface/probe/warm.ts';
import { startSimulation } from '../../src/simulation/server.ts';
import { PATIENT } from '../support/waiting.ts';
import { namedInstance } from '../support/named-instance.ts';

const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';
const TOKEN = 'hf_simulated';

describe('against the simulated Hugging Face', () => {
  it('an endpoint is quoted, created once, warmed up, paused and deleted', PATIENT, async () => {
    const clock = createClock({ scale: 600, start: Date.now() });
    await using simulation = await startSimulation({ clock });
    const hub = createHubClient({ hubUrl: simulation.hubUrl, token: TOKEN });
    const endpoints = createEndpointsClient({ baseUrl: simulation.endpointsUrl, token: TOKEN });
    const { name: namespace } = await hub.whoAmI();
    const model = await hub.inspectModel(MODEL);
    assert.deepEqual([model.exists, model.isGatedForUs, model.task], [true, false, 'text-generation']);

    const instance = { vendor: 'aws', region: 'us-east-1', instanceType: 'nvidia-l4', instanceSize: 'x1' };
    const parsed = parsePolicy({ routes: [{ model: MODEL, endpoint: { namespace, ...instance } }] });
    assert.ok(parsed.ok);
    const policy = parsed.policy.routes[0]?.endpoint;
    assert.ok(policy);
    const quote = await endpoints.quote(namespace, instance);
    assert.deepEqual([quote.isDeployable, quote.pricePerHourMicros, quote.why], [true, 800_000, null]);

    const name = endpointName(MODEL, 'a1b2c3d4');
    const pinned = namedInstance(policy, quote.numAccelerators);
    assert.ok(pinned);
    const spec = endpointSpec({ name, policy, model: MODEL, task: model.task, instance: pinned });
    let status: EndpointStatus = await ensureEndpoint(endpoints, namespace, spec);
    assert.equal((await ensureEndpoint(endpoints, namespace, spec)).name, name);
    assert.equal((await endpoints.list(namespace)).filter(isOurs).length, 1);

    const isReady = async () =>
      status.url !== null &&
      (await checkHealth(status.url, TOKEN, status.healthRoute)).ok &&
      status.state === 'running';
    while (!(await isReady())) {
      assert.notEqual(status.state, 'failed');
      await clock.sleep(5_000);
      status = (await endpoints.get(namespace, name)) ?? assert.fail('it is gone');
    }
    const url = status.url ?? assert.fail('it has no url');
    assert.deepEqual(status.instance, instance);
    const { name: servedModel } = await readServedModel(url, TOKEN, MODEL);
    assert.equal(servedModel, MODEL);
    const wish = { url, token: TOKEN, model: MODEL, servedModel, engine: 'vLLM' } as const;
    const warm = await warmUp({ ...wish, shapes: ['chat+stream', 'chat+structured', 'completion+stream'] });
    assert.deepEqual(warm.failed, []);
    assert.deepEqual(warm.shown, ['chat', 'chat+stream', 'chat+structured', 'completion', 'completion+stream']);

    assert.equal((await endpoints.resume(namespace, name)).state, 'running');
    for (let i = 0; i < 2; i++) assert.equal((await endpoints.pause(namespace, name)).state, 'paused');
    const paused = await checkHealth(url, TOKEN, status.healthRoute);
    assert.deepEqual([paused.ok, paused.status], [false, 400]);
    await endpoints.delete(namespace, name);
    assert.equal(await endpoints.get(namespace, name), null);
  });
});
