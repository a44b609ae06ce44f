import assert from 'node:assert/strict';
import test from 'node:test';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import type { RoutePolicy } from '../../../src/core/policy/policy.ts';
import { timeoutsOf } from '../../../src/daemon/route/routes.ts';
import { createClock } from '../../../src/files/clock.ts';

test('timeouts are as the policy has them, and shrink with a faster clock to no less than five seconds', () => {
  const policy = { ...POLICY_DEFAULTS, model: 'a/b', endpoint: null };
  const at = (scale: number, given: RoutePolicy = policy) => {
    const { serverless, ...others } = timeoutsOf(given, createClock({ scale, start: 0 }));
    return [...Object.values(others), ...Object.values(serverless)];
  };
  assert.deepEqual(at(1), [2_000, 60_000, 120_000, 1_800_000, 600_000, 7_200_000]);
  assert.deepEqual(at(10), [2_000, 6_000, 12_000, 180_000, 60_000, 720_000]);
  assert.deepEqual(at(60), [2_000, 5_000, 5_000, 30_000, 10_000, 120_000]);
  const serverless = { betweenChunks: 900, total: 1_100 };
  const short = { connect: 100, firstByte: 300, betweenChunks: 500, total: 700, serverless };
  assert.deepEqual(at(60, { ...policy, timeouts: short }), [100, 300, 500, 700, 900, 1_100]);
});
