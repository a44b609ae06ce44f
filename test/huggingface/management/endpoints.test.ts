import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { AppError } from '../../../src/core/errors.ts';
import type { EndpointPolicy } from '../../../src/core/policy/endpoint.ts';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import type { PinnedInstance } from '../../../src/core/sizing/pinned.ts';
import { createEndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import type { EndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import { ensureEndpoint } from '../../../src/huggingface/management/ensure.ts';
import { endpointName, endpointSpec } from '../../../src/huggingface/management/spec.ts';
import { isOurs } from '../../../src/huggingface/management/status.ts';
import { endpointBody, serve } from '../rig.ts';
import type { Answer, Rig, Seen } from '../rig.ts';
import { namedInstance } from '../../support/named-instance.ts';

const TOKEN = 'hf_secretsecret123';
const NAMES = { namespace: 'acme', vendor: 'aws', region: 'us-east-1', instanceType: 'nvidia-l4', instanceSize: 'x1' };

function client(rig: Rig, timeoutMs = 5_000): EndpointsClient {
  return createEndpointsClient({ baseUrl: rig.url, token: TOKEN, timeoutMs });
}

function policyOf(more: object = {}): EndpointPolicy {
  const parsed = parsePolicy({ routes: [{ model: 'acme/model', endpoint: { ...NAMES, ...more } }] });
  assert.ok(parsed.ok, JSON.stringify(parsed));
  const endpoint = parsed.policy.routes[0]?.endpoint;
  assert.ok(endpoint);
  return endpoint;
}

/** A policy that names an instance, with a test's own changes. */
function pinned(more: object = {}, numAccelerators = 1, instance: Partial<PinnedInstance> = {}) {
  const policy = policyOf(more);
  const named = namedInstance(policy, numAccelerators);
  assert.ok(named);
  return { policy, instance: { ...named, ...instance } };
}

const SPEC = endpointSpec({ name: 'up-model-a1b2c3d4', ...pinned(), model: 'acme/model' });

async function refusal(doing: Promise<unknown>): Promise<AppError> {
  const error: unknown = await doing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof AppError, `expected an AppError, got ${String(error)}`);
  return error;
}

describe('the management client', () => {
  it('reads an endpoint, and null if there is none', async () => {
    await using rig = await serve(({ path }) =>
      path.endsWith('/up-x')
        ? { body: endpointBody('up-x', 'running') }
        : { status: 404, body: { error: 'Not Found' } },
    );
    const found = await client(rig).get('acme', 'up-x');
    assert.deepEqual(found, {
      name: 'up-x',
      state: 'running',
      url: 'https://abcdefgh12345678.us-east-1.aws.endpoints.huggingface.cloud',
      type: 'authenticated',
      model: 'acme/model',
      message: 'Endpoint is ready',
      errorMessage: null,
      readyReplica: 1,
      targetReplica: 2,
      scaling: { minReplica: 1, maxReplica: 1, scaleToZeroTimeout: null, measure: null },
      createdAt: Date.parse('2026-11-20T10:00:00.000Z'),
      updatedAt: Date.parse('2026-11-20T10:04:10.000Z'),
      tags: ['managed-by:upshift'],
      instance: { vendor: 'aws', region: 'us-east-1', instanceType: 'nvidia-l4', instanceSize: 'x1' },
      healthRoute: '/ready',
    });
    assert.equal(await client(rig).get('acme', 'other'), null);
    assert.equal(rig.seen[0]?.path, '/v2/endpoint/acme/up-x');
    assert.equal(rig.seen[0]?.authorization, `Bearer ${TOKEN}`);
  });

  it('shows an unknown state as updating and says so', async () => {
    await using rig = await serve(() => ({ body: endpointBody('up-x', 'hibernating') }));
    const found = await client(rig).get('acme', 'up-x');
    assert.equal(found?.state, 'updating');
    assert.match(found?.message ?? '', /"hibernating" is not known/);
  });

  it('tolerates an endpoint with few fields', async () => {
    await using rig = await serve(() => ({ body: { name: 'up-x', status: { state: 'pending' } } }));
    const found = await client(rig).get('acme', 'up-x');
    assert.equal(found?.state, 'pending');
    assert.equal(found?.url, null);
    assert.equal(found?.healthRoute, '/health');
    assert.equal(isOurs(found ?? { tags: [] }), false);
  });

  it('follows the cursor of a list to its end', async () => {
    await using rig = await serve(({ path }) => {
      const cursor = new URL(path, 'http://x').searchParams.get('cursor');
      const next = cursor === null ? 'a b' : cursor === 'a b' ? 'c' : null;
      return { body: { items: [endpointBody(`up-${cursor}`, 'paused')], nextCursor: next, totalItems: 3 } };
    });
    const names = (await client(rig).list('acme')).map((each) => each.name);
    assert.deepEqual(names, ['up-null', 'up-a b', 'up-c']);
  });

  it('stops if a cursor repeats', async () => {
    await using rig = await serve(() => ({ body: { items: [], nextCursor: 'again' } }));
    assert.equal((await refusal(client(rig).list('acme'))).code, 'unavailable');
    assert.equal(rig.seen.length, 2);
  });

  it('accepts "already running" as success of resume', async () => {
    await using rig = await serve(({ method }) =>
      method === 'POST'
        ? { status: 400, body: { error: 'Endpoint is already running' } }
        : { body: endpointBody('up-x', 'running') },
    );
    assert.equal((await client(rig).resume('acme', 'up-x')).state, 'running');
  });

  it('accepts a refused pause only if the endpoint is already paused', async () => {
    let state = 'paused';
    await using rig = await serve(({ method }) =>
      method === 'POST' ? { status: 400, body: { error: 'Bad state' } } : { body: endpointBody('up-x', state) },
    );
    assert.equal((await client(rig).pause('acme', 'up-x')).state, 'paused');
    state = 'failed';
    assert.equal((await refusal(client(rig).pause('acme', 'up-x'))).code, 'invalid');
  });

  it('accepts that the endpoint to delete no longer exists', async () => {
    await using rig = await serve((_, count) =>
      count === 1 ? { status: 200, body: '' } : { status: 404, body: 'gone' },
    );
    await client(rig).delete('acme', 'up-x');
    await client(rig).delete('acme', 'up-x');
    assert.deepEqual(
      rig.seen.map(({ method }) => method),
      ['DELETE', 'DELETE'],
    );
  });

  it('sends the create body and changes unchanged', async () => {
    await using rig = await serve(() => ({ body: endpointBody('up-x', 'pending') }));
    await client(rig).create('acme', SPEC);
    await client(rig).update('acme', 'up-x', { compute: { scaling: { maxReplica: 2 } } });
    assert.deepEqual(
      rig.seen.map(({ method, path, body }) => ({ method, path, body })),
      [
        { method: 'POST', path: '/v2/endpoint/acme', body: structuredClone(SPEC) },
        { method: 'PUT', path: '/v2/endpoint/acme/up-x', body: { compute: { scaling: { maxReplica: 2 } } } },
      ],
    );
  });
});

describe('a refusal of the management API', () => {
  const rows: [number, unknown, string, RegExp][] = [
    [400, { error: 'VALIDATION_FAILED: model.image.vLLM: missing field `url`' }, 'invalid', /policy/],
    [401, { error: 'Invalid credentials' }, 'unauthorized', /inference\.endpoints\.write/],
    [402, 'Payment Required', 'unauthorized', /payment method/],
    [403, { error: 'Payment method required for namespace' }, 'unauthorized', /payment method/],
    [403, { error: 'missing permissions: inference.endpoints.write' }, 'unauthorized', /inference\.endpoints\.write/],
    [403, { error: 'Quota exceeded for nvidia-l4' }, 'conflict', /quota/],
    [404, { error: 'namespace not found' }, 'not_found', /namespace/],
    [409, { error: 'name taken' }, 'conflict', /endpoints/],
    [429, 'slow down', 'unavailable', /again/],
    [500, '<html>oops</html>', 'unavailable', /again/],
    [302, '', 'invalid', /policy/],
    [200, '<html>a login page</html>', 'unavailable', /UPSHIFT_ENDPOINTS_URL/],
    [200, { items: [] }, 'unavailable', /UPSHIFT_ENDPOINTS_URL/],
  ];
  for (const [status, body, code, hint] of rows) {
    it(`${status} ${JSON.stringify(body)} is ${code} with a hint`, async () => {
      await using rig = await serve(() => ({ status, body }));
      const error = await refusal(client(rig).create('acme', SPEC));
      assert.equal(error.code, code, error.message);
      assert.match(error.hint ?? '', hint);
      if (status >= 400) assert.match(error.message, new RegExp(`${status}`));
    });
  }

  it('never repeats a token', async () => {
    await using rig = await serve(({ authorization, body }) => ({
      status: 400,
      body: { error: `you sent ${authorization} and ${JSON.stringify(body)}` },
    }));
    const spec = endpointSpec({ name: 'up-x', ...pinned(), model: 'acme/model', token: TOKEN });
    const error = await refusal(client(rig).create('acme', spec));
    assert.match(error.message, /you sent/);
    assert.ok(!`${error.message} ${error.hint} ${error.stack}`.includes(TOKEN));
  });

  it('is unauthorized, and sends nothing, without a token', async () => {
    await using rig = await serve(() => ({ body: {} }));
    const none = createEndpointsClient({ baseUrl: rig.url, token: null });
    assert.equal((await refusal(none.get('acme', 'up-x'))).code, 'unauthorized');
    assert.equal(rig.seen.length, 0);
  });

  it('is `unavailable` if nothing listens, and `timeout` if nothing answers', async () => {
    const rig = await serve(() => 'silent');
    assert.equal((await refusal(client(rig, 50).get('acme', 'up-x'))).code, 'timeout');
    await rig[Symbol.asyncDispose]();
    const error = await refusal(client(rig).get('acme', 'up-x'));
    assert.equal(error.code, 'unavailable');
    assert.match(error.message, /ECONNREFUSED/);
  });

  it('rejects with the reason of the signal of the caller', async () => {
    await using rig = await serve(() => 'silent');
    const controller = new AbortController();
    const waiting = client(rig).get('acme', 'up-x', controller.signal);
    const reason = new Error('closing');
    controller.abort(reason);
    await assert.rejects(waiting, reason);
  });
});

describe('a quote', () => {
  const compute = (more: object = {}) => ({
    instanceType: 'nvidia-l4',
    instanceSize: 'x1',
    numAccelerators: 1,
    status: 'available',
    pricePerHour: 0.8,
    quota: { maxAccelerators: 4, usedAccelerators: 1 },
    ...more,
  });
  const ask = async (more: object, wanted: object = {}, place: object = {}) => {
    const regions = [{ name: 'us-east-1', status: 'available', computes: [compute(more)], ...place }];
    await using rig = await serve(() => ({ body: { vendors: [{ name: 'aws', status: 'available', regions }] } }));
    const quote = await client(rig).quote('acme', { ...NAMES, ...wanted });
    assert.equal(rig.seen[0]?.path, '/v2/provider/acme');
    return quote;
  };

  it('has the price in micro-dollars, the status and the remaining quota', async () => {
    assert.deepEqual(await ask({}), {
      pricePerHourMicros: 800_000,
      status: 'available',
      quotaLeft: 3,
      numAccelerators: 1,
      isDeployable: true,
      why: null,
    });
  });

  const rows: [string, object, object, object, boolean, RegExp][] = [
    ['few machines left', { status: 'low_availability' }, {}, {}, true, /^null$/],
    ['no machine left', { status: 'not_available' }, {}, {}, false, /x1 is not available/],
    ['a deprecated instance', { status: 'deprecated' }, {}, {}, false, /deprecated/],
    ['a region that is closed', {}, {}, { status: 'not_available' }, false, /us-east-1 is not available/],
    ['no quota at all', { quota: { maxAccelerators: 0, usedAccelerators: 0 } }, {}, {}, false, /0 of 0/],
    ['less quota than accelerators', { numAccelerators: 4 }, {}, {}, false, /needs 4/],
    ['less quota than replicas', {}, { minReplica: 4 }, {}, false, /needs 4/],
    ['a quota that is not told', { quota: undefined }, {}, {}, true, /^null$/],
    ['a vendor that is not there', {}, { vendor: 'ibm' }, {}, false, /no vendor ibm; there are: aws/],
    ['a region that is not there', {}, { region: 'mars' }, {}, false, /no region mars; there are: us-east-1/],
    ['a size that is not there', {}, { instanceSize: 'x9' }, {}, false, /no nvidia-l4 x9; there are: nvidia-l4 x1/],
  ];
  for (const [title, more, wanted, place, isDeployable, why] of rows) {
    it(`states whether the instance is available: ${title}`, async () => {
      const quote = await ask(more, wanted, place);
      assert.equal(quote.isDeployable, isDeployable);
      assert.match(String(quote.why), why);
    });
  }
});

describe('the name of an endpoint', () => {
  it('is valid and deterministic and holds the whole rollout id, for any model', () => {
    const ids = fc.stringMatching(/^[a-z0-9]{8}$/);
    const models = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[\w.-]{1,40}\/[\w.-]{1,80}$/));
    fc.assert(
      fc.property(models, ids, (model, id) => {
        const name = endpointName(model, id);
        assert.match(name, /^up-[a-z0-9-]+$/);
        assert.ok(name.length <= 32);
        assert.ok(name.endsWith(`-${id}`));
        assert.ok(!name.includes('--'));
        assert.equal(endpointName(model, id), name);
      }),
    );
  });

  it('is readable', () => {
    assert.equal(endpointName('meta-llama/Llama-3.1-8B-Instruct', 'a1b2c3d4'), 'up-llama-3-1-8b-instruc-a1b2c3d4');
  });
});

