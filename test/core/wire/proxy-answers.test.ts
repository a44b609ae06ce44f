import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { proxyMeaning } from '../../../src/core/wire/proxy-answers.ts';

const PAUSED = 'Bad Request: The endpoint is paused, ask a maintainer to restart it';

describe('what a proxy says', () => {
  const known: readonly (readonly [status: number, said: string, means: string])[] = [
    [400, PAUSED, 'paused'],
    [400, 'Bad Request: Invalid state', 'paused'],
    [503, '503 Service Unavailable', 'starting'],
    [503, 'Loading model', 'starting'],
    [503, 'unhealthy', 'starting'],
    [503, 'Model acme/model is currently loading', 'starting'],
    [401, '401 Unauthorized', 'forbidden'],
    [403, 'missing permissions: inference.endpoints.infer.write', 'forbidden'],
    [403, 'Forbidden: missing permissions: inference.endpoints.infer.write', 'forbidden'],
  ];
  for (const [status, said, means] of known) {
    it(`${status} "${said}" means ${means}, whatever form its body has`, () => {
      const forms = [{ error: said }, { error: said, code: 'X' }, { error: { message: said, code: status } }];
      for (const form of forms) assert.equal(proxyMeaning(status, JSON.stringify(form)), means);
      assert.equal(proxyMeaning(status, ` ${said}\n`), means);
      assert.equal(proxyMeaning(422, JSON.stringify({ error: said })), null, 'with another status');
    });
  }

  it('means nothing if an engine quotes it in its own words', () => {
    for (const body of [
      { error: { message: `1 validation error: 'input': '${PAUSED}'` } },
      { object: 'error', message: "This model's maximum context length is 8192 tokens. Your game was paused." },
      { detail: PAUSED },
      { error: { type: 'paused' } },
    ]) {
      assert.equal(proxyMeaning(400, JSON.stringify(body)), null, JSON.stringify(body));
    }
    assert.equal(proxyMeaning(400, ''), null);
    assert.equal(
      proxyMeaning(503, '<html><head><title>503 Service Temporarily Unavailable</title></head></html>'),
      null,
    );
  });
});
