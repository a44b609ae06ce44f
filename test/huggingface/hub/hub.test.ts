import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import { createHubClient } from '../../../src/huggingface/hub/hub.ts';
import { serve } from '../rig.ts';
import type { Answer } from '../rig.ts';

const TOKEN = 'hf_secretsecret123';

const ME = {
  type: 'user',
  name: 'alice',
  canPay: true,
  orgs: [{ type: 'org', name: 'acme', canPay: false }],
  auth: { type: 'access_token' },
};
const CARD = {
  _id: '1',
  id: 'acme/model',
  private: false,
  gated: false,
  pipeline_tag: 'text-generation',
  downloads: 1,
  likes: 1,
  lastModified: '2026-01-01T00:00:00.000Z',
  safetensors: { parameters: { BF16: 8_000 }, total: 8_000 },
};

describe('the user of the token', () => {
  it('comes from the Hub', async () => {
    await using rig = await serve(() => ({ body: ME }));
    assert.deepEqual(await createHubClient({ hubUrl: rig.url, token: TOKEN }).whoAmI(), {
      name: 'alice',
      orgs: [{ name: 'acme', canPay: false }],
      canPay: true,
    });
    assert.equal(rig.seen[0]?.path, '/api/whoami-v2');
    assert.equal(rig.seen[0]?.authorization, `Bearer ${TOKEN}`);
  });

  const rows: [string, Answer, string | null, string, RegExp][] = [
    [
      'a refused token',
      { status: 401, body: { error: 'Invalid username or password.' } },
      TOKEN,
      'unauthorized',
      /401/,
    ],
    ['a token of another kind', { body: ME }, 'sk-123', 'unauthorized', /hf_/],
    ['no token', { body: ME }, null, 'unauthorized', /not set/],
    ['a Hub in trouble', { status: 503, body: 'down' }, TOKEN, 'unavailable', /503/],
    ['a Hub that limits us', { status: 429, body: 'slow down' }, TOKEN, 'unavailable', /429/],
    ['a Hub that hangs up', 'cut', TOKEN, 'unavailable', /cannot be reached/],
    ['a Hub that is silent', 'silent', TOKEN, 'timeout', /in time/],
    ['something else', { body: '<html></html>' }, TOKEN, 'unavailable', /cannot be read/],
    ['something else in JSON', { body: [] }, TOKEN, 'unavailable', /cannot be read/],
  ];
  for (const [title, answer, token, code, message] of rows) {
    it(`is ${code} for ${title}`, async () => {
      await using rig = await serve(() => answer);
      const hub = createHubClient({ hubUrl: rig.url, token, timeoutMs: answer === 'silent' ? 50 : 5_000 });
      await assert.rejects(hub.whoAmI(), (error) => {
        assert.ok(error instanceof AppError, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, message);
        assert.ok(error.hint !== undefined && !error.message.includes(TOKEN));
        return true;
      });
    });
  }

  it('rejects with the reason of the signal of the caller', async () => {
    await using rig = await serve(() => 'silent');
    const controller = new AbortController();
    const waiting = createHubClient({ hubUrl: rig.url, token: TOKEN }).whoAmI(controller.signal);
    const reason = new Error('closing');
    controller.abort(reason);
    await assert.rejects(waiting, reason);
  });
});

describe('a model', () => {
  const inspect = async (card: Answer, access: Answer = { body: {} }, token: string | null = TOKEN) => {
    await using rig = await serve(({ path }) => (path.endsWith('/auth-check') ? access : card));
    return await createHubClient({ hubUrl: rig.url, token }).inspectModel('acme/model');
  };
  const there = {
    exists: true,
    isGated: false,
    isPrivate: false,
    isGatedForUs: false,
    task: 'text-generation',
    parameters: 8_000,
  };
  const absent = { exists: false, isGated: false, isPrivate: false, isGatedForUs: false, task: null, parameters: null };

  it('exists with its task and size', async () => {
    assert.deepEqual(await inspect({ body: CARD }), there);
  });

  it('may lack a task and a size', async () => {
    const { pipeline_tag: _task, safetensors: _size, ...bare } = CARD;
    assert.deepEqual(await inspect({ body: bare }), { ...there, task: null, parameters: null });
  });

  it('is gated for the token if the Hub refuses the token its files', async () => {
    const gated: Answer = { body: { ...CARD, gated: 'manual' } };
    const refused: Answer = { status: 403, body: { error: 'not in the authorized list' } };
    assert.deepEqual(await inspect(gated), { ...there, isGated: true });
    assert.deepEqual(await inspect(gated, refused), { ...there, isGated: true, isGatedForUs: true });
    assert.deepEqual(await inspect(refused), { ...absent, exists: true, isGated: true, isGatedForUs: true });
  });

  it('does not exist if the Hub answers so', async () => {
    assert.deepEqual(await inspect({ status: 404, body: { error: 'Repository not found' } }), absent);
    assert.deepEqual(await inspect({ status: 401, body: { error: 'Repository not found' } }, {}, null), absent);
  });

  it('is not requested if its name is not valid', async () => {
    await using rig = await serve(() => ({ body: CARD }));
    const hub = createHubClient({ hubUrl: rig.url, token: TOKEN });
    for (const name of ['a/b/c', '../whoami-v2', 'a b', 'a/b?x=1', '']) {
      assert.equal((await hub.inspectModel(name)).exists, false, name);
    }
    assert.equal(rig.seen.length, 0);
  });

  it('is unknown, not absent, while the Hub or the token fails', async () => {
    const rows: [Answer, string][] = [
      [{ status: 500, body: 'oops' }, 'unavailable'],
      [{ status: 401, body: { error: 'Invalid credentials' } }, 'unauthorized'],
      ['cut', 'unavailable'],
    ];
    for (const [answer, code] of rows) {
      await assert.rejects(inspect(answer), (error) => error instanceof AppError && error.code === code);
    }
    const gated: Answer = { body: { ...CARD, gated: 'auto' } };
    await assert.rejects(inspect(gated, { status: 500, body: '' }), { code: 'unavailable' });
  });
});
