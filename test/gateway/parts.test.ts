import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { INFERENCE_PROVIDERS } from '@huggingface/inference';
import { Agents } from '../../src/gateway/request/agent.ts';
import { requestHeaders, responseHeaders } from '../../src/gateway/request/headers.ts';
import { LiveSet } from '../../src/gateway/live-set.ts';
import { serverlessAuthorization } from '../../src/core/wire/credentials.ts';
import { PROVIDERS, locate } from '../../src/core/wire/destination.ts';
import { Hashes } from '../../src/gateway/request/hashes.ts';
import { Repeats } from '../../src/gateway/request/repeats.ts';

test('knows the paths of OpenAI, the router and the Hub', () => {
  const table: [string, string, string, string, string | null][] = [
    ['POST', '/v1/chat/completions', 'chat', '/v1/chat/completions', null],
    ['POST', '/v1/completions?x=1', 'completion', '/v1/completions?x=1', null],
    ['POST', '/v1/embeddings', 'embedding', '/v1/embeddings', null],
    ['POST', '/v1/responses', 'response', '/v1/responses', null],
    ['POST', '/v1/messages', 'message', '/v1/messages', null],
    ['GET', '/v1/models', 'models', '/v1/models', null],
    ['GET', '/v1/models/acme/tiny', 'models', '/v1/models/acme/tiny', null],
    ['POST', '/models/acme/tiny', 'native', '/hf-inference/models/acme/tiny', 'acme/tiny'],
    ['POST', '/models/gpt2', 'native', '/hf-inference/models/gpt2', 'gpt2'],
    ['POST', '/models/gpt2/pipeline/x', 'native', '/hf-inference/models/gpt2/pipeline/x', 'gpt2'],
    ['POST', '/hf-inference/models/a/b/pipeline/x', 'native', '/hf-inference/models/a/b/pipeline/x', 'a/b'],
    ['POST', '/groq/openai/v1/chat/completions', 'native', '/groq/openai/v1/chat/completions', null],
    ['GET', '/fal-ai/queue?_subdomain=queue', 'native', '/fal-ai/queue?_subdomain=queue', null],
  ];
  for (const [method, url, kind, path, model] of table) {
    assert.deepEqual(locate(method, url), { kind, path, agent: null, model }, url);
    assert.deepEqual(locate(method, `/agents/a%20b${url}`), { kind, path, agent: 'a b', model }, url);
  }
});

test('serves no other path, and no path with two dots', () => {
  const urls = [
    '/',
    '/v1',
    '/v2/chat/completions',
    '/models',
    '/models/',
    '/unknown/x',
    '/groq',
    '/agents/a',
    '/agents//v1/models',
  ];
  const climbing = [
    '/groq/../api/whoami-v2',
    '/groq/%2e%2e/api',
    '/models/a/..',
    '/hf-inference/a\\..\\b',
    '/groq/.%2E/x',
  ];
  for (const url of [...urls, ...climbing, 'http://x/v1/models']) assert.equal(locate('POST', url), null, url);
  for (const method of ['GET', 'HEAD', 'OPTIONS']) assert.equal(locate(method, '/v1/chat/completions'), null);
});

test('knows the providers that the official client knows', () => {
  for (const provider of INFERENCE_PROVIDERS) assert.ok(PROVIDERS.has(provider), provider);
});

test('drops hop-by-hop headers, and the client’s credentials for an endpoint', () => {
  const raw = [
    'Host',
    'x',
    'Connection',
    'keep-alive, X-Hop',
    'X-Hop',
    '1',
    'Authorization',
    'Bearer c',
    'X-Agent-Id',
    'a',
  ];
  raw.push(
    'Content-Length',
    '5',
    'ACCEPT-ENCODING',
    'gzip',
    'Cookie',
    's=1',
    'x-api-key',
    'k',
    'X-Keep',
    'yes',
    'TE',
    'trailers',
  );
  assert.deepEqual(requestHeaders(raw, 'Bearer d', false), [
    'X-Keep',
    'yes',
    'accept-encoding',
    'identity',
    'authorization',
    'Bearer d',
  ]);
  assert.deepEqual(requestHeaders(raw, null, true), [
    'Cookie',
    's=1',
    'x-api-key',
    'k',
    'X-Keep',
    'yes',
    'accept-encoding',
    'identity',
  ]);
  const back = responseHeaders(
    {
      connection: 'close, x-hop',
      'x-hop': '1',
      'transfer-encoding': 'chunked',
      'set-cookie': ['a', 'b'],
      'x-y': '1',
      'x-upshift-error': 'no',
    },
    'dedicated',
  );
  assert.deepEqual(back, ['x-upshift-upstream', 'dedicated', 'set-cookie', 'a', 'set-cookie', 'b', 'x-y', '1']);
});

