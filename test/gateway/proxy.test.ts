import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProxies } from '../../src/core/wire/proxy.ts';
import { OUTSIDE, startProxy } from '../support/proxy.ts';
import { MODEL, ask, chat, chatAnswer, json, startRig, startUpstream } from './rig.ts';

const portOf = (url: string) => Number(new URL(url).port);

test('a call reaches an upstream of another host in a tunnel of the proxy, and one on this machine without it', async () => {
  await using router = await startUpstream((res, { headers }) => json(res, 200, { tags: headers['x-tag'] }));
  await using endpoint = await startUpstream((res) => json(res, 200, chatAnswer(MODEL)));
  await using proxy = await startProxy(portOf(router.url));
  const proxies = readProxies({ HTTP_PROXY: proxy.url.replace('//', '//user:pass@') });
  await using rig = await startRig({ router: `${OUTSIDE}/base`, endpoint: endpoint.url, proxies });
  const headers = { authorization: 'Bearer hf_client', 'X-Tag': ['1', '2'] as unknown as string };
  const answer = await ask(rig.url, { path: '/v1/responses', body: chat(), headers });
  assert.equal(answer.status, 200);
  assert.equal(answer.body, '{"tags":"1, 2"}');
  const [received] = router.received;
  assert.equal(received?.path, '/base/v1/responses');
  assert.equal(received?.headers.host, new URL(OUTSIDE).host);
  assert.equal(received?.headers.authorization, 'Bearer hf_client');
  assert.equal(received?.headers['proxy-authorization'], undefined);
  assert.deepEqual(proxy.asked, [`${new URL(OUTSIDE).host} Basic ${Buffer.from('user:pass').toString('base64')}`]);
  assert.equal((await ask(rig.url, { body: chat() })).headers['x-upshift-upstream'], 'dedicated');
  assert.equal(proxy.asked.length, 1);
});

test('a proxy that refuses, or that is away, is a connection that failed', async () => {
  for (const status of [403, 407, 502]) {
    await using proxy = await startProxy(9, status);
    await using rig = await startRig({ router: OUTSIDE, proxies: readProxies({ HTTP_PROXY: proxy.url }) });
    assert.equal((await ask(rig.url, { body: chat() })).status, 502);
    assert.equal(rig.calls[0]?.outcome, 'connect_failed');
  }
  await using rig = await startRig({ router: OUTSIDE, proxies: readProxies({ HTTP_PROXY: 'http://127.0.0.1:1025' }) });
  assert.equal((await ask(rig.url, { body: chat() })).status, 502);
  assert.equal(rig.calls[0]?.outcome, 'connect_failed');
});
