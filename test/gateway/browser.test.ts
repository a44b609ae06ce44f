import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GATEWAY_DEFAULTS } from '../../src/core/policy/gateway.ts';
import { ask, chat, json, startRig, startUpstream } from './rig.ts';

const PAGE = 'http://localhost:5173';
const PREFLIGHT = {
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization,content-type,x-agent-id',
};
const named = (...origins: string[]) => ({ settings: () => ({ ...GATEWAY_DEFAULTS, origins }) });

test('the gateway itself answers the preflight of a page that may call, and leaves no row', async () => {
  await using router = await startUpstream((res) => json(res, 500, {}));
  await using rig = await startRig({ router: router.url, ...named('app://obsidian.md') });
  for (const origin of [PAGE, 'app://obsidian.md']) {
    for (const path of ['/v1/chat/completions', '/models/acme/tiny', '/upshift/outcomes', '/nowhere']) {
      const { status, headers, body } = await ask(rig.url, {
        method: 'OPTIONS',
        path,
        headers: { origin, ...PREFLIGHT },
      });
      assert.equal(status, 204);
      assert.equal(body, '');
      assert.equal(headers['access-control-allow-origin'], origin);
      assert.equal(headers['access-control-allow-headers'], PREFLIGHT['access-control-request-headers']);
      assert.match(headers['access-control-allow-methods'] ?? '', /\bPOST\b/);
      assert.equal(headers['access-control-allow-private-network'], undefined);
      assert.match(headers.vary ?? '', /Origin/);
    }
  }
  const asked = { origin: PAGE, ...PREFLIGHT, 'access-control-request-private-network': 'true' };
  const answer = await ask(rig.url, { method: 'OPTIONS', headers: asked });
  assert.equal(answer.headers['access-control-allow-private-network'], 'true');
  assert.equal(router.received.length + rig.calls.length, 0);
});

test('a page that may not call gets no permission, whatever it asks, and the error says how to allow it', async () => {
  await using router = await startUpstream((res) => json(res, 200, {}, { 'access-control-allow-origin': '*' }));
  await using rig = await startRig({ router: router.url, ...named('app://obsidian.md') });
  for (const origin of ['https://evil.example', 'app://obsidian.md.evil', 'null', 'file://']) {
    const call = { body: chat(), headers: { origin } };
    for (const one of [call, { method: 'OPTIONS', headers: { origin, ...PREFLIGHT } }]) {
      const answer = await ask(rig.url, one);
      assert.equal(answer.status, 403);
      assert.equal(answer.headers['x-upshift-error'], 'foreign_origin');
      assert.deepEqual(
        Object.keys(answer.headers).filter((name) => name.startsWith('access-control')),
        [],
      );
      assert.match(answer.body, /gateway\.origins/);
      assert.ok(answer.body.includes(origin));
    }
  }
  assert.equal(router.received.length, 0);
});

test('answers to a page say once that it may read them, whatever the upstream says', async () => {
  const cors = { 'access-control-allow-origin': 'https://huggingface.co', 'access-control-expose-headers': 'x-other' };
  await using router = await startUpstream((res, { path }) => json(res, path.includes('chat') ? 200 : 429, {}, cors));
  await using rig = await startRig({ router: router.url });
  for (const [path, status] of [
    ['/v1/chat/completions', 200],
    ['/v1/completions', 429],
    ['/nowhere', 404],
  ] as const) {
    const answer = await ask(rig.url, { path, body: chat(), headers: { origin: PAGE } });
    assert.equal(answer.status, status);
    assert.equal(answer.headers['access-control-allow-origin'], PAGE);
    for (const name of ['x-upshift-upstream', 'x-upshift-error', 'x-upshift-attempts']) {
      assert.ok(answer.headers['access-control-expose-headers']?.includes(name), name);
    }
  }
  const { headers } = await ask(rig.url, { body: chat() });
  assert.deepEqual(
    Object.keys(headers).filter((name) => name.startsWith('access-control')),
    [],
  );
});

test('a changed setting holds for the next call', async () => {
  await using router = await startUpstream((res) => json(res, 200, {}));
  let settings = GATEWAY_DEFAULTS;
  await using rig = await startRig({ router: router.url, settings: () => settings });
  const call = { body: chat(), headers: { origin: 'tauri://localhost' } };
  assert.equal((await ask(rig.url, call)).status, 403);
  settings = { ...settings, origins: ['tauri://localhost'] };
  assert.equal((await ask(rig.url, call)).status, 200);
});
