import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { Outcome } from '../../../src/core/outcome.ts';
import { OUTCOMES, isDecided, isFault } from '../../../src/core/outcome.ts';
import type { TalliedCall } from '../../../src/core/rollout/step-figures.ts';
import { NO_FIGURES, RoleTally } from '../../../src/core/rollout/step-figures.ts';
import { upstreamOf } from '../../../src/core/route.ts';
import type { Role } from '../../../src/core/route.ts';

const role = fc.constantFrom<Role>('stable', 'canary');
const call: fc.Arbitrary<TalliedCall> = fc.record({
  outcome: fc.constantFrom<Outcome>('ok', 'ok', 'ok', ...OUTCOMES),
  servedBy: fc.constantFrom('serverless', 'dedicated', null),
  durationUs: fc.integer({ min: 1, max: 600_000_000 }),
  firstByteUs: fc.option(fc.integer({ min: 1, max: 60_000_000 }), { nil: null }),
  firstTokenUs: fc.option(fc.integer({ min: 1, max: 60_000_000 }), { nil: null }),
});

function answered(durationUs: number, servedBy: TalliedCall['servedBy'] = 'dedicated'): TalliedCall {
  return { outcome: 'ok', servedBy, durationUs, firstByteUs: null, firstTokenUs: null };
}

describe('RoleTally', () => {
  it('begins with zero in every count', () => {
    assert.deepEqual(new RoleTally('canary', 'dedicated').figures(), NO_FIGURES);
  });

  it('gives the same figures for live calls and for calls that are read from the ledger after a restart', () => {
    fc.assert(
      fc.property(role, fc.array(call, { maxLength: 60 }), (which, calls) => {
        const [live, restored] = [new RoleTally(which, 'dedicated'), new RoleTally(which, 'dedicated')];
        calls.forEach(() => live.arrived());
        for (const one of calls) if (one.outcome !== 'ok') live.faulted(one.outcome);
        for (const one of calls) live.ended(one, one.outcome !== 'ok');
        for (const one of calls) {
          restored.arrived();
          restored.ended(one, false);
        }
        assert.deepEqual(live.figures(), restored.figures());
      }),
    );
  });

  it('counts as decided exactly the calls that are compared, and as faults exactly the faults', () => {
    fc.assert(
      fc.property(role, fc.array(call, { maxLength: 60 }), (which, calls) => {
        const tally = new RoleTally(which, 'dedicated');
        for (const one of calls) {
          tally.arrived();
          tally.ended(one, false);
        }
        const { assigned, decided, faults, refused } = tally.figures();
        assert.equal(assigned, calls.length);
        assert.equal(
          decided,
          calls.filter((one) => isDecided(one.outcome, upstreamOf(which, 'dedicated'), 'dedicated')).length,
        );
        assert.equal(
          faults,
          calls.filter((one) => isFault(one.outcome, upstreamOf(which, 'dedicated'), 'dedicated')).length,
        );
        assert.equal(refused, calls.filter((one) => one.outcome === 'rate_limited').length);
      }),
    );
  });

  it('counts a 429 of serverless as refused but not as a fault', () => {
    const tally = new RoleTally('stable', 'dedicated');
    tally.faulted('rate_limited');
    assert.deepEqual(tally.figures(), { ...NO_FIGURES, refused: 1 });
  });

  it('counts a 429 of the endpoint as a fault', () => {
    const tally = new RoleTally('canary', 'dedicated');
    tally.faulted('rate_limited');
    assert.deepEqual(tally.figures(), { ...NO_FIGURES, refused: 1, decided: 1, faults: 1 });
  });

  it('counts a call that found the endpoint full, and no fault', () => {
    const tally = new RoleTally('canary', 'dedicated');
    tally.faulted('saturated');
    tally.ended(
      { outcome: 'saturated', servedBy: 'serverless', durationUs: 9, firstByteUs: 5, firstTokenUs: null },
      true,
    );
    assert.deepEqual(tally.figures(), { ...NO_FIGURES, saturated: 1, servedElsewhere: 1 });
  });

  it('counts a fault once, even if a fall-back answered the call', () => {
    const tally = new RoleTally('canary', 'dedicated');
    tally.arrived();
    tally.faulted('connect_failed');
    tally.ended(
      { outcome: 'connect_failed', servedBy: 'serverless', durationUs: 90, firstByteUs: null, firstTokenUs: null },
      true,
    );
    const { assigned, decided, faults, servedElsewhere } = tally.figures();
    assert.deepEqual(
      { assigned, decided, faults, servedElsewhere },
      { assigned: 1, decided: 1, faults: 1, servedElsewhere: 1 },
    );
  });

  it('counts calls that wait beyond the first-byte limit as faults before they end', () => {
    const tally = new RoleTally('canary', 'dedicated');
    tally.ended(answered(1_000), false);
    const { decided, faults } = tally.figures(3);
    assert.deepEqual({ decided, faults }, { decided: 4, faults: 3 });
    assert.equal(tally.figures().faults, 0, 'and forgets them where they were answered after all');
  });

  it('measures latency in ms, of answered calls only', () => {
    const tally = new RoleTally('canary', 'dedicated');
    for (let i = 0; i < 95; i++) tally.ended(answered(100_000), false);
    for (let i = 0; i < 5; i++) tally.ended(answered(2_000_000), false);
    for (let i = 0; i < 50; i++) tally.ended({ ...answered(60_000_000), outcome: 'first_byte_timeout' }, false);
    const { p50, p95 } = tally.figures();
    assert.ok(p50 !== null && Math.abs(p50 - 100) <= 1, `p50 ${p50}`);
    assert.ok(p95 !== null && Math.abs(p95 - 100) <= 1, `p95 ${p95}`);
    assert.equal(tally.figures().ttftP50, null);
  });
});
