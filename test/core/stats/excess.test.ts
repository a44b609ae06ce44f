import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { ExcessBet, excessOdds } from '../../../src/core/stats/excess.ts';
import { dice } from '../../support/dice.ts';

describe('the odds that events are more frequent than a bound', () => {
  it('are reached by chance no more often than they say, though they are looked at each time', () => {
    // 1 000 sequences of 300 at the bound itself. Odds of 5: at most one in five, plus three standard deviations.
    const roll = dice(11);
    for (const atMost of [0.01, 0.05]) {
      let reached = 0;
      for (let run = 0; run < 1_000; run++) {
        const bet = new ExcessBet();
        let [events, peak] = [0, 1];
        for (let i = 1; i <= 300; i++) {
          const isEvent = roll() < atMost;
          if (isEvent) events++;
          bet.take(isEvent, atMost);
          peak = Math.max(peak, excessOdds(events, i - events, atMost));
        }
        assert.ok(Math.abs(bet.peak / peak - 1) < 1e-9);
        if (peak >= 5) reached++;
      }
      assert.ok(reached <= 200 + 3 * Math.sqrt(1_000 * 0.2 * 0.8), `${reached} of 1000 at ${atMost}`);
    }
  });

  it('grow within a handful of events that should be rare', () => {
    assert.ok(excessOdds(4, 0, 0.05) > 2_000);
    assert.ok(excessOdds(3, 0, 0.01) > 10_000);
    assert.ok(excessOdds(1, 20, 0.05) < 20);
  });

  it('never fall with one more event, nor rise with one more without', () => {
    fc.assert(
      fc.property(fc.nat(400), fc.nat(400), fc.constantFrom(0.01, 0.05, 0.3), (events, without, atMost) => {
        const odds = excessOdds(events, without, atMost);
        assert.ok(excessOdds(events + 1, without, atMost) >= odds);
        assert.ok(excessOdds(events, without + 1, atMost) <= odds);
      }),
    );
  });

  it('stay a number after any count', () => {
    assert.ok(excessOdds(1e6, 0, 0.01) > 1e12 && !Number.isNaN(excessOdds(1e6, 1e6, 0.01)));
    const bet = new ExcessBet();
    for (let i = 0; i < 2_000; i++) bet.take(i < 1_000, 0.01);
    assert.ok(bet.peak > 1e12);
  });
});
