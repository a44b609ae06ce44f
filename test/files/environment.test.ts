import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { AppError } from '../../src/core/errors.ts';
import { NO_PROXIES } from '../../src/core/wire/proxy.ts';
import { readEnvironment } from '../../src/files/environment.ts';

const LOCAL = {
  UPSHIFT_ROUTER_URL: 'http://127.0.0.1:9001/router/',
  UPSHIFT_ENDPOINTS_URL: 'http://localhost:9001',
  HF_ENDPOINT: 'http://[::1]:9001/hub//',
};

describe('the environment', () => {
  it('is Hugging Face in real time if nothing is set', () => {
    for (const env of [{}, { HF_TOKEN: '', UPSHIFT_ROUTER_URL: ' ', UPSHIFT_TIME_SCALE: '' }]) {
      assert.deepEqual(readEnvironment(env), {
        token: null,
        routerUrl: 'https://router.huggingface.co',
        endpointsUrl: 'https://api.endpoints.huggingface.cloud',
        hubUrl: 'https://huggingface.co',
        proxies: NO_PROXIES,
        keyPath: null,
        timeScale: 1,
        timeStart: 0,
      });
    }
  });

  it('may be a simulation on loopback, in scaled time', () => {
    const env = { ...LOCAL, HF_TOKEN: ' hf_abc\n', UPSHIFT_TIME_SCALE: '60', UPSHIFT_TIME_START: '1764000000000' };
    assert.deepEqual(readEnvironment(env), {
      token: 'hf_abc',
      routerUrl: 'http://127.0.0.1:9001/router',
      endpointsUrl: 'http://localhost:9001',
      hubUrl: 'http://[::1]:9001/hub',
      proxies: NO_PROXIES,
      keyPath: null,
      timeScale: 60,
      timeStart: 1_764_000_000_000,
    });
  });

  it('names the key among the credentials of a service, if there is one', () => {
    const folder = mkdtempSync(join(tmpdir(), 'upshift-credentials-'));
    try {
      assert.equal(readEnvironment({ CREDENTIALS_DIRECTORY: folder }).keyPath, null);
      writeFileSync(join(folder, 'upshift.key'), '');
      assert.equal(readEnvironment({ CREDENTIALS_DIRECTORY: folder }).keyPath, join(folder, 'upshift.key'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  const scaled = { ...LOCAL, UPSHIFT_TIME_START: '1' };
  const rows: [string, NodeJS.ProcessEnv, RegExp, RegExp][] = [
    ['no URL', { HF_ENDPOINT: 'huggingface' }, /HF_ENDPOINT: "huggingface" is not a URL/, /https:\/\/huggingface\.co/],
    ['another protocol', { UPSHIFT_ROUTER_URL: 'ftp://a.b' }, /UPSHIFT_ROUTER_URL: "ftp:\/\/a\.b"/, /router/],
    ['http to the world', { UPSHIFT_ENDPOINTS_URL: 'http://a.b' }, /"http:\/\/a\.b" would send/, /https/],
    ['http to a host that only looks local', { HF_ENDPOINT: 'http://127.0.0.1.a.b' }, /unencrypted/, /loopback/],
    ['a query', { HF_ENDPOINT: 'https://a.b/?x=1' }, /query/, /HF_ENDPOINT/],
    ['a scale against the world', { UPSHIFT_TIME_SCALE: '60' }, /60 is refused.*router\.huggingface/, /loopback/],
    [
      'a scale against half the world',
      { ...scaled, HF_ENDPOINT: '', UPSHIFT_TIME_SCALE: '2' },
      /HF_ENDPOINT/,
      /all three/,
    ],
    ['a scale of 0', { ...scaled, UPSHIFT_TIME_SCALE: '0' }, /UPSHIFT_TIME_SCALE: "0"/, /60/],
    ['a scale that is no number', { ...scaled, UPSHIFT_TIME_SCALE: 'fast' }, /"fast"/, /unset/],
    ['a scale without a start', { ...LOCAL, UPSHIFT_TIME_SCALE: '60' }, /UPSHIFT_TIME_START is not set/, /simulate/],
    ['a start that is no time', { ...LOCAL, UPSHIFT_TIME_START: 'now' }, /UPSHIFT_TIME_START: "now"/, /simulate/],
  ];
  for (const [title, env, message, hint] of rows) {
    it(`is refused with the value, the variable and the remedy: ${title}`, () => {
      assert.throws(
        () => readEnvironment(env),
        (error) => {
          assert.ok(error instanceof AppError && error.code === 'invalid', String(error));
          assert.match(error.message, message);
          assert.match(error.hint ?? '', hint);
          return true;
        },
      );
    });
  }

  it('never repeats a password or a token', () => {
    for (const env of [{ HF_ENDPOINT: 'https://me:secret@a.b' }, { HF_TOKEN: 'secret token' }]) {
      assert.throws(
        () => readEnvironment(env),
        (error) => error instanceof AppError && !`${error.message}${error.hint}`.includes('secret'),
      );
    }
  });
});
