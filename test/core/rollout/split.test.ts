import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { assign, draw, isShadowed, unitOf } from '../../../src/core/rollout/split.ts';

const CALL = { rolloutId: 'aaaabbbb', weight: 0.5, affinity: 'call', blockMs: 600_000 } as const;
const AGENT = { ...CALL, affinity: 'agent' } as const;
const share = fc.double({ min: 0, max: 1, noNaN: true });

/** Chi-square of the draws over 20 equal bins; if the draws are fair, 99.9 % stay below 43.82 (19 degrees of freedom). */
function chiSquare(draws: readonly number[]): number {
  const counts = Array.from({ length: 20 }, () => 0);
  for (const drawn of draws) counts[Math.floor(drawn * 20)] = (counts[Math.floor(drawn * 20)] as number) + 1;
  const expected = draws.length / 20;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

describe('draw', () => {
  it('gives the same number for the same salt and unit', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), (salt, unit) => {
        assert.equal(draw(salt, unit), draw(salt, unit));
      }),
    );
  });

  it('stays in [0, 1)', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (salt, unit) => {
        const drawn = draw(salt, unit);
        assert.ok(drawn >= 0 && drawn < 1);
      }),
    );
  });

  it('gives the same numbers in every release, because audits compute them again', () => {
    assert.deepEqual(
      [draw('aaaabbbb', 1_800_000_000_000_000), draw('aaaabbbb', '3000000:agent-7'), draw('', '')],
      [0.4434380102902651, 0.8321534194983542, 0.9964775615371764],
    );
  });

  it('is evenly distributed over neighbouring arrivals', () => {
    const start = 1_800_000_000_000_000;
    for (const distance of [1, 7, 1_000, 125_000, 1_000_000]) {
      const draws = Array.from({ length: 20_000 }, (_, i) => draw('qwrtzpsd', start + i * distance));
      assert.ok(chiSquare(draws) < 43.82, `chi-square ${chiSquare(draws)} at a distance of ${distance} us`);
    }
  });

  it('is evenly distributed over agents with numbered names, in every block', () => {
    const draws = Array.from({ length: 20_000 }, (_, i) => draw('qwrtzpsd', `${i % 100}:agent-${Math.floor(i / 100)}`));
    assert.ok(chiSquare(draws) < 43.82, `chi-square ${chiSquare(draws)}`);
  });

  it('draws independently for two rollouts', () => {
    const both = Array.from({ length: 20_000 }, (_, i) => draw('aaaabbbb', i) < 0.5 && draw('aaaabbbc', i) < 0.5);
    const share = both.filter(Boolean).length / both.length;
    assert.ok(Math.abs(share - 0.25) < 0.015, `${share} instead of 0.25`);
  });
});

describe('assign', () => {
  const unit = fc.option(fc.maxSafeNat());

  it('never moves a call from canary to stable when the weight rises', () => {
    fc.assert(
      fc.property(share, share, fc.nat(), unit, (a, b, at, of) => {
        const low = assign({ ...CALL, weight: Math.min(a, b) }, at, of);
        const high = assign({ ...CALL, weight: Math.max(a, b) }, at, of);
        assert.ok(low === 'stable' || high === 'canary');
      }),
    );
  });

  it('gives the canary nothing at weight 0 and everything at weight 1', () => {
    fc.assert(
      fc.property(fc.nat(), unit, (at, of) => {
        assert.equal(assign({ ...CALL, weight: 0 }, at, of), 'stable');
        assert.equal(assign({ ...CALL, weight: 1 }, at, of), 'canary');
      }),
    );
  });

  it('gives the canary its weight within four standard errors', () => {
    for (const weight of [0.1, 0.25, 0.5, 0.75]) {
      const calls = 20_000;
      let canary = 0;
      for (let i = 0; i < calls; i++) {
        if (assign({ ...CALL, weight }, 1_800_000_000_000_000 + i * 3_333, null) === 'canary') canary++;
      }
      const error = Math.sqrt((weight * (1 - weight)) / calls);
      assert.ok(Math.abs(canary / calls - weight) < 4 * error, `${canary / calls} instead of ${weight}`);
    }
  });

  it('keeps an agent in its role for a block of time under affinity: agent, and draws fairly among agents', () => {
    const block = 1_800_000_000_000_000;
    let canaries = 0;
    for (let n = 0; n < 2_000; n++) {
      const roles = [0, 1, 59].map((i) => {
        const arrivedAtUs = block + i * 10_000_000;
        return assign(AGENT, arrivedAtUs, unitOf(AGENT, { arrivedAtUs, agent: `agent-${n}`, session: null }));
      });
      assert.equal(new Set(roles).size, 1);
      if (roles[0] === 'canary') canaries++;
    }
    assert.ok(Math.abs(canaries - 1_000) < 100, `${canaries} of 2000`);
  });
});

describe('unitOf', () => {
  const call = { arrivedAtUs: 1_200_000_001, agent: 'ann', session: 7 };
  it('is none by call, and the conversation by session', () => {
    assert.equal(unitOf(CALL, call), null);
    assert.equal(unitOf({ ...CALL, affinity: 'session' }, call), 7);
    assert.equal(unitOf({ ...CALL, affinity: 'session' }, { ...call, session: null }), null);
  });

  it('is an agent in a block of time, as a whole number that the ledger can store', () => {
    const block = (arrivedAtUs: number, agent = 'ann') => unitOf(AGENT, { ...call, arrivedAtUs, agent });
    assert.equal(block(1_200_000_001), block(1_799_999_999));
    const all = [block(1_200_000_001), block(1_199_999_999), block(1_800_000_000), block(1_200_000_001, 'bob')];
    assert.equal(new Set(all).size, 4);
    fc.assert(fc.property(fc.nat(), fc.string(), (at, agent) => assert.ok(Number.isSafeInteger(block(at, agent)))));
  });
});

describe('isShadowed', () => {
  it('chooses the given share of calls, independently of their roles', () => {
    const start = 1_800_000_000_000_000;
    const calls = Array.from({ length: 20_000 }, (_, i) => start + i * 1_000);
    const chosen = calls.filter((us) => isShadowed(CALL.rolloutId, 0.2, us));
    const both = chosen.filter((us) => assign(CALL, us, null) === 'canary');
    assert.ok(Math.abs(chosen.length / calls.length - 0.2) < 0.012, `${chosen.length}`);
    assert.ok(Math.abs(both.length / chosen.length - 0.5) < 0.035, `${both.length} of ${chosen.length}`);
  });

  it('chooses no call at 0, every call at 1, and at a larger share every call that it chose before', () => {
    fc.assert(
      fc.property(fc.nat(), share, share, (us, one, other) => {
        assert.equal(isShadowed('aaaabbbb', 0, us), false);
        assert.equal(isShadowed('aaaabbbb', 1, us), true);
        const [low, high] = [Math.min(one, other), Math.max(one, other)];
        if (isShadowed('aaaabbbb', low, us)) assert.ok(isShadowed('aaaabbbb', high, us));
      }),
    );
  });
});
