import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sentence } from '../../../src/core/judge/sentence.ts';
import type { MetricVerdict } from '../../../src/core/judge/verdict.ts';

const FASTER: MetricVerdict = {
  metric: 'speed',
  judge: 'act',
  status: 'pass',
  stable: 3_400,
  canary: 2_900,
  effect: -0.14,
  low: -0.21,
  high: -0.06,
  margin: 0.15,
  passOdds: 2_412,
  passAt: 20,
  stepOdds: 1e6,
  stepAt: 20,
  failOdds: 1,
  failAt: 1_250,
};

describe('sentence', () => {
  it('has effect, range, limit and odds of a size', () => {
    assert.equal(
      sentence(FASTER, 'dedicated'),
      'endpoint 14 % faster (21 % faster to 6 % faster); limit 15 % slower; evidence 2 400 : 1',
    );
  });

  it('says how the step is if it fails after better steps', () => {
    assert.match(
      sentence({ ...FASTER, status: 'fail', canary: 6_800, effect: 0.08, low: -0.31, high: 0.69 }, 'dedicated'),
      /^endpoint 100 % slower in this step, 8 % slower in the whole rollout; limit 15 % slower; evidence against/,
    );
  });

  it('keeps the share in a failed step apart from the difference in the whole rollout', () => {
    const tail = { ...FASTER, metric: 'tail', status: 'fail', stable: 0, canary: 0.4706, margin: 0.02 } as const;
    assert.match(
      sentence({ ...tail, effect: 0, low: -0.03, high: 0.03 }, 'dedicated'),
      /^slow calls 47\.06 % against 0\.00 % in this step \(difference in the whole rollout \+0\.00 points\); limit/,
    );
  });

  it('leaves out a range that would contradict the evidence of a failure', () => {
    const tools = { ...FASTER, metric: 'tools', status: 'fail', stable: 0, canary: 0.1757, margin: 0.02 } as const;
    const odds = { failOdds: 1e12, failAt: 3_200 };
    assert.equal(
      sentence({ ...tools, ...odds, effect: 0.1757, low: -0.1412, high: 0.4925 }, 'dedicated'),
      'broken tool calls 17.57 % against 0.00 % (difference +17.57 points); limit +2.00 points; evidence against it over 1 000 000 000 : 1 (limit 3 200 : 1)',
    );
    assert.match(
      sentence({ ...FASTER, status: 'fail', canary: 4_400, effect: 0.3, low: 0.1, high: 0.5 }, 'dedicated'),
      /^endpoint 30 % slower; limit/,
    );
    assert.match(
      sentence({ ...FASTER, status: 'fail', canary: 4_400, effect: 0.3, low: 0.2, high: 0.5 }, 'dedicated'),
      /^endpoint 30 % slower \(20 % slower to 50 % slower\); limit/,
    );
  });

  it('counts what the evidence counts', () => {
    const format = { ...FASTER, metric: 'format', status: 'open', stable: 0, canary: 0, effect: null } as const;
    const say = (few: MetricVerdict['few']) => sentence({ ...format, ...(few && { few }) }, 'dedicated');
    assert.match(say({ seen: 1, needed: 904 }), /; 1 call demanded JSON, about 900 are needed to tell$/);
    assert.match(say({ seen: 18, needed: 904, units: 'agent' }), /; 18 agents demanded JSON, about 900/);
    assert.match(
      say({ seen: 30, needed: 904, units: 'session', pairs: 12 }),
      /; 18 conversations and 12 copied calls demanded JSON, about 900/,
    );
  });

  it('says what a pass still needs, from the kind of evidence that is furthest from it', () => {
    assert.match(
      sentence({ ...FASTER, status: 'open', stepOdds: 3.21 }, 'dedicated'),
      /evidence 3\.2 : 1 of 20 : 1 in this step$/,
    );
    assert.match(
      sentence({ ...FASTER, status: 'open', passOdds: 0.0481 }, 'dedicated'),
      /evidence 0\.05 : 1 of 20 : 1$/,
    );
  });

  it('has both levels, the difference and the limit of a share', () => {
    const faults = { ...FASTER, metric: 'faults', stable: 0.001, canary: 0.102, margin: 0.01 } as const;
    assert.equal(
      sentence(
        { ...faults, effect: 0.099, low: 0.05, high: 0.15, status: 'fail', failOdds: 700, failAt: 250 },
        'dedicated',
      ),
      'faults 10.20 % against 0.10 % (difference +9.90 points, +5.00 points to +15.00 points); limit +1.00 points; evidence against it 700 : 1 (limit 250 : 1)',
    );
  });

  it('has the difference of a share while a step has no calls of its own, but not if its range is useless', () => {
    const tail = { ...FASTER, metric: 'tail', stable: null, canary: null, effect: 0.06, margin: 0.01 } as const;
    assert.match(
      sentence({ ...tail, low: 0.04, high: 0.08 }, 'dedicated'),
      /^slow calls: difference \+6\.00 points, \+4\.00 points to/,
    );
    assert.match(sentence({ ...tail, low: -1, high: 1 }, 'dedicated'), /^slow calls: no comparison yet; limit/);
  });

  it('says so if there is nothing to compare, or no difference', () => {
    const none = { effect: null, low: null, high: null, stable: null, canary: null };
    assert.match(sentence({ ...FASTER, ...none }, 'dedicated'), /^endpoint: no comparison yet; limit 15 % slower/);
    assert.match(
      sentence({ ...FASTER, metric: 'tail', ...none }, 'dedicated'),
      /^slow calls: no comparison yet; limit \+15/,
    );
    assert.match(sentence({ ...FASTER, metric: 'length', effect: 0.0001 }, 'dedicated'), /^answers equally long/);
  });
});