describe('the create body', () => {
  it('creates an authenticated vLLM that serves the repository under its own name', () => {
    assert.deepEqual(SPEC, {
      name: 'up-model-a1b2c3d4',
      type: 'authenticated',
      provider: { vendor: 'aws', region: 'us-east-1' },
      compute: {
        accelerator: 'gpu',
        instanceType: 'nvidia-l4',
        instanceSize: 'x1',
        scaling: { minReplica: 1, maxReplica: 1, scaleToZeroTimeout: null },
      },
      model: {
        repository: 'acme/model',
        revision: null,
        framework: 'pytorch',
        image: { vLLM: { url: 'vllm/vllm-openai:v0.23.0', port: 8000, healthRoute: '/health' } },
        args: ['--served-model-name', 'acme/model'],
        env: {},
        secrets: {},
      },
      tags: ['managed-by:upshift'],
    });
  });

  const wish = { name: 'up-x', model: 'acme/model' };

  it('keeps a served name and a parallelism that the policy sets itself', () => {
    const args = ['--served-model-name=mine', '--tensor-parallel-size', '2'];
    const { model } = endpointSpec({ ...wish, ...pinned({ args }, 4) });
    assert.deepEqual(model.args, args);
    assert.equal(model.image['vLLM']?.['tensorParallelSize'], undefined);
  });

  it('shares the model among several accelerators', () => {
    const { model } = endpointSpec({ ...wish, ...pinned({}, 4) });
    assert.equal(model.image['vLLM']?.['tensorParallelSize'], 4);
  });

  it('gives vLLM the longest context that fits, unless the policy sets one', () => {
    const short = { maxContext: 40_960 };
    const { model } = endpointSpec({ ...wish, ...pinned({}, 1, short) });
    assert.deepEqual(model.args, ['--served-model-name', 'acme/model', '--max-model-len', '40960']);
    const spec = endpointSpec({ ...wish, ...pinned({ args: ['--max-model-len=8192'] }, 1, short) });
    assert.deepEqual(spec.model.args, ['--served-model-name', 'acme/model', '--max-model-len=8192']);
  });

  it('serves the base of an adapter and tells vLLM of the adapter, unless the policy does', () => {
    const adapter = { base: 'acme/base', rank: 16 };
    const { model } = endpointSpec({ ...wish, ...pinned({}, 1, { adapter }) });
    assert.equal(model.repository, 'acme/base');
    const told = ['--enable-lora', '--lora-modules', 'acme/model=acme/model', '--max-lora-rank', '16'];
    assert.deepEqual(model.args, ['--served-model-name', 'acme/base', ...told]);
    const own = ['--enable-lora', '--lora-modules=acme/model=/repository/lora'];
    const spec = endpointSpec({ ...wish, ...pinned({ args: own }, 1, { adapter }) });
    assert.deepEqual(spec.model.args, ['--served-model-name', 'acme/base', ...own]);
  });

  it('gives llama.cpp its file, its context and the number of calls that share it', () => {
    const gguf = { path: 'model-Q4_K_M.gguf', context: 32_768, calls: 4 };
    const { model } = endpointSpec({ ...wish, ...pinned({ engine: 'llamacpp', image: 'llama:1' }, 1, { gguf }) });
    assert.deepEqual(model.image, {
      llamacpp: {
        url: 'llama:1',
        healthRoute: '/health',
        modelPath: 'model-Q4_K_M.gguf',
        ctxSize: 32_768,
        nParallel: 4,
        threadsHttp: 6,
      },
    });
  });

  it('scales on pending requests if it may scale', () => {
    const { compute } = endpointSpec({ ...wish, ...pinned({ minReplica: 1, maxReplica: 3 }) });
    assert.deepEqual(compute.scaling, {
      minReplica: 1,
      maxReplica: 3,
      scaleToZeroTimeout: null,
      measure: { pendingRequests: 1.5 },
    });
  });

  it('has a task and a token only if they are known', () => {
    const { model } = endpointSpec({ ...wish, ...pinned(), task: 'text-generation', token: TOKEN });
    assert.equal(model.task, 'text-generation');
    assert.deepEqual(model.secrets, { HF_TOKEN: TOKEN });
    assert.ok(!('task' in endpointSpec({ ...wish, ...pinned(), task: null, token: null }).model));
  });

  it('names the image after the engine', () => {
    const { model } = endpointSpec({ ...wish, ...pinned({ engine: 'tei', image: 'tei:1' }) });
    assert.deepEqual(model.image, { tei: { url: 'tei:1', healthRoute: '/health' } });
    assert.deepEqual(model.args, []);
    assert.equal(
      endpointSpec({ ...wish, ...pinned({ engine: 'llamacpp', image: 'llama:1' }) }).model.framework,
      'llamacpp',
    );
  });
});

