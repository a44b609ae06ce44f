import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { learnProfile, logScore } from '../../../src/core/judge/profile.ts';
import { predict } from '../../../src/core/judge/latency-model.ts';
import { learnDrift } from '../../../src/core/judge/level-drift.ts';
import { dice, normal } from '../../support/dice.ts';
import { answer, pastCalls, profile } from '../../support/judged.ts';

function isNear(found: number, known: number, part: number): void {
  assert.ok(Math.abs(found - known) <= part * known, `${found} instead of ${known}`);
}

describe('learnDrift', () => {
  it('has a number for calls that all take the same time', () => {
    for (const z of [0.1, 1 / 3, Math.log(0.7), 1e-3]) {
      for (let n = 2; n <= 12; n++) {
        const scores = Array.from({ length: 30 * n }, (_, i) => ({ arrivedAtUs: (i * 60e6) / n, z }));
        assert.ok(learnDrift(scores, 0.5).spread > 0, `${n} calls a minute of ${z}`);
      }
    }
  });
});

describe('learnProfile', () => {
  it('finds how much time of a call each prompt token and each output token takes', () => {
    const roll = dice(2);
    const history = Array.from({ length: 4_000 }, (_, i) => {
      const promptTokens = Math.round(1_000 * Math.exp(normal(roll)));
      const outputTokens = Math.round(200 * Math.exp(0.7 * normal(roll)));
      const firstTokenUs = (400_000 + 100 * promptTokens) * Math.exp(0.2 * normal(roll));
      const durationUs = (400_000 + 100 * promptTokens + 15_000 * outputTokens) * Math.exp(0.2 * normal(roll));
      return {
        arrivedAtUs: i * 1e5,
        durationUs,
        outcome: 'ok' as const,
        firstTokenUs,
        promptTokens,
        outputTokens,
        isEmpty: null,
      };
    });
    const { latency, firstToken } = learnProfile(history, 'serverless');
    isNear(latency.perOutputTokenUs, 15_000, 0.05);
    isNear(predict(latency, 4_000, 50), 1_550_000, 0.08);
    isNear(firstToken.fixedUs, 400_000, 0.1);
    isNear(firstToken.perPromptTokenUs, 100, 0.1);
  });

  it('centres the scores of serverless itself', () => {
    const roll = dice(9);
    for (const size of ['speed', 'firstToken', 'perToken'] as const) {
      let sum = 0;
      for (let i = 0; i < 2_000; i++) {
        const call = answer(roll, { faults: 0 });
        sum += logScore(size, { ...call, durationUs: call.durationUs }, profile()) as number;
      }
      assert.ok(Math.abs(sum / 2_000) < 0.05, `${size} ${sum / 2_000}`);
    }
  });

  it('has the traffic, the shares, and which metrics calls have', () => {
    const { calls, spanMs, callsPerMinute, shares, covered, typical, tauUs, slowRatio } = profile();
    assert.equal(calls, 8 * 3_600);
    isNear(spanMs, 8 * 3_600_000, 0.001);
    isNear(callsPerMinute, 60, 0.01);
    isNear(shares.faults, 0.005, 0.3);
    assert.ok(shares.tail < 0.006 && slowRatio >= 2.5, `${shares.tail} ${slowRatio}`);
    assert.deepEqual([typical.promptTokens, covered.perToken > 0.9, tauUs], [500, true, 30e6]);
  });

  it('does not take the refusals of serverless for faults', () => {
    const refused = pastCalls(1).map((call, i) => (i % 5 === 0 ? { ...call, outcome: 'rate_limited' as const } : call));
    assert.ok(learnProfile(refused, 'serverless').shares.faults < 0.01);
  });

  it('is plain JSON, whatever the order of calls, and with none at all', () => {
    const calls = pastCalls(1);
    const learned = learnProfile(calls, 'serverless');
    assert.deepEqual(JSON.parse(JSON.stringify(learned)), learned);
    assert.deepEqual(learnProfile(calls.toReversed(), 'serverless'), learned);
    for (const few of [[], calls.slice(0, 1), calls.slice(0, 30)]) {
      const { drift, shares, ...rest } = learnProfile(few, 'serverless');
      assert.deepEqual(drift.speed, { sigma: 0.1, phi: 0.9 });
      assert.ok(shares.faults > 0 && rest.slowRatio >= 2.5 && rest.latency.fixedUs > 0);
      assert.deepEqual(JSON.parse(JSON.stringify(rest)), rest);
    }
  });
});

describe('learnDrift', () => {
  /** Minutes of 60 calls whose level is an AR(1) process. */
  function wander(minutes: number, sigma: number, phi: number, seed: number) {
    const roll = dice(seed);
    let level = sigma * normal(roll);
    return Array.from({ length: minutes }, (_, minute) => {
      level = phi * level + sigma * Math.sqrt(1 - phi * phi) * normal(roll);
      return Array.from({ length: 60 }, (_, i) => ({
        arrivedAtUs: (minute * 60 + i) * 1e6,
        z: level + 0.3 * normal(roll),
      }));
    }).flat();
  }

  function middle(minutes: number, sigma: number, phi: number) {
    const all = [1, 2, 3, 4, 5, 6, 7].map((seed) => learnDrift(wander(minutes, sigma, phi, seed), 0.5).drift);
    const at = (read: (of: { sigma: number; phi: number }) => number) =>
      all.map(read).toSorted((a, b) => a - b)[3] as number;
    return { sigma: at((of) => of.sigma), phi: at((of) => of.phi) };
  }

  it('finds how far and how long a level wanders', () => {
    const { sigma, phi } = middle(600, 0.1, 0.9);
    isNear(sigma, 0.1, 0.25);
    isNear(phi, 0.9, 0.05);
  });

  it('assumes more drift than it saw if it saw less than six hours', () => {
    const [short, long] = [middle(90, 0.1, 0.9), middle(600, 0.1, 0.9)];
    const spread = ({ sigma, phi }: { sigma: number; phi: number }) => (sigma * sigma * (1 + phi)) / (1 - phi);
    assert.ok(spread(short) > spread(long), `${spread(short)} ${spread(long)}`);
  });

  it('never assumes that a level does not drift', () => {
    assert.deepEqual(middle(600, 0, 0), { sigma: 0.03, phi: 0.8 });
  });
});
