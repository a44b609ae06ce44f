import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LevelTest, rhoAfter } from '../../../src/core/stats/level.ts';
import { dice, normal } from '../../support/dice.ts';

const DRIFT = { sigma: 0.08, phi: 0.85 };
const NOISE = 0.004;

/** Block differences of a level that wanders around `mean`. */
function* differences(mean: number, minutes: number, seed: number): Generator<number> {
  const roll = dice(seed);
  let level = DRIFT.sigma * normal(roll);
  for (let minute = 0; minute < minutes; minute++) {
    yield mean + level + Math.sqrt(NOISE) * normal(roll);
    level = DRIFT.phi * level + DRIFT.sigma * Math.sqrt(1 - DRIFT.phi ** 2) * normal(roll);
  }
}

describe('level test', () => {
  it('reaches 1/alpha in at most alpha of 2 000 runs at the margin, however the level wanders', () => {
    const rho = rhoAfter(45, NOISE, DRIFT, 0.05);
    let fired = 0;
    for (let seed = 1; seed <= 2_000; seed++) {
      const test = new LevelTest();
      for (const d of differences(0, 120, seed)) {
        test.add(d, NOISE, 1, DRIFT);
        if (test.logOdds(-1, rho) >= Math.log(20)) {
          fired++;
          break;
        }
      }
    }
    // With a chance of 5 % there would be more than 131 of 2 000 in only one of 1 000 repetitions.
    assert.ok(fired <= 131, `${fired}`);
  });

  it('does not reach it more often if it is aimed at an effect', () => {
    const rho = rhoAfter(45, NOISE, DRIFT, 0.05);
    let fired = 0;
    for (let seed = 1; seed <= 2_000; seed++) {
      const test = new LevelTest();
      for (const d of differences(0, 120, seed)) {
        test.add(d, NOISE, 1, DRIFT);
        if (test.logOddsAimed(-1, rho, 0.11) >= Math.log(20)) {
          fired++;
          break;
        }
      }
    }
    assert.ok(fired <= 131, `${fired}`);
  });

  it('is quicker if the effect is the one that it is aimed at', () => {
    const rho = rhoAfter(45, NOISE, DRIFT, 0.05);
    const minutes = { plain: 0, aimed: 0 };
    for (let seed = 1; seed <= 200; seed++) {
      for (const kind of ['plain', 'aimed'] as const) {
        const test = new LevelTest();
        for (const d of differences(-0.14, 600, seed)) {
          test.add(d, NOISE, 1, DRIFT);
          minutes[kind]++;
          const odds = kind === 'plain' ? test.logOdds(-1, rho) : test.logOddsAimed(-1, rho, 0.11);
          if (odds >= Math.log(20)) break;
        }
      }
    }
    assert.ok(minutes.aimed < 0.95 * minutes.plain, `${minutes.aimed} and ${minutes.plain}`);
  });

  it('finds the mean, and covers it with its range', () => {
    let covered = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const test = new LevelTest();
      for (const d of differences(0.2, 90, seed)) test.add(d, NOISE, 1, DRIFT);
      const range = test.range(rhoAfter(30, NOISE, DRIFT, 0.025), 0.05);
      assert.ok(range !== null && Math.abs(range.mean - 0.2) < 0.15);
      if (range.low <= 0.2 && range.high >= 0.2) covered++;
    }
    assert.ok(covered >= 188, `${covered}`);
  });

  it('has a V that grows per minute by 1 over the long-run variance', () => {
    const test = new LevelTest();
    const at: number[] = [];
    for (let minute = 0; minute < 400; minute++) {
      test.add(0, NOISE, 1, DRIFT);
      at.push(test.v);
    }
    const perMinute = ((at[399] as number) - (at[199] as number)) / 200;
    const longRun = NOISE + (DRIFT.sigma ** 2 * (1 + DRIFT.phi)) / (1 - DRIFT.phi);
    assert.ok(Math.abs(perMinute * longRun - 1) < 0.01, `${perMinute * longRun}`);
  });

  it('has no range without data', () => {
    assert.equal(new LevelTest().range(1, 0.05), null);
  });
});
