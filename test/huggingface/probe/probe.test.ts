import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import { engineShapes } from '../../../src/core/sizing/engine-shapes.ts';
import { probeShape } from '../../../src/huggingface/probe/probe-shape.ts';
import { checkHealth, readServedModel } from '../../../src/huggingface/probe/probe.ts';
import { warmUp } from '../../../src/huggingface/probe/warm.ts';
import { events, serve } from '../rig.ts';
import type { Answer, Seen } from '../rig.ts';

const TOKEN = 'hf_secretsecret123';
/** Names that engines have for a model, among them paths and what looks like a URL. */
const SERVED_NAMES = [
  'served',
  'acme/model',
  '/repository',
  '/repository/a/Q4_K_M.gguf',
  'https://model',
  'ä "quoted"',
];

const message = (content: unknown, more: object = {}, finish: string | null = 'stop') => ({
  choices: [{ index: 0, finish_reason: finish, message: { role: 'assistant', content, ...more } }],
});
const delta = (content: string, finish: string | null) => ({
  choices: [{ index: 0, delta: { content }, finish_reason: finish }],
});
const piece = (text: string, finish: string | null) => ({ choices: [{ index: 0, text, finish_reason: finish }] });
const call = (name: string, args: string) =>
  message(null, { tool_calls: [{ id: '1', type: 'function', function: { name, arguments: args } }] }, 'tool_calls');

/** An engine that answers every shape as vLLM does. */
function engine({ path, body }: Seen): Answer {
  const asked = body as Record<string, unknown>;
  if (path === '/v1/embeddings') return { body: { object: 'list', data: [{ index: 0, embedding: [0.1, -0.2] }] } };
  if (path === '/v1/completions') {
    return asked['stream'] === true
      ? events(piece(' three', null), piece('', 'length'))
      : { body: piece(' three', 'length') };
  }
  if (path !== '/v1/chat/completions') return { status: 404, body: { detail: 'Not Found' } };
  if (asked['stream'] === true) return events(delta('Hel', null), delta('lo', null), delta('', 'stop'));
  if ('tools' in asked) return { body: call('get_weather', '{"city":"Paris"}') };
  if ('response_format' in asked) return { body: message('{"answer": "yes"}') };
  return { body: message('Hello') };
}

