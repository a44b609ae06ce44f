import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { DemandFigures } from '../../../src/core/criteria/criteria.ts';
import { demandText, isHiddenByDerivedAgents, judgeCriteria } from '../../../src/core/criteria/criteria.ts';
import type { CriteriaPolicy } from '../../../src/core/policy/criteria.ts';
import { routePolicy } from '../../support/samples.ts';

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

describe('criteria that a policy may add', () => {
  const served = (changes: Partial<NonNullable<DemandFigures['served']>> = {}): DemandFigures => ({
    ...figures(10, 1, 0),
    served: {
      answered: 400,
      failed: 4,
      p50: 2_000,
      p95: 8_000,
      p99: 9_000,
      ...changes,
    },
  });
  const costing = (serverless: number, dedicated: number): DemandFigures => ({
    ...figures(10, 1, 0),
    costs: { serverlessPerHourMicros: serverless, dedicatedPerHourMicros: dedicated },
  });
  const SLO = { slo: { p95: 20_000, availability: 0.99 } };
  const cases: readonly [why: string, seen: DemandFigures, limits: Partial<CriteriaPolicy>, isMet: boolean][] = [
    ['p95 above its limit', served({ p95: 20_001 }), SLO, true],
    ['p95 at its limit', served({ p95: 20_000 }), SLO, false],
    ['availability below its limit', served({ failed: 5 }), SLO, true],
    ['availability at its limit', served({ answered: 396 }), SLO, false],
    ['a bad p95 of 99 answers', served({ answered: 99, failed: 0, p95: 90_000 }), SLO, false],
    ['a bad p95 of 100 answers', served({ answered: 100, failed: 0, p95: 90_000 }), SLO, true],
    ['nothing but failures', served({ answered: 0, failed: 100, p50: null, p95: null, p99: null }), SLO, true],
    ['99 calls that all failed', served({ answered: 0, failed: 99, p50: null, p95: null, p99: null }), SLO, false],
    ['no answers kept', figures(10, 1, 0), SLO, false],
    ['only p95 wanted, and availability bad', served({ failed: 300 }), { slo: { p95: 20_000 } }, false],
    ['p99 far from p50', served({ p99: 10_001 }), { predictability: { ratio: 5 } }, true],
    ['p99 at the ratio', served({ p99: 10_000 }), { predictability: { ratio: 5 } }, false],
    ['a ratio of 99 answers', served({ answered: 99, p99: 90_000 }), { predictability: { ratio: 5 } }, false],
    ['an endpoint cheaper by more', costing(10_000, 7_999), { cost: { cheaperBy: 0.2 } }, true],
    ['an endpoint cheaper by as much', costing(10_000, 8_000), { cost: { cheaperBy: 0.2 } }, false],
    ['a more expensive endpoint', costing(10_000, 12_000), { cost: { cheaperBy: 0 } }, false],
    ['a serverless that costs nothing', costing(0, 0), { cost: { cheaperBy: 0 } }, false],
    ['costs that nobody knows', { ...figures(10, 1, 0), costs: null }, { cost: { cheaperBy: 0 } }, false],
  ];
  for (const [why, seen, limits, isMet] of cases) {
    it(`${isMet ? 'are met' : 'are not met'} by ${why}`, () => {
      const [name] = Object.keys(limits) as ['slo' | 'predictability' | 'cost'];
      const { met, holds } = judgeCriteria(seen, { ...policy([[name]]), ...limits });
      assert.deepEqual([met[name], holds], [isMet, isMet]);
    });
  }

  it('count for all, any and atLeast as the others do, and only if they are set', () => {
    const busy = { ...served({ p95: 30_000 }), ...figures(2_001, 51, 0.051) };
    const idle = { ...served(), ...figures(2_001, 51, 0.051) };
    assert.ok(judgeCriteria(busy, { ...policy('all'), ...SLO }).holds);
    assert.ok(!judgeCriteria(idle, { ...policy('all'), ...SLO }).holds);
    assert.ok(judgeCriteria(idle, { ...policy({ atLeast: 3 }), ...SLO }).holds);
    assert.ok(judgeCriteria(served({ p95: 30_000 }), { ...policy('any'), ...SLO }).holds);
    assert.ok(judgeCriteria(busy, policy('all')).holds);
    assert.deepEqual(Object.keys(judgeCriteria(busy, policy('all')).met), ['calls', 'agents', 'refused']);
  });

  it('hold, if they are sets, as soon as all criteria of one set are met', () => {
    const sets = policy([
      ['calls', 'agents', 'refused'],
      ['calls', 'slo'],
    ]);
    const limits = { ...sets, ...SLO };
    const bad = served({ p95: 30_000 });
    assert.ok(!judgeCriteria(bad, limits).holds);
    assert.ok(judgeCriteria({ ...bad, calls: 2_001 }, limits).holds);
    assert.ok(judgeCriteria(figures(2_001, 51, 0.051), limits).holds);
    assert.ok(!judgeCriteria({ ...served(), ...figures(2_001, 51, 0.05) }, limits).holds);
  });

  it('follow the first three in the sentence, which has only these if nothing is added', () => {
    const seen = { ...served({ p95: 24_100, p99: 30_000 }), ...figures(2_100, 64, 0.08), costs: null };
    assert.equal(demandText(seen, policy('all')), '2100 calls, 64 agents, 8.0 % refused or delayed in 5 min');
    const limits = { ...SLO, predictability: { ratio: 5 }, cost: { cheaperBy: 0.2 } };
    assert.equal(
      demandText(seen, { ...policy('all'), ...limits }),
      '2100 calls, 64 agents, 8.0 % refused or delayed in 5 min; p95 24.1 s (more than 20.0 s); 99.01 % answered well (not less than ' +
        '99.00 %); p99 15.0 times p50 (more than 5.0); costs not known',
    );
  });

  describe('the sentence compares the costs', () => {
    const sentences: [serverless: number, dedicated: number, text: string][] = [
      [10_000, 7_000, 'dedicated 30 % cheaper (more than 20 %)'],
      [10_000, 9_000, 'dedicated 10 % cheaper (not more than 20 %)'],
      [10_000, 15_000, 'dedicated 50 % more expensive'],
      [10_000, 24_000, 'dedicated 2.4 times as expensive'],
      [10_000, 1_613_000, 'dedicated 161 times as expensive'],
    ];
    for (const [serverless, dedicated, text] of sentences) {
      it(`as ${text}`, () => {
        const limits = { ...policy('all'), cost: { cheaperBy: 0.2 } };
        assert.equal(demandText(costing(serverless, dedicated), limits).split('; ').at(-1), text);
      });
    }
  });
});

describe('isHiddenByDerivedAgents', () => {
  const all = policy('all');

  it('is true if most agents have no name, and too few agents are all that is missing', () => {
    assert.ok(isHiddenByDerivedAgents(figures(2500, 3, 0.1, 2), all));
  });

  it('is false if most agents have names', () => {
    assert.ok(!isHiddenByDerivedAgents(figures(2500, 4, 0.1, 2), all));
  });

  it('is false if calls or refusals are missing too', () => {
    assert.ok(!isHiddenByDerivedAgents(figures(100, 3, 0.1, 3), all));
    assert.ok(!isHiddenByDerivedAgents(figures(2500, 3, 0, 3), all));
  });

  it('is false if other criteria are missing too', () => {
    const limits = { ...policy('all'), slo: { p95: 20_000 } };
    assert.ok(!isHiddenByDerivedAgents(figures(2500, 3, 0.1, 3), limits));
  });

  it('is false if the criteria hold without the agents', () => {
    assert.ok(!isHiddenByDerivedAgents(figures(2500, 3, 0.1, 3), policy({ atLeast: 2 })));
  });
});
