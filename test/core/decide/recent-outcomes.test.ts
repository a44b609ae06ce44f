import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { Outcome } from '../../../src/core/outcome.ts';
import { OUTCOMES, isFault } from '../../../src/core/outcome.ts';
import { RecentOutcomes } from '../../../src/core/decide/recent-outcomes.ts';
import { START } from '../../support/samples.ts';

const attempts = fc.array(
  fc.record({
    afterMs: fc.oneof({ weight: 5, arbitrary: fc.nat(5_000) }, { weight: 1, arbitrary: fc.nat(200_000) }),
    outcome: fc.constantFrom<Outcome>(...OUTCOMES),
    agent: fc.constantFrom('a', 'b', 'c', 'd'),
  }),
  { maxLength: 60 },
);

describe('RecentOutcomes', () => {
  it('equals a recount of the last sixty seconds', () => {
    fc.assert(
      fc.property(attempts, fc.nat(90_000), (all, wait) => {
        const recent = new RecentOutcomes();
        const added: { second: number; outcome: Outcome; agent: string }[] = [];
        let at = START;
        for (const { afterMs, outcome, agent } of all) {
          at += afterMs;
          recent.add(at, outcome, agent);
          added.push({ second: Math.floor(at / 1_000), outcome, agent });
        }
        const now = Math.floor((at + wait) / 1_000);
        const counted = added.filter(
          ({ second, outcome }) => second > now - 60 && outcome !== 'client_left' && outcome !== 'cut',
        );
        const inside = counted.map(({ outcome }) => outcome);
        const newest = new Map(counted.map(({ agent, outcome }) => [agent, outcome]));
        const denied = [...newest.values()].filter((last) => last === 'no_credits' || last === 'unauthorized').length;
        recent.advance(at + wait);
        assert.deepEqual(recent.figures(), {
          attempts: inside.length,
          faults: inside.filter((outcome) => isFault(outcome, 'serverless', 'dedicated')).length,
          connectFailures: inside.filter((outcome) => outcome === 'connect_failed').length,
          ...(denied > 0 && { callers: newest.size, denied }),
        });
      }),
    );
  });

  it('counts a 429 as an attempt but not as a fault', () => {
    const recent = new RecentOutcomes();
    recent.add(START, 'rate_limited', 'a');
    assert.deepEqual(recent.figures(), { attempts: 1, faults: 0, connectFailures: 0 });
  });
});
