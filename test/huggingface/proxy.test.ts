import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { readProxies } from '../../src/core/wire/proxy.ts';
import { createHubClient } from '../../src/huggingface/hub/hub.ts';
import { createEndpointsClient } from '../../src/huggingface/management/endpoints.ts';
import { checkHealth } from '../../src/huggingface/probe/probe.ts';
import { listProviders } from '../../src/huggingface/providers.ts';
import { useProxies } from '../../src/huggingface/proxy.ts';
import { OUTSIDE, startProxy } from '../support/proxy.ts';

test('every request to another host takes the proxy, and none to this machine', async (t) => {
  const hosts: (string | undefined)[] = [];
  const server = createServer((req, res) => {
    hosts.push(req.headers.host);
    const isAccount = req.url?.includes('whoami') === true;
    const body = isAccount
      ? { type: 'user', id: 'u', name: 'acme', fullname: '', orgs: [], auth: { type: 'x' } }
      : { items: [], data: [] };
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  await using proxy = await startProxy(port);
  useProxies(readProxies({ HTTP_PROXY: proxy.url }));

  const requests: Record<string, (url: string) => Promise<unknown>> = {
    hub: (url) => createHubClient({ hubUrl: url, token: 'hf_token' }).whoAmI(),
    management: (url) => createEndpointsClient({ baseUrl: url, token: 'hf_token' }).list('acme'),
    router: (url) => listProviders(url, 'hf_token'),
    probe: (url) => checkHealth(url, 'hf_token', '/health'),
  };
  for (const [name, request] of Object.entries(requests)) {
    await request(`http://127.0.0.1:${port}`);
    assert.deepEqual([hosts.splice(0), proxy.asked], [[`127.0.0.1:${port}`], []], name);
  }
  // Only the proxy leads there, and a tunnel is used again.
  for (const [name, request] of Object.entries(requests)) {
    await request(OUTSIDE);
    assert.deepEqual(hosts.splice(0), [new URL(OUTSIDE).host], name);
  }
  assert.deepEqual([...new Set(proxy.asked)], [new URL(OUTSIDE).host]);
});
