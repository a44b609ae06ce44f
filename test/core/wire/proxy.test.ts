import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AppError } from '../../../src/core/errors.ts';
import { NO_PROXIES, proxyFor, readProxies, shownProxy } from '../../../src/core/wire/proxy.ts';

const PROXY = 'http://proxy.example:3128/';
const ROUTER = 'https://router.huggingface.co';

describe('readProxies', () => {
  it('reads nothing from an environment without proxies', () => {
    for (const env of [{}, { HTTP_PROXY: ' ', HTTPS_PROXY: '' }, { http_proxy: '', HTTP_PROXY: PROXY }]) {
      assert.deepEqual(readProxies(env), NO_PROXIES);
    }
  });

  it('prefers lower case, and takes HTTP_PROXY for a missing HTTPS_PROXY', () => {
    const table: [env: Record<string, string>, http: string | null, https: string | null][] = [
      [{ HTTP_PROXY: 'http://a' }, 'http://a/', 'http://a/'],
      [{ HTTPS_PROXY: 'http://b' }, null, 'http://b/'],
      [{ HTTP_PROXY: 'http://a', HTTPS_PROXY: 'https://b:8443' }, 'http://a/', 'https://b:8443/'],
      [{ HTTPS_PROXY: 'http://b', https_proxy: 'http://c' }, null, 'http://c/'],
      [{ https_proxy: 'proxy.example:3128' }, null, PROXY],
    ];
    for (const [env, http, https] of table) assert.deepEqual(readProxies(env), { http, https, exempt: [] });
  });

  it('refuses what is no proxy, and does not repeat it, because it may hold a password', () => {
    for (const value of ['socks5://u:secret@proxy', 'http://', 'ftp://secret', 'http://a b:secret@c:x']) {
      assert.throws(
        () => readProxies({ HTTPS_PROXY: value }),
        (error: unknown) =>
          error instanceof AppError &&
          error.code === 'invalid' &&
          /HTTPS_PROXY/.test(error.message) &&
          !/secret/.test(`${error.message} ${error.hint ?? ''}`),
      );
    }
  });
});

describe('proxyFor', () => {
  it('never sends this machine’s own names through a proxy, whatever is exempt', () => {
    const host = fc.constantFrom('localhost', 'LOCALHOST', '127.0.0.1', '[::1]', 'localhost.');
    const scheme = fc.constantFrom('http', 'https');
    fc.assert(
      fc.property(scheme, host, fc.integer({ min: 1, max: 65_535 }), fc.string(), (start, name, port, NO_PROXY) => {
        assert.equal(proxyFor(readProxies({ HTTP_PROXY: PROXY, NO_PROXY }), `${start}://${name}:${port}/x`), null);
      }),
    );
  });

  it('takes the proxy of the URL’s scheme unless NO_PROXY names the host', () => {
    const table: [noProxy: string, url: string, isExempt: boolean][] = [
      ['', ROUTER, false],
      ['', 'http://127.0.0.2:9000', false],
      ['*', ROUTER, true],
      ['other.example, *', ROUTER, true],
      ['huggingface.co', ROUTER, true],
      ['.huggingface.co', ROUTER, true],
      ['.huggingface.co', 'https://huggingface.co', true],
      ['*.huggingface.co', ROUTER, true],
      ['*.huggingface.co', 'https://huggingface.co', false],
      ['HuggingFace.CO.', 'https://router.huggingface.co.', true],
      ['face.co', ROUTER, false],
      ['router.huggingface.co:443', ROUTER, true],
      ['router.huggingface.co:8443', ROUTER, false],
      ['router.huggingface.co:8443', `${ROUTER}:8443`, true],
      ['*:80', ROUTER, false],
      ['*:80', 'http://x.example', true],
      ['a.example b.example', 'http://b.example', true],
      ['fe80::1', 'http://[fe80::1]:80', true],
      ['[fe80::1]:81', 'http://[fe80::1]:81', true],
      ['[fe80::1]:81', 'http://[fe80::1]:82', false],
      [',, ,', ROUTER, false],
    ];
    for (const [no_proxy, url, isExempt] of table) {
      const proxies = readProxies({ HTTP_PROXY: PROXY, HTTPS_PROXY: 'http://secure.example', no_proxy });
      const proxy = url.startsWith('https:') ? 'http://secure.example/' : PROXY;
      assert.equal(proxyFor(proxies, url), isExempt ? null : proxy, `${no_proxy} ${url}`);
    }
  });
});

describe('shownProxy', () => {
  it('shows neither user nor password', () => {
    const part = fc.string({ minLength: 1 }).map((text) => `secret${encodeURIComponent(text.toWellFormed())}`);
    fc.assert(
      fc.property(part, part, (user, password) => {
        const { https } = readProxies({ HTTPS_PROXY: `http://${user}:${password}@proxy.example:3128` });
        assert.equal(shownProxy(https ?? ''), 'http://proxy.example:3128');
      }),
    );
  });
});
