import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isGreeting, locate } from '../../../src/core/wire/destination.ts';

/** Paths of OpenAI's and of providers, each with the methods that it is served for. */
const SERVED: readonly (readonly [path: string, methods: readonly string[]])[] = [
  ['/v1/chat/completions', ['POST']],
  ['/v1/messages', ['POST']],
  ['/v1/messages/count_tokens', ['POST']],
  ['/v1/models', ['GET', 'HEAD']],
  ['/v1/models/acme/tiny', ['GET', 'HEAD']],
  ['/models/acme/tiny/pipeline/x', ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']],
  ['/groq/openai/v1/chat/completions', ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']],
];
const call = fc.constantFrom(...SERVED.flatMap(([path, methods]) => methods.map((method) => ({ path, method }))));
const slashes = fc.integer({ min: 1, max: 4 }).map((count) => '/'.repeat(count));
const query = fc.constantFrom('', '?', '?beta=true', '?url=http://x//y/../z');

describe('locate', () => {
  it('takes repeated slashes for one', () => {
    fc.assert(
      fc.property(call, query, fc.array(slashes, { minLength: 8, maxLength: 8 }), ({ path, method }, asked, runs) => {
        let n = 0;
        const written = path.replaceAll('/', () => runs[n++ % runs.length] as string);
        assert.deepEqual(locate(method, `${written}${asked}`), locate(method, `${path}${asked}`));
        assert.notEqual(locate(method, path), null);
      }),
    );
  });

  it('takes the absolute form with a name of this machine for the path alone, and refuses any other host', () => {
    const own = fc.constantFrom('localhost', 'LocalHost', '127.0.0.1', '[::1]');
    const port = fc.constantFrom('', ':80', ':8787');
    const scheme = fc.constantFrom('http://', 'https://', 'HTTP://');
    fc.assert(
      fc.property(call, query, scheme, own, port, ({ path, method }, asked, start, host, at) => {
        assert.deepEqual(locate(method, `${start}${host}${at}${path}${asked}`), locate(method, `${path}${asked}`));
      }),
    );
    const others = [
      'router.huggingface.co',
      'localhost.evil.example',
      'localhost@evil.example',
      'evil.example:80',
      '127.0.0.1:x',
      '127.0.0.2',
      '',
    ];
    fc.assert(
      fc.property(call, scheme, fc.constantFrom(...others), ({ path, method }, start, host) => {
        assert.equal(locate(method, `${start}${host}${path}`), null);
      }),
    );
  });

  it('never leads out of the router’s paths, however a path that climbs is written', () => {
    const dots = fc.constantFrom('..', '.', '%2e%2e', '.%2E', '%2e', '..\\', '%5c..', '%2f..', '..%2f');
    const start = fc.constantFrom('', 'http://localhost', '/agents/a');
    fc.assert(
      fc.property(start, slashes, slashes, dots, (before, first, second, step) => {
        for (const path of [
          `${first}groq${second}${step}${first}api/whoami-v2`,
          `${first}models${second}${step}${first}x`,
          `${first}v1${second}models${first}${step}`,
        ]) {
          const found = locate('GET', `${before}${path}`);
          if (found === null) continue;
          assert.equal(new URL(found.path, 'https://router.example').pathname, found.path);
          assert.doesNotMatch(decodeURIComponent(found.path), /(?:^|[/\\])\.{1,2}(?:[/\\]|$)/, found.path);
        }
      }),
    );
  });

  it('takes a slash at the end away from paths of OpenAI’s, and leaves it to providers', () => {
    assert.equal(locate('POST', '/v1/chat/completions/?a=/')?.path, '/v1/chat/completions?a=/');
    assert.equal(locate('HEAD', '/v1/models/')?.path, '/v1/models');
    assert.equal(locate('POST', '/agents/a/v1/embeddings//')?.path, '/v1/embeddings');
    assert.equal(locate('POST', '/groq/predict/')?.path, '/groq/predict/');
  });

  it('counts no tokens as a completion', () => {
    const found = { kind: 'native', path: '/v1/messages/count_tokens?beta=true', agent: null, model: null };
    assert.deepEqual(locate('POST', '/v1/messages/count_tokens?beta=true'), found);
  });

  it('a name in a path that could write to a terminal is none', () => {
    for (const code of ['%00', '%0a', '%1b', '%7f', '%c2%9b']) {
      assert.equal(locate('POST', `/agents/a${code}/v1/chat/completions`), null, code);
      assert.equal(locate('POST', `/hf-inference/models/acme/a${code}`)?.model, null, code);
    }
    assert.equal(locate('POST', '/agents/caf%C3%A9/v1/chat/completions')?.agent, 'caf\u00e9');
  });

  it('refuses a target that is no path', () => {
    for (const target of ['*', '', 'v1/models', 'groq/x', 'localhost:443', 'x/groq/y']) {
      for (const method of ['GET', 'POST', 'OPTIONS', 'CONNECT']) assert.equal(locate(method, target), null, target);
    }
  });
});

describe('isGreeting', () => {
  it('is a read of the paths that clients ask before their first call, and of no other', () => {
    for (const method of ['GET', 'HEAD']) {
      for (const url of ['/', '//', '/?x', '/api/hello', 'http://localhost:8787', 'http://127.0.0.1/']) {
        assert.equal(isGreeting(method, url), url !== 'http://localhost:8787', url);
      }
      for (const url of ['/v1/models', '/api', '/api/hello/x', 'http://evil.example/', '*']) {
        assert.equal(isGreeting(method, url), false, url);
      }
    }
    assert.equal(isGreeting('POST', '/'), false);
  });
});
