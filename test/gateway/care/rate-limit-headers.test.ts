import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { serializeItem } from 'structured-headers';
import { readAllowedRate, readQuota } from '../../../src/gateway/care/rate-limit-headers.ts';

const quotaIn = (ratelimit: string | string[]) => readQuota({ ratelimit });
const rateIn = (policy: string | string[]) => readAllowedRate({ 'ratelimit-policy': policy });

describe('a RateLimit header', () => {
  it('is read, and of several quotas the one with the fewest calls left', () => {
    assert.deepEqual(quotaIn('"api";r=0;t=55'), { left: 0, resetMs: 55_000 });
    assert.deepEqual(quotaIn('"api"; r=489; t=189; pk=:cHNzdA==:'), { left: 489, resetMs: 189_000 });
    assert.deepEqual(quotaIn('"burst";r=100;t=1, "api";r=3;t=200'), { left: 3, resetMs: 200_000 });
    assert.deepEqual(quotaIn(['"burst";r=100;t=1', '"api";r=3;t=200']), { left: 3, resetMs: 200_000 });
  });

  it('says nothing if it is absent, is no list of items, or lacks a number', () => {
    assert.equal(readQuota({}), null);
    for (const text of ['unlimited', '', '"api', '"api";r=0', '"api";r="0";t=55', '"api";r=-1;t=55', 'limit=100']) {
      assert.equal(quotaIn(text), null, text);
    }
  });

  it('is ignored if it is very long', () => {
    const long = (length: number) => `"${'a'.repeat(length)}";r=1;t=2`;
    assert.deepEqual(quotaIn(long(1_000)), { left: 1, resetMs: 2_000 });
    assert.equal(quotaIn(long(1_024)), null);
    assert.equal(quotaIn(String.raw`"a"`.repeat(4_000)), null);
  });

  it('may have any character in a quoted name', () => {
    assert.deepEqual(quotaIn('"a;r=0;t=9, b=1";r=7;t=30'), { left: 7, resetMs: 30_000 });
    assert.deepEqual(quotaIn(String.raw`"a\";r=0;t=9, \"b";r=7;t=30`), { left: 7, resetMs: 30_000 });
    const name = fc.string({ unit: fc.constantFrom(...Array.from('ab ;,="\\rtqw0159')) });
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.nat(999), fc.nat(999)), { minLength: 1, maxLength: 4 }), (all) => {
        const items = all.map(([text, r, t]) =>
          serializeItem([
            text,
            new Map([
              ['r', r],
              ['t', t],
            ]),
          ]),
        );
        const least = all.reduce((one, other) => (other[1] < one[1] ? other : one));
        assert.deepEqual(quotaIn(items.join(', ')), { left: least[1], resetMs: least[2] * 1_000 });
      }),
    );
  });
});

describe('a RateLimit-Policy header', () => {
  it('is read as calls per second, the least of several', () => {
    assert.equal(rateIn('"burst";q=100;w=10, "api";q=1500;w=300'), 5);
    assert.equal(rateIn('"a;q=1;w=60, b=2";q=100;w=10'), 10);
  });

  it('says nothing if it is absent or allows nothing', () => {
    assert.equal(readAllowedRate({}), null);
    for (const text of ['"api";q=0;w=300', '"api";q=100;w=0', '"api";q=100', 'none']) {
      assert.equal(rateIn(text), null, text);
    }
  });

  it('is read as the Hub sends it, with a second name', () => {
    assert.equal(rateIn('"fixed window";"api";q=500;w=300'), 500 / 300);
    assert.equal(rateIn('"fixed window";"api";q=600;w=300, "fixed; \\"window";"q=1;w=9";q=300;w=300'), 1);
  });
});
