import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { demandText, judgeCriteria, measure, measureText } from '../../../src/core/criteria/criteria.ts';
import type { DemandFigures } from '../../../src/core/criteria/criteria.ts';
import { DemandWindow } from '../../../src/core/criteria/demand-window.ts';
import { NearMisses } from '../../../src/core/criteria/near-miss.ts';
import { kindsText, missingText, nearMissText } from '../../../src/core/criteria/words.ts';
import { routePolicy, START } from '../../support/samples.ts';

const { criteria } = routePolicy({ criteria: { window: 300_000, calls: 2_000, agents: 50, refused: 0.05 } });

const figures = (changes: Partial<DemandFigures>): DemandFigures => ({
  calls: 2_400,
  agents: 64,
  derivedAgents: 0,
  refused: 0,
  refusedShare: 0.983,
  ...changes,
});

describe('criteria in words', () => {
  it('say what was refused or delayed, and above which share moving is proposed', () => {
    const [, , refused] = measure(figures({}), criteria);
    assert.ok(refused !== undefined);
    assert.equal(measureText(refused), 'refused or delayed 98.3 %, above the 5.0 % at which moving is proposed');
    assert.equal(demandText(figures({}), criteria), '2400 calls, 64 agents, 98.3 % refused or delayed in 5 min');
  });

  it('say what is missing and by how much, and nothing if nothing is', () => {
    assert.equal(missingText(figures({}), criteria), '');
    assert.equal(
      missingText(figures({ calls: 1_810, refusedShare: 0.021 }), criteria),
      'missing: calls 1,810 of more than 2,000, refused or delayed calls 2.1 % of more than 5.0 %',
    );
  });

  it('say how near the criteria came', () => {
    const near = { figure: 'calls' as const, peak: 1_850, limit: 2_000, heldMs: 3.1 * 3_600_000 };
    assert.equal(nearMissText(near), 'calls peaked at 1,850 of 2,000; the others held for 3.1 h');
  });
});

describe('a near miss', () => {
  it('is the longest time for which the criteria would have held with one more, with its nearest figure', () => {
    const law = fc.property(
      fc.array(fc.record({ calls: fc.nat(4_000), agents: fc.nat(100) }), { maxLength: 60 }),
      (all) => {
        const seen = new NearMisses();
        const runs: { figure: string; peak: number; heldMs: number }[] = [];
        for (const figure of ['calls', 'agents'] as const) {
          let [peak, heldMs] = [0, 0];
          for (const one of all) {
            const isAlone = one[figure] <= criteria[figure] && one.calls + one.agents > 0;
            const isOtherMet = figure === 'calls' ? one.agents > criteria.agents : one.calls > criteria.calls;
            [peak, heldMs] = isAlone && isOtherMet ? [Math.max(peak, one[figure]), heldMs + 1_000] : [0, 0];
            if (heldMs > 0) runs.push({ figure, peak, heldMs });
          }
        }
        for (const one of all) seen.note(figures(one), criteria);
        const most = Math.max(0, ...runs.map(({ heldMs }) => heldMs));
        assert.equal(seen.longest?.heldMs ?? 0, most);
        const { longest } = seen;
        if (longest === null) return;
        const found = runs.some(
          (run) => run.figure === longest.figure && run.peak === longest.peak && run.heldMs === most,
        );
        assert.ok(found, JSON.stringify(longest));
      },
    );
    fc.assert(law);
  });

  it('is none while the criteria hold', () => {
    const seen = new NearMisses();
    assert.ok(judgeCriteria(figures({}), criteria).holds);
    seen.note(figures({}), criteria);
    assert.equal(seen.longest, null);
  });
});

describe('refusals', () => {
  it('are three figures: 429s of clients, refusals by upshift, and delays', () => {
    const window = new DemandWindow(10_000, () => false);
    for (let i = 0; i < 10; i++) window.arrived(START + i * 100, 'a', false);
    assert.equal(kindsText(window.figures()), null);
    for (let i = 0; i < 4; i++) window.wasRefused('delayed', START + 1_000, START + 1_000);
    for (let i = 0; i < 2; i++) window.wasRefused('clients', START + 1_000, START + 1_000);
    window.wasRefused('here', START + 1_000, START + 1_000);
    assert.deepEqual(window.figures().kinds, { clients: 2, here: 1, delayed: 4 });
    assert.equal(kindsText(window.figures()), '2 got a 429 (20.0 %), 1 of them from upshift; 4 were delayed (40.0 %)');
    window.advance(START + 30_000);
    assert.equal(window.figures().kinds, undefined);
    const one = { calls: 100, kinds: { clients: 0, here: 0, delayed: 1 } };
    assert.match(kindsText({ ...window.figures(), ...one }) ?? '', /; 1 was delayed \(1\.0 %\)$/);
  });

  it('of a second that is not in the window are not counted', () => {
    const window = new DemandWindow(10_000, () => false);
    window.arrived(START, 'a', false);
    window.wasRefused('clients', START - 20_000, START);
    assert.equal(window.figures().kinds, undefined);
  });
});
