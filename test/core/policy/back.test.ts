import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BACK_DEFAULTS } from '../../../src/core/policy/back.ts';
import type { BackPolicy } from '../../../src/core/policy/back.ts';
import { parsePolicy } from '../../../src/core/policy/parse.ts';

/** What a block in the defaults, and one in a route, come to. */
function back(defaults: unknown, route?: unknown): BackPolicy {
  const blocks = {
    defaults: { back: defaults },
    routes: [{ model: 'a/b', ...(route !== undefined && { back: route }) }],
  };
  const result = parsePolicy(blocks);
  assert.ok(result.ok, JSON.stringify(result));
  return (result.policy.routes[0] as { back: BackPolicy }).back;
}

function issues(given: unknown): string {
  const result = parsePolicy({ defaults: { back: given } });
  assert.ok(!result.ok);
  return result.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n');
}

describe('the block `back` of a policy', () => {
  it('has the default for each setting that it leaves out', () => {
    assert.deepEqual(back({}), BACK_DEFAULTS);
    assert.deepEqual(back({ sustain: '2h', slo: { p95: '10s' } }, { below: '50%' }), {
      ...BACK_DEFAULTS,
      below: 0.5,
      sustain: 7_200_000,
      slo: { ...BACK_DEFAULTS.slo, p95: 10_000 },
    });
  });

  it('has no reason left if it is off as a whole or setting by setting', () => {
    const none = { ...BACK_DEFAULTS, below: null, calls: null };
    assert.deepEqual(back('off'), none);
    assert.deepEqual(back({ calls: 100, slo: { p95: '1s', availability: '99%' } }, 'off'), none);
    assert.deepEqual(back({ below: 'off', calls: 'off', slo: 'off' }), none);
    assert.equal(back('off', { calls: 50 }).calls, 50);
    assert.equal(back({ slo: { p95: '1s' } }, { slo: { p95: 'off' } }).slo.p95, null);
  });

  it('is refused if a value is out of range', () => {
    assert.match(issues({ sustain: '2d' }), /back\.sustain: expected at most 1d, got "2d"/);
    assert.match(issues({ slo: { sustain: '7h' } }), /back\.slo\.sustain: expected at most 6h/);
    assert.match(issues({ below: '120%' }), /back\.below: expected a share/);
    assert.match(issues({ calls: 0 }), /back\.calls: expected at least 1/);
    assert.match(issues({ belwo: '80%' }), /back\.belwo: unknown key; allowed here: below, calls/);
    assert.match(
      issues({ slo: { p99: '1s' } }),
      /back\.slo\.p99: unknown key; allowed here: p95, availability, sustain/,
    );
    assert.match(issues('never'), /back: expected a block of keys/);
  });
});
