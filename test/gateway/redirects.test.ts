import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GATEWAY_DEFAULTS } from '../../src/core/policy/gateway.ts';
import { ask, chat, json, startRig, startUpstream } from './rig.ts';
import type { Behaviour } from './rig.ts';

const TOKEN = { authorization: 'Bearer hf_client' };

/** Redirects `/hops/n` to `/hops/n-1`, by a location of the form that the query names. */
const hopping: Behaviour = (res, { path, headers, method, body }) => {
  const { pathname, searchParams } = new URL(path, 'http://x');
  const left = Number(pathname.split('/').at(-1));
  const form = searchParams.get('form') ?? 'relative';
  const next = `/base/fal-ai/hops/${left - 1}?form=${form}`;
  const locations: Record<string, string> = {
    relative: `${left - 1}?form=${form}`,
    rooted: next,
    absolute: `http://${headers.host}${next}`,
  };
  if (left === 0) return json(res, 200, { method, body, token: headers.authorization });
  res.writeHead(left % 2 === 0 ? 307 : 308, { location: locations[form] ?? form });
  res.end('moved');
};

test('a redirect to the upstream’s own host is followed, with method, body and token, three times at most', async () => {
  await using router = await startUpstream(hopping);
  await using rig = await startRig({ router: `${router.url}/base` });
  for (const method of ['POST', 'GET', 'PUT']) {
    for (const form of ['relative', 'rooted', 'absolute']) {
      for (const hops of [1, 2, 3]) {
        const call = { method, path: `/fal-ai/hops/${hops}?form=${form}`, headers: TOKEN };
        const body = method === 'GET' ? '' : chat();
        const answer = await ask(rig.url, { ...call, ...(body !== '' && { body }) });
        assert.equal(answer.status, 200, `${form} ${hops}`);
        assert.deepEqual(JSON.parse(answer.body), { method, body, token: TOKEN.authorization });
        assert.equal(answer.headers.location, undefined);
        assert.equal(rig.calls.at(-1)?.attempts.length, 1);
        assert.equal(rig.calls.at(-1)?.status, 200);
      }
      const beyond = await ask(rig.url, { method, path: `/fal-ai/hops/4?form=${form}`, headers: TOKEN });
      assert.equal(beyond.status, 308);
      assert.equal(beyond.body, 'moved');
    }
  }
});

test('a redirect to another host, port or scheme is the answer, and nothing is sent there', async () => {
  await using other = await startUpstream((res) => json(res, 200, {}));
  const wrong = ['https://127.0.0.1/x', 'http://127.0.0.1@evil.example/', '//evil.example/x', 'http://', 'data:x'];
  for (const location of [`${other.url}/x`, ...wrong]) {
    await using router = await startUpstream((res) => void res.writeHead(307, { location }).end());
    await using rig = await startRig({ router: router.url });
    const answer = await ask(rig.url, { body: chat(), headers: TOKEN });
    assert.equal(answer.status, 307);
    assert.equal(answer.headers.location, location);
    assert.equal(router.received.length, 1);
  }
  assert.equal(other.received.length, 0);
});

test('a redirect that may change the method, or of a body that was not kept, is the answer', async () => {
  for (const status of [301, 302, 303]) {
    await using router = await startUpstream((res) => void res.writeHead(status, { location: '/v1/models' }).end());
    await using rig = await startRig({ router: router.url });
    assert.equal((await ask(rig.url, { body: chat() })).status, status);
    assert.equal(router.received.length, 1);
  }
  await using router = await startUpstream(hopping);
  const settings = () => ({ ...GATEWAY_DEFAULTS, maxBody: 1_000 });
  await using rig = await startRig({ router: router.url, settings });
  assert.equal((await ask(rig.url, { path: '/fal-ai/hops/1', body: 'x'.repeat(5_000) })).status, 308);
});

test('the connection of a redirect is used again', async () => {
  await using router = await startUpstream(hopping);
  await using rig = await startRig({ router: `${router.url}/base` });
  for (let n = 0; n < 5; n++) await ask(rig.url, { path: '/fal-ai/hops/2', body: chat() });
  assert.equal(router.received.length, 15);
  assert.ok(router.sockets.size <= 3, `${router.sockets.size} connections`);
});