describe('ensuring an endpoint', () => {
  /** A management API that holds one endpoint; `disturb` may replace the answer to a creation. */
  async function oneEndpoint(disturb: (made: object | null) => Answer | null, first: object | null = null) {
    const stored: { endpoint: object | null; creations: number } = { endpoint: first, creations: 0 };
    const rig = await serve(({ method, body }: Seen) => {
      if (method === 'GET') {
        return stored.endpoint === null ? { status: 404, body: { error: 'none' } } : { body: stored.endpoint };
      }
      stored.creations++;
      const taken = stored.endpoint;
      const made = endpointBody((body as { name: string }).name, 'pending');
      if (taken === null) stored.endpoint = made;
      return disturb(taken) ?? (taken === null ? { body: made } : { status: 409, body: { error: 'taken' } });
    });
    return { rig, stored };
  }

  it('creates one if there is none, and finds it again', async () => {
    const { rig, stored } = await oneEndpoint(() => null);
    await using _ = rig;
    for (let i = 0; i < 3; i++) assert.equal((await ensureEndpoint(client(rig), 'acme', SPEC)).state, 'pending');
    assert.equal(stored.creations, 1);
  });

  it('adopts the endpoint that it created if the answer was lost', async () => {
    const { rig, stored } = await oneEndpoint(() => 'cut');
    await using _ = rig;
    assert.equal((await ensureEndpoint(client(rig), 'acme', SPEC)).name, SPEC.name);
    assert.equal(stored.creations, 1);
  });

  it('adopts the endpoint that it created if the answer was late or an error', async () => {
    for (const spoilt of ['silent', { status: 500, body: 'oops' }] as const) {
      const { rig, stored } = await oneEndpoint(() => spoilt);
      await using _ = rig;
      assert.equal((await ensureEndpoint(client(rig, 200), 'acme', SPEC)).name, SPEC.name);
      assert.equal(stored.creations, 1);
    }
  });

  it('adopts the endpoint that another upshift process created in between', async () => {
    let looks = 0;
    await using rig = await serve(({ method }) => {
      if (method === 'POST') return { status: 409, body: { error: 'taken' } };
      return looks++ === 0 ? { status: 404, body: {} } : { body: endpointBody(SPEC.name, 'initializing') };
    });
    assert.equal((await ensureEndpoint(client(rig), 'acme', SPEC)).state, 'initializing');
  });

  it('refuses an endpoint of the same name that upshift did not create', async () => {
    const { rig, stored } = await oneEndpoint(() => null, endpointBody(SPEC.name, 'running', {}, { tags: ['theirs'] }));
    await using _ = rig;
    assert.equal((await refusal(ensureEndpoint(client(rig), 'acme', SPEC))).code, 'conflict');
    assert.equal(stored.creations, 0);
  });

  it('rejects with the refusal of the API', async () => {
    await using rig = await serve(({ method }) =>
      method === 'GET' ? { status: 404, body: {} } : { status: 403, body: { error: 'Quota exceeded' } },
    );
    const error = await refusal(ensureEndpoint(client(rig), 'acme', SPEC));
    assert.match(error.message, /Quota exceeded/);
  });
});