describe('the health route', () => {
  for (const [status, ok] of [
    [200, true],
    [204, false],
    [401, false],
    [503, false],
    [302, false],
  ] as const) {
    it(`is ${ok ? '' : 'not '}ok at ${status}`, async () => {
      await using rig = await serve(() => ({ status, body: { error: 'missing permissions' } }));
      const said = ok || status === 204 ? '' : 'missing permissions';
      assert.deepEqual(await checkHealth(rig.url, TOKEN, '/health'), { ok, status, said });
      assert.equal(rig.seen[0]?.path, '/health');
      assert.equal(rig.seen[0]?.authorization, `Bearer ${TOKEN}`);
    });
  }

  it('is not ok if there is no answer, and rejects only with the reason of the signal of the caller', async () => {
    await using rig = await serve(() => 'cut');
    const cut = await checkHealth(rig.url, null, '/health');
    assert.deepEqual(cut, { ok: false, status: null, said: 'it closes the connection (UND_ERR_SOCKET)' });
    const nowhere = await checkHealth('http://nowhere.invalid', null, '/health');
    assert.match(nowhere.said, /^its name does not resolve \(E/);
    const reason = new Error('closing');
    await assert.rejects(checkHealth(rig.url, null, '/health', AbortSignal.abort(reason)), reason);
  });
});

describe('the served model', () => {
  const read = async (answer: Answer) => {
    await using rig = await serve(() => answer);
    return await readServedModel(rig.url, TOKEN, 'acme/model');
  };
  const models = (...ids: string[]) => ({ body: { object: 'list', data: ids.map((id) => ({ id })) } });
  const named = (name: string) => ({ name, contextTokens: null });

  it('is the wanted one if it is listed, otherwise the first', async () => {
    assert.deepEqual(await read(models('other', 'acme/model')), named('acme/model'));
    assert.deepEqual(await read(models('/repository', 'other')), named('/repository'));
  });

  it('is the wanted one on engines that list none', async () => {
    assert.deepEqual(await read({ status: 404, body: '' }), named('acme/model'));
  });

  it('comes with its context, where the engine states one', async () => {
    const context = async (max_model_len: unknown) =>
      (
        await read({
          body: {
            data: [
              { id: 'other', max_model_len: 1 },
              { id: 'acme/model', max_model_len },
            ],
          },
        })
      ).contextTokens;
    assert.equal(await context(8192), 8192);
    for (const other of [undefined, null, 0, -1, 8192.5, '8192']) assert.equal(await context(other), null);
  });

  it('is not known while the engine starts, or if it refuses the token', async () => {
    await assert.rejects(read({ status: 503, body: { error: 'loading' } }), { code: 'unavailable' });
    await assert.rejects(read({ body: { data: [] } }), { code: 'unavailable' });
    await assert.rejects(read('cut'), { code: 'unavailable' });
    await assert.rejects(read({ status: 403, body: { error: 'missing permissions' } }), (error) => {
      assert.ok(error instanceof AppError && error.code === 'unauthorized');
      assert.match(error.hint ?? '', /inference\.endpoints\.infer\.write/);
      return true;
    });
  });
});

describe('a probe', () => {
  for (const name of SERVED_NAMES) {
    it(`of ${name} is ok for every shape that an engine answers correctly, with few tokens`, async () => {
      await using rig = await serve(engine);
      for (const shape of engineShapes('vLLM')) {
        const result = await probeShape(rig.url, TOKEN, name, shape);
        assert.deepEqual({ ...result, latencyMs: 0 }, { ok: true, status: 200, error: null, latencyMs: 0 }, shape);
        assert.ok(result.latencyMs > 0);
      }
      assert.equal(rig.seen.length, engineShapes('vLLM').length);
      for (const { path, body, authorization } of rig.seen) {
        const asked = body as { model: string; max_tokens?: number };
        assert.equal(asked.model, name);
        assert.equal(authorization, `Bearer ${TOKEN}`);
        if (path !== '/v1/embeddings') assert.ok((asked.max_tokens ?? 1_000) <= 64);
      }
    });
  }

  const wrong: [string, string, Answer, RegExp][] = [
    ['chat', 'no choices', { body: {} }, /no choices/],
    ['chat', 'an empty message', { body: message('') }, /empty/],
    ['chat', 'no finish', { body: message('Hello', {}, null) }, /finished/],
    ['chat', 'text', { body: 'Hello' }, /no choices/],
    [
      'chat',
      'a wrong model',
      { status: 404, body: { error: { message: 'The model `x` does not exist.' } } },
      /not exist/,
    ],
    ['chat+stream', 'no stream', { body: message('Hello') }, /event stream/],
    ['chat+stream', 'an empty stream', events(), /empty/],
    ['chat+stream', 'no finish', events(delta('Hello', null)), /finished/],
    ['chat+stream', 'an error within', events(delta('Hel', null), { error: { message: 'out of memory' } }), /memory/],
    [
      'chat+tools',
      'no parser',
      { status: 400, body: { error: { message: 'auto tool choice requires' } } },
      /auto tool/,
    ],
    ['chat+tools', 'a call as text', { body: message('{"name": "get_weather"}') }, /parser/],
    ['chat+tools', 'arguments cut off', { body: call('get_weather', '{"city":') }, /arguments/],
    ['chat+structured', 'prose', { body: message('Yes, it is.') }, /schema/],
    ['chat+structured', 'another object', { body: message('{"answer": "maybe"}') }, /schema/],
    ['completion', 'no choices', { body: {} }, /choices/],
    ['completion', 'no text', { body: piece('', 'stop') }, /empty/],
    ['completion+stream', 'no finish', events(piece('three', null)), /finished/],
    ['embedding', 'no vector', { body: { data: [] } }, /no vector/],
    ['embedding', 'a vector of words', { body: { data: [{ embedding: ['a'] }] } }, /numbers/],
    [
      'embedding',
      'a refusal',
      { status: 400, body: { error: { message: 'no embeddings here' } } },
      /no embeddings here/,
    ],
    ['response', 'anything', { body: {} }, /no probe/],
  ];
  for (const [shape, title, answer, error] of wrong) {
    it(`of ${shape} is not ok for ${title}`, async () => {
      await using rig = await serve(() => answer);
      const result = await probeShape(rig.url, TOKEN, 'served', shape);
      assert.equal(result.ok, false);
      assert.match(result.error ?? '', error);
    });
  }

  it('accepts reasoning as an answer', async () => {
    await using rig = await serve(() => ({ body: message(null, { reasoning_content: 'Hm' }, 'length') }));
    assert.equal((await probeShape(rig.url, TOKEN, 'served', 'chat')).ok, true);
  });

  it('calls only once if the answer is 503 or missing', async () => {
    for (const [answer, status] of [
      [{ status: 503, body: { error: 'loading' } }, 503],
      ['cut', null],
    ] as const) {
      await using rig = await serve(() => answer);
      const result = await probeShape(rig.url, TOKEN, 'served', 'chat');
      assert.deepEqual([result.ok, result.status, rig.seen.length], [false, status, 1]);
    }
  });

  it('rejects with the reason of the signal of the caller', async () => {
    await using rig = await serve(() => 'silent');
    const controller = new AbortController();
    const waiting = probeShape(rig.url, TOKEN, 'served', 'chat', controller.signal);
    const reason = new Error('closing');
    controller.abort(reason);
    await assert.rejects(waiting, reason);
  });

  it('never repeats the token', async () => {
    await using rig = await serve(({ authorization }) => ({ status: 401, body: { error: `bad ${authorization}` } }));
    const { error } = await probeShape(rig.url, TOKEN, 'served', 'chat');
    assert.match(error ?? '', /bad/);
    assert.ok(!error?.includes(TOKEN));
  });
});

describe('warming up', () => {
  const warm = async (
    shapes: readonly string[],
    answer: (seen: Seen, count: number) => Answer,
    name: 'vLLM' | 'tei',
  ) => {
    await using rig = await serve(answer);
    const wish = { url: rig.url, token: TOKEN, model: 'acme/model', servedModel: 'served', shapes, engine: name };
    return { ...(await warmUp(wish)), asked: rig.seen.length };
  };

  it('probes the shapes that cover the traffic, kinds before features', async () => {
    const { shown, failed, calls } = await warm(['chat+stream+tools', 'embedding'], engine, 'vLLM');
    assert.deepEqual(shown, ['chat', 'chat+stream', 'chat+tools', 'embedding']);
    assert.deepEqual(failed, []);
    assert.equal(calls, 4);
  });

  it('makes three successful calls, whatever shapes the traffic has', async () => {
    for (const shapes of [['chat'], []]) {
      const { shown, calls, asked } = await warm(shapes, engine, 'vLLM');
      assert.deepEqual([shown, calls, asked], [['chat'], 3, 3]);
    }
  });

  it('lists the shapes that fail, and shows the others', async () => {
    const refusing = (seen: Seen): Answer =>
      'tools' in (seen.body as object) ? { status: 400, body: { error: { message: 'no parser' } } } : engine(seen);
    const { shown, failed } = await warm(['chat+tools', 'chat+media', 'response'], refusing, 'vLLM');
    assert.deepEqual(shown, ['chat']);
    assert.deepEqual(
      failed.map(({ shape }) => shape),
      ['chat+media', 'response', 'chat+tools'],
    );
    assert.match(failed.at(-1)?.why ?? '', /no parser/);
  });

  it('shows no shape of a kind that is refused', async () => {
    const refusing: Answer = { status: 404, body: { error: { message: 'The model does not exist.' } } };
    const { shown, failed, calls } = await warm(['chat+stream'], () => refusing, 'vLLM');
    assert.deepEqual([shown, calls], [[], 0]);
    assert.match(failed[1]?.why ?? '', /chat by itself failed/);
  });

  it('probes only embeddings on TEI', async () => {
    const { shown, failed } = await warm(['chat', 'embedding'], engine, 'tei');
    assert.deepEqual(shown, ['embedding']);
    assert.deepEqual(
      failed.map(({ shape }) => shape),
      ['chat'],
    );
  });

  it('is `unavailable` while the engine starts, and tolerates one failed call', async () => {
    const loading: Answer = { status: 503, body: { error: 'loading' } };
    await assert.rejects(
      warm(['chat'], () => loading, 'vLLM'),
      { code: 'unavailable' },
    );
    const { shown, calls } = await warm(['chat'], (seen, count) => (count === 1 ? loading : engine(seen)), 'vLLM');
    assert.deepEqual([shown, calls], [['chat'], 3]);
  });

  const notThere: readonly (readonly [string, Answer, string])[] = [
    [
      'is paused',
      { status: 400, body: { error: 'Bad Request: The endpoint is paused, ask a maintainer' } },
      'unavailable',
    ],
    ['was paused, as in 2024', { status: 400, body: { error: 'Bad Request: Invalid state' } }, 'unavailable'],
    ['is scaled to zero', { status: 503, body: { error: '503 Service Unavailable' } }, 'unavailable'],
    [
      'refuses the token',
      { status: 403, body: { error: 'missing permissions: inference.endpoints.infer.write' } },
      'unauthorized',
    ],
    ['does not know the token', { status: 401, body: { error: '401 Unauthorized' } }, 'unauthorized'],
  ];
  for (const [title, answer, code] of notThere) {
    it(`is \`${code}\` and shows nothing about a shape if the endpoint ${title}`, async () => {
      await assert.rejects(
        warm(['chat+stream'], () => answer, 'vLLM'),
        { code },
      );
    });
  }

  it('does not succeed if the engine stops answering meanwhile', async () => {
    const dying = (seen: Seen, count: number): Answer => (count > 1 ? 'cut' : engine(seen));
    await assert.rejects(warm(['chat'], dying, 'vLLM'), { code: 'unavailable' });
  });
});
