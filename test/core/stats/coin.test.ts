import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CoinBet } from '../../../src/core/stats/coin.ts';
import type { CoinRule } from '../../../src/core/stats/coin.ts';
import { Wealth } from '../../../src/core/stats/wealth.ts';
import { dice } from '../../support/dice.ts';

/** A weight that rises as in steps, and fixed scores with bursts. A call's score is the same whichever role gets it. */
const WEIGHTS = [0.1, 0.1, 0.1, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 0.75, 0.75, 0.97];
const SCORES = [0, 1, 1, 0.2, 0, 0.7, 1, 0, 0, 1, 0.4, 1];
const WORSE: CoinRule = { claim: 'worse', top: 1, guess: 0.1, canRestart: true };
const FINE: CoinRule = { claim: 'fine', top: 1, guess: 0.1, canRestart: false };

/** The mean wealth over all sequences of coins, weighted by their chances. A minute ends after every third call. */
function meanWorth(rule: CoinRule, n: number, read: (bet: CoinBet) => number): number {
  let mean = 0;
  for (let coins = 0; coins < 2 ** n; coins++) {
    const bet = new CoinBet(rule);
    let chance = 1;
    for (let i = 0; i < n; i++) {
      const weight = WEIGHTS[i] as number;
      const isCanary = ((coins >> i) & 1) === 1;
      chance *= isCanary ? weight : 1 - weight;
      bet.take(isCanary ? 'canary' : 'stable', weight, SCORES[i] as number);
      if (i % 3 === 2) bet.endMinute(true);
    }
    mean += chance * read(bet);
  }
  return mean;
}

describe('coin bet', () => {
  for (const n of [1, 6, 12]) {
    it(`is worth exactly 1 on average over all sequences of ${n} coins`, () => {
      assert.ok(Math.abs(meanWorth(WORSE, n, (bet) => bet.worth) - 1) < 1e-9);
      assert.ok(Math.abs(meanWorth(FINE, n, (bet) => bet.worth) - 1) < 1e-9);
    });
  }

  it('is worth at most 1 on average if its winnings in minutes in which stable is unusual are dropped', () => {
    const settled = meanWorth(FINE, 11, (bet) => bet.settled);
    assert.ok(settled <= 1, `${settled}`);
  });

  it('reaches 1/alpha in at most alpha of 2 000 runs without a difference, bursts or not', () => {
    const [runs, alpha] = [2_000, 0.01];
    let fired = 0;
    for (let seed = 1; seed <= runs; seed++) {
      const roll = dice(seed);
      const bet = new CoinBet({ ...WORSE, guess: 0.01 });
      for (let i = 0; i < 600; i++) {
        const share = i % 200 < 20 ? 0.5 : 0.01;
        bet.take(roll() < 0.1 ? 'canary' : 'stable', 0.1, roll() < share ? 1 : 0);
        if (i % 60 === 59) bet.endMinute(true);
      }
      if (bet.peak >= 1 / alpha) fired++;
    }
    // With a chance of alpha there would be more than 36 of 2 000 in only one of 1 000 repetitions.
    assert.ok(fired <= 36, `${fired}`);
  });

  it('does not win only because one role has more calls without a score', () => {
    const bet = new CoinBet({ ...WORSE, guess: 0.05 });
    const roll = dice(7);
    for (let i = 0; i < 20_000; i++) {
      const role = roll() < 0.1 ? 'canary' : 'stable';
      const isRefused = role === 'stable' && roll() < 0.5;
      bet.take(role, 0.1, isRefused ? null : roll() < 0.05 ? 1 : 0);
    }
    assert.ok(bet.peak < 50, `${bet.peak}`);
  });

  it('finds a role that always fails within five of its calls, and within ten after an hour', () => {
    for (const [minutes, most] of [
      [0, 5],
      [60, 10],
    ] as const) {
      const bet = new CoinBet({ ...WORSE, guess: 0.005 });
      const roll = dice(3);
      const pass = (share: (role: string) => number) => {
        const role = roll() < 0.1 ? 'canary' : 'stable';
        bet.take(role, 0.1, roll() < share(role) ? 1 : 0);
        return role;
      };
      for (let minute = 0; minute < minutes; minute++) {
        for (let i = 0; i < 400; i++) pass(() => 0.005);
        bet.endMinute(true);
      }
      let calls = 0;
      while (bet.peak < 250 && calls < 100) {
        if (pass((role) => (role === 'canary' ? 1 : 0.005)) === 'canary') calls++;
      }
      assert.ok(calls <= most, `${calls} calls after ${minutes} minutes`);
    }
  });

  it('does not bet if the assignment is not random', () => {
    const bet = new CoinBet(WORSE);
    for (const weight of [0, 1]) {
      for (let i = 0; i < 50; i++) bet.take(weight === 1 ? 'canary' : 'stable', weight, i % 2);
    }
    assert.equal(bet.peak, 1);
  });
});

describe('wealth', () => {
  it('is finite, and can fall again however often it won', () => {
    const wealth = new Wealth({ canRestart: true });
    for (let i = 0; i < 10_000; i++) wealth.bet(1, 0.1);
    const most = wealth.value;
    assert.ok(Number.isFinite(most) && most >= 1e12);
    for (let i = 0; i < 100; i++) wealth.bet(-0.1, 0.1);
    assert.ok(wealth.value < most / 2);
  });

  it('is not changed by a restart', () => {
    const wealth = new Wealth({ canRestart: true });
    for (let i = 0; i < 500; i++) wealth.restart();
    assert.ok(Math.abs(wealth.value - 1) < 1e-12);
  });
});