test('uses the client’s own token, or the daemon’s if there is none or only the placeholder', () => {
  assert.equal(serverlessAuthorization('Bearer hf_c', 'hf_d'), 'Bearer hf_c');
  for (const none of [undefined, '', 'Bearer', 'Bearer ', 'Bearer upshift', 'bearer UPSHIFT']) {
    assert.equal(serverlessAuthorization(none, 'hf_d'), 'Bearer hf_d');
    assert.equal(serverlessAuthorization(none, null), null);
  }
});

test('identifies agents by the id that they send, otherwise by token and user agent', () => {
  const agents = new Agents('salt');
  assert.deepEqual(agents.of('me', 'Bearer a', 'ua'), { id: 'me', isDerived: false });
  const derived = agents.of(null, 'Bearer a', 'ua');
  assert.match(derived.id, /^derived-[0-9a-f]{12}$/);
  assert.equal(derived.isDerived, true);
  assert.equal(agents.of('', 'Bearer a', 'ua').id, derived.id);
  assert.equal(new Agents('salt').of(null, 'Bearer a', 'ua').id, derived.id);
  assert.notEqual(agents.of(null, 'Bearer b', 'ua').id, derived.id);
  assert.notEqual(agents.of(null, 'Bearer a', 'ub').id, derived.id);
  assert.notEqual(new Agents('other').of(null, 'Bearer a', 'ua').id, derived.id);
  assert.equal(agents.of('x'.repeat(500)).id.length, 128);
});

test('a refused body counts as repeated for a minute, and only for its agent', () => {
  const repeats = new Repeats(new Hashes());
  const body = Buffer.from('body');
  assert.equal(repeats.find('a', '/p', body, 1), null);
  repeats.refused('a', '/p', body, { arrivedAtUs: 1, repeatOfUs: null });
  assert.equal(repeats.find('a', '/p', body, 60_000_000), 1);
  assert.equal(repeats.find('b', '/p', body, 2), null);
  assert.equal(repeats.find('a', '/p', Buffer.from('other'), 2), null);
  repeats.refused('a', '/p', body, { arrivedAtUs: 50_000_000, repeatOfUs: 1 });
  assert.equal(repeats.find('a', '/p', body, 100_000_000), 1);
  assert.equal(repeats.find('a', '/p', body, 111_000_000), null);
  repeats.refused('a', '/p', body, { arrivedAtUs: 120_000_000, repeatOfUs: null });
  repeats.served('a', '/p', body);
  assert.equal(repeats.find('a', '/p', body, 120_000_001), null);
});

test('elements are added to and removed from the live set in any order', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9))), (steps) => {
      const live = new LiveSet<{ index: number; id: number }>();
      const all = Array.from({ length: 10 }, (_, id) => ({ index: -1, id }));
      const model = new Set<number>();
      for (const [isAdded, id] of steps) {
        const one = all[id] as { index: number; id: number };
        if (!isAdded) live.delete(one);
        else if (!model.has(id)) live.add(one);
        if (isAdded) model.add(id);
        else model.delete(id);
        assert.deepEqual(new Set([...live].map((each) => each.id)), model);
      }
    }),
  );
});

test('a client’s Connection header removes only the client’s own headers', () => {
  const raw = ['Connection', 'close, authorization, accept-encoding, x-mine', 'X-Mine', '1', 'X-Keep', 'yes'];
  assert.deepEqual(requestHeaders(raw, 'Bearer d', false), [
    'X-Keep',
    'yes',
    'accept-encoding',
    'identity',
    'authorization',
    'Bearer d',
  ]);
});
