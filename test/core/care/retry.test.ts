import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { RetryAllowance, backoffMs } from '../../../src/core/care/retry.ts';

const POLICY = { most: 5, base: 1_000, cap: 16_000, share: 0.2 };

describe('a retry', () => {
  it('pauses between zero and a bound that doubles up to the cap, and never less than the upstream asks', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (n, draw) => {
        const pause = backoffMs(n, POLICY, draw, null);
        assert.ok(pause >= 0 && pause <= Math.min(16_000, 1_000 * 2 ** (n - 1)));
        assert.ok(backoffMs(n, POLICY, draw, 7_000) >= 7_000);
        assert.ok(backoffMs(n, POLICY, draw, 7_000) <= 8_000);
      }),
    );
  });

  it('is allowed for a share of the calls of the window, or ten times', () => {
    const allowance = new RetryAllowance(300_000);
    let granted = 0;
    for (let i = 0; i < 1_000; i++) {
      allowance.call(i * 100);
      if (allowance.take(i * 100, 0.2)) granted++;
    }
    assert.ok(granted <= 201 && granted >= 190, `${granted}`);
    assert.ok(allowance.shareAt(100_000) <= 0.201);
    const idle = new RetryAllowance(300_000);
    assert.equal(Array.from({ length: 50 }, () => idle.take(0, 0.2)).filter(Boolean).length, 10);
    assert.ok(idle.take(400_000, 0.2));
  });
});
