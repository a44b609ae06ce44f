import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { describe, it } from 'node:test';
import { HOUR_MS } from '../../../src/core/time.ts';
import { createClock } from '../../../src/files/clock.ts';
import { createEndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import { endpointSpec } from '../../../src/huggingface/management/spec.ts';
import type { Simulation } from '../../../src/simulation/server.ts';
import { startSimulation } from '../../../src/simulation/server.ts';
import { ENDPOINT_POLICY, spawnUpshift, temporaryFolder, upshift } from '../rig.ts';
import { namedInstance } from '../../support/named-instance.ts';

const TOKEN = 'hf_test';
const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';

/** A local Hugging Face with one endpoint of ours and one of somebody else's. */
async function openHuggingFace(context: TestContext): Promise<{ simulation: Simulation; env: Record<string, string> }> {
  const simulation = await startSimulation({
    clock: createClock({ scale: 1, start: 0 }),
    limits: { pendingMs: HOUR_MS },
  });
  context.after(() => simulation.close());
  const client = createEndpointsClient({ baseUrl: simulation.endpointsUrl, token: TOKEN });
  const policy = { ...ENDPOINT_POLICY, instanceType: 'nvidia-l4' };
  const instance = namedInstance(policy, 1);
  assert.ok(instance);
  const spec = endpointSpec({ name: 'up-llama-k3v9q2ab', policy, model: MODEL, instance });
  await client.create('acme', spec);
  await client.create('acme', { ...spec, name: 'theirs', tags: [] });
  const { endpointsUrl, hubUrl, routerUrl } = simulation;
  const env = {
    UPSHIFT_ENDPOINTS_URL: endpointsUrl,
    HF_ENDPOINT: hubUrl,
    UPSHIFT_ROUTER_URL: routerUrl,
    HF_TOKEN: TOKEN,
  };
  return { simulation, env };
}

describe('endpoints', { concurrency: 4 }, () => {
  it('lists ours with state, price and rollout, and pauses one', async (context) => {
    const { env } = await openHuggingFace(context);
    const { code, out } = await upshift(['endpoints', '--json'], env);
    assert.equal(code, 0);
    const { name, state, rollout, pricePerHourMicros } = JSON.parse(out) as Record<string, unknown>;
    assert.deepEqual({ name, state, rollout }, { name: 'up-llama-k3v9q2ab', state: 'pending', rollout: 'k3v9q2ab' });
    assert.equal(typeof pricePerHourMicros, 'number');
    const text = await upshift(['endpoints', '--namespace', 'acme'], env);
    assert.match(text.out, /up-llama-k3v9q2ab {2}pending[^]*1 endpoint in acme[^]*1 other, left alone/);
    const paused = await upshift(['endpoints', '--pause', 'up-llama-k3v9q2ab', '--json'], env);
    assert.deepEqual(JSON.parse(paused.out), { namespace: 'acme', name: 'up-llama-k3v9q2ab', state: 'paused' });
  });

  it("leaves other people's alone, exit 4, and deletes only what is confirmed", async (context) => {
    const { simulation, env } = await openHuggingFace(context);
    const theirs = await upshift(['endpoints', '--delete', 'theirs', '--yes'], env);
    assert.equal(theirs.code, 4);
    assert.match(theirs.err, /upshift did not create acme\/theirs/);
    assert.equal((await upshift(['endpoints', '--delete', 'up-llama-k3v9q2ab'], env)).code, 4);
    const client = createEndpointsClient({ baseUrl: simulation.endpointsUrl, token: TOKEN });
    assert.equal((await client.list('acme')).length, 2);
    assert.equal((await upshift(['endpoints', '--delete', 'up-llama-k3v9q2ab', '-y'], env)).code, 0);
    assert.deepEqual(
      (await client.list('acme')).map(({ name }) => name),
      ['theirs'],
    );
  });

  it('needs a token, and one that is accepted, exit 2', async (context) => {
    const { env } = await openHuggingFace(context);
    const none = await upshift(['endpoints'], { ...env, HF_TOKEN: '' });
    assert.equal(none.code, 2);
    assert.match(none.err, /HF_TOKEN is not set/);
    const bad = await upshift(['endpoints'], { ...env, HF_TOKEN: 'hf_bad' });
    assert.equal(bad.code, 2);
    assert.doesNotMatch(bad.err, /hf_bad/);
  });
});

describe('simulate', { concurrency: 4 }, () => {
  it('prints what to export, and ends with Ctrl-C, exit 130', async () => {
    const running = spawnUpshift(['simulate', '--port', '0', '--scale', '60']);
    const out = await running.said(/UPSHIFT_TIME_START/);
    const names = [...out.matchAll(/^export (\w+)=\S+$/gm)].map(([, name]) => name);
    const urls = ['UPSHIFT_ROUTER_URL', 'UPSHIFT_ENDPOINTS_URL', 'HF_ENDPOINT', 'HF_TOKEN'];
    assert.deepEqual(names, [...urls, 'UPSHIFT_TIME_SCALE', 'UPSHIFT_TIME_START']);
    running.child.kill('SIGINT');
    assert.equal((await running.ended).code, 130);
  });

  it('says it in one line of JSON, and answers there', async () => {
    const running = spawnUpshift(['simulate', '--port', '0', '--json']);
    const { url, env } = JSON.parse(await running.said(/\n/)) as { url: string; env: Record<string, string> };
    assert.ok(url.startsWith('http://127.0.0.1:'));
    const answer = await fetch(`${env['HF_ENDPOINT']}/api/whoami-v2`, {
      headers: { authorization: `Bearer ${env['HF_TOKEN']}` },
    });
    assert.equal(answer.status, 200);
    await answer.arrayBuffer();
    running.child.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
  });
});

describe('policy check', { concurrency: 4 }, () => {
  it('shows what a good policy comes to', async (context) => {
    const file = join(temporaryFolder(context), 'policy.yaml');
    writeFileSync(file, 'routes:\n  - model: org/name\n    steps: [5%, 100%]\n');
    const { code, out } = await upshift(['policy', 'check', file]);
    assert.equal(code, 0);
    assert.match(out, /^ok {2}.*policy\.yaml {2}[0-9a-f]{8}\n/);
    assert.match(out, /steps +5, 100 %$/m);
    const json = await upshift(['policy', 'check', file, '--json']);
    const { policy } = JSON.parse(json.out) as { policy: { routes: { steps: number[] }[] } };
    assert.deepEqual(policy.routes[0]?.steps, [0.05, 1]);
  });

  it('names file, line and path of every mistake, exit 2', async (context) => {
    const file = join(temporaryFolder(context), 'policy.yaml');
    writeFileSync(file, 'defaults:\n  criteria:\n    refused: 5\n  speps: [1]\n');
    const { code, out, err } = await upshift(['policy', 'check', file]);
    assert.equal(code, 2);
    assert.equal(out, '');
    assert.match(err, /policy\.yaml:3:14: defaults\.criteria\.refused: expected a share/);
    assert.match(err, /policy\.yaml:4:3: defaults\.speps: unknown key/);
  });
});
