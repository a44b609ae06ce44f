import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { DemandFigures } from '../../src/core/criteria.ts';
import { isHiddenByDerivedAgents, judgeCriteria } from '../../src/core/criteria.ts';
import type { CriteriaPolicy } from '../../src/core/policy.ts';
import { routePolicy } from '../support/samples.ts';

function figures(calls: number, agents: number, refusedShare: number, derivedAgents = 0): DemandFigures {
  return { calls, agents, derivedAgents, refused: Math.round(calls * refusedShare), refusedShare };
}

function policy(require: CriteriaPolicy['require']): CriteriaPolicy {
  return routePolicy({ criteria: { require } }).criteria;
}

describe('judgeCriteria', () => {
  const cases: readonly [figures: DemandFigures, require: CriteriaPolicy['require'], holds: boolean, why: string][] = [
    [figures(2001, 51, 0.051), 'all', true, 'all three exceeded'],
    [figures(2000, 51, 0.051), 'all', false, 'calls only reached'],
    [figures(2001, 50, 0.051), 'all', false, 'agents only reached'],
    [figures(2001, 51, 0.05), 'all', false, 'refusals only reached'],
    [figures(2001, 1, 0), 'any', true, 'calls alone under any'],
    [figures(0, 0, 0), 'any', false, 'nothing under any'],
    [figures(2001, 51, 0), { atLeast: 2 }, true, 'two of two'],
    [figures(2001, 50, 0), { atLeast: 2 }, false, 'one of two'],
    [figures(2001, 51, 0), { atLeast: 3 }, false, 'two of three'],
  ];
  for (const [seen, require, holds, why] of cases) {
    it(`${holds ? 'holds' : 'does not hold'} with ${why}`, () => {
      assert.equal(judgeCriteria(seen, policy(require)).holds, holds);
    });
  }

  it('never stops holding because a figure rises', () => {
    const amount = fc.record({
      calls: fc.nat(5000),
      agents: fc.nat(200),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    const require = fc.constantFrom<CriteriaPolicy['require']>('all', 'any', { atLeast: 2 });
    fc.assert(
      fc.property(amount, amount, require, (a, b, needed) => {
        const low = figures(Math.min(a.calls, b.calls), Math.min(a.agents, b.agents), Math.min(a.share, b.share));
        const high = figures(Math.max(a.calls, b.calls), Math.max(a.agents, b.agents), Math.max(a.share, b.share));
        assert.ok(!judgeCriteria(low, policy(needed)).holds || judgeCriteria(high, policy(needed)).holds);
      }),
    );
  });
});

describe('isHiddenByDerivedAgents', () => {
  const all = policy('all');

  it('tells that unnamed agents are what is missing', () => {
    assert.ok(isHiddenByDerivedAgents(figures(2500, 3, 0.1, 2), all));
  });

  it('says nothing where most agents are named', () => {
    assert.ok(!isHiddenByDerivedAgents(figures(2500, 4, 0.1, 2), all));
  });

  it('says nothing where calls or refusals are missing too', () => {
    assert.ok(!isHiddenByDerivedAgents(figures(100, 3, 0.1, 3), all));
    assert.ok(!isHiddenByDerivedAgents(figures(2500, 3, 0, 3), all));
  });

  it('says nothing where the criteria hold without the agents', () => {
    assert.ok(!isHiddenByDerivedAgents(figures(2500, 3, 0.1, 3), policy({ atLeast: 2 })));
  });
});
