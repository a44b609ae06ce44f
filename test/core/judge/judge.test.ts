import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { Judge } from '../../../src/core/judge/judge.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import type { JudgePolicy } from '../../../src/core/policy/judge.ts';
import { learnProfile } from '../../../src/core/judge/profile.ts';
import type { MetricVerdict, Verdict } from '../../../src/core/judge/verdict.ts';
import { answer, feed, judged, judgedCalls, pastCalls, profile } from '../../support/judged.ts';
import type { Manner, Traffic } from '../../support/judged.ts';
import { dice } from '../../support/dice.ts';

const STEPS = [0.1, 0.25, 0.5, 0.75, 0.97];
const POLICY = POLICY_DEFAULTS.judge;

function newJudge(policy: JudgePolicy = POLICY): Judge {
  return new Judge(profile(), policy, STEPS, 'call', 'dedicated');
}

function verdictAfter(...spans: readonly Traffic[]): Verdict {
  const judge = newJudge();
  for (const span of spans) feed(judge, judgedCalls(span));
  return judge.verdict(spans.at(-1)?.step ?? 1);
}

function metricOf(verdict: Verdict, name: string): MetricVerdict {
  return verdict.metrics.find(({ metric }) => metric === name) as MetricVerdict;
}

/** Canary calls until the verdict is `fail`: the median of some seeds. */
function callsUntilBack(canary: Manner, quiet = 0): number {
  const counts = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((seed) => {
    const judge = newJudge();
    feed(judge, judgedCalls({ minutes: quiet, weight: 0.1, seed }));
    const calls = judgedCalls({ minutes: 30, weight: 0.1, canary, seed: seed + 100, fromMinute: 1_000 + quiet });
    return feed(judge, calls, () => judge.verdict(1).status === 'fail');
  });
  return counts.toSorted((a, b) => a - b)[4] as number;
}

describe('Judge', () => {
  it('passes an endpoint that is as good, once each acting metric has its evidence', () => {
    const verdict = verdictAfter({ minutes: 60, weight: 0.1 });
    assert.equal(verdict.status, 'pass', verdict.summary);
    assert.equal(verdict.cause, null);
    for (const metric of verdict.metrics) assert.equal(metric.status, 'pass', metric.metric);
    assert.deepEqual(verdict.taken, { early: 24_000, full: 24_000, pairs: 0 });
    assert.ok(verdict.canaryCalls > 2_200 && verdict.canaryCalls + verdict.stableCalls <= 24_000);
  });

  it('says `no data` before there are calls', () => {
    const verdict = newJudge().verdict(1);
    assert.equal(verdict.status, 'no data');
    assert.equal(metricOf(verdict, 'speed').effect, null);
  });

  it('finds a dead endpoint within 5 of its calls, and within 10 after a quiet hour', () => {
    assert.ok(callsUntilBack({ faults: 1 }) <= 5);
    assert.ok(callsUntilBack({ faults: 1 }, 60) <= 10);
  });

  it('finds faults of 10 % and doubled latency within 65 of its calls', () => {
    const [faults, slow] = [callsUntilBack({ faults: 0.1 }), callsUntilBack({ slower: 2 })];
    assert.ok(faults <= 65, `${faults}`);
    assert.ok(slow <= 65, `${slow}`);
  });

  it('names the metric that fails', () => {
    const verdict = verdictAfter({ minutes: 30, weight: 0.1, canary: { faults: 0.1 } });
    assert.equal(verdict.status, 'fail');
    assert.equal(verdict.cause, 'faults');
    assert.match(verdict.summary, /^faults 9\.\d\d % against 0\.\d\d %/);
  });

  it('does not pass what is beyond a margin: slower, shorter or longer', () => {
    for (const canary of [{ slower: 1.3 }, { longer: 0.7 }, { longer: 1.4 }]) {
      const verdict = verdictAfter({ minutes: 60, weight: 0.1, canary });
      assert.ok(verdict.status === 'inconclusive' || verdict.status === 'fail', verdict.status);
    }
  });

  it('needs evidence from each step itself', () => {
    const first: Traffic = { minutes: 60, weight: 0.1 };
    const next = (canary: Manner) =>
      verdictAfter(first, { minutes: 10, weight: 0.5, step: 2, fromMinute: 1_060, seed: 2, canary });
    assert.equal(next({}).status, 'pass');
    assert.notEqual(next({ slower: 1.4 }).status, 'pass');
    const verdict = verdictAfter(first, { minutes: 1, weight: 0.5, step: 2, fromMinute: 1_060, seed: 2 });
    assert.equal(verdict.status, 'inconclusive');
    assert.ok(metricOf(verdict, 'speed').passOdds >= 20 && metricOf(verdict, 'speed').stepOdds < 20);
  });

  it('does not pass an endpoint that is 30 % slower because serverless is worse for some minutes', () => {
    const canary = { slower: 1.3 };
    for (const stable of [{ slower: 3 }, { faults: 0.3 }]) {
      const judge = newJudge();
      feed(judge, judgedCalls({ minutes: 5, weight: 0.1, canary }));
      let passes = 0;
      const isPass = () => {
        if (judge.verdict(1).status === 'pass') passes++;
        return false;
      };
      feed(judge, judgedCalls({ minutes: 10, weight: 0.1, canary, stable, fromMinute: 1_005, seed: 2 }), isPass);
      feed(judge, judgedCalls({ minutes: 30, weight: 0.1, canary, fromMinute: 1_015, seed: 3 }), isPass);
      assert.equal(passes, 0);
    }
  });

  it('counts refusals by the endpoint as faults, but not those by serverless', () => {
    const judge = newJudge();
    const roll = dice(5);
    feed(judge, refusing('stable', roll));
    assert.notEqual(judge.verdict(1).status, 'fail');
    assert.equal(metricOf(judge.verdict(1), 'faults').stable, 0);
    feed(judge, refusing('canary', roll));
    assert.equal(judge.verdict(1).cause, 'faults');
  });

  function* refusing(refused: string, roll: () => number) {
    for (const call of judgedCalls({ minutes: 5, weight: 0.1, stable: { faults: 0 }, canary: { faults: 0 } })) {
      const isRefused = call.role === refused && roll() < 0.2;
      yield isRefused ? judged({ ...call, outcome: 'rate_limited', durationUs: 9_000, knownAfterUs: 9_000 }) : call;
    }
  }

  it('is unhealthy if the split is wrong, or if one role rejects more requests', () => {
    const split = verdictAfter({ minutes: 5, weight: 0.1, chance: 0.2 });
    assert.deepEqual([split.status, split.cause], ['unhealthy', 'split']);
    const rejected = verdictAfter({ minutes: 10, weight: 0.1, canary: { rejects: 0.1 } });
    assert.deepEqual([rejected.status, rejected.cause], ['unhealthy', 'rejections']);
    const both = verdictAfter({ minutes: 10, weight: 0.1, canary: { rejects: 0.1 }, stable: { rejects: 0.1 } });
    assert.equal(both.status, 'inconclusive');
  });

  it('counts calls that do not end in time as the slowest, and so finds an endpoint that hangs', () => {
    const judge = newJudge();
    const calls = [...judgedCalls({ minutes: 10, weight: 0.1 })];
    const hung = calls.map((call) =>
      call.role === 'canary' ? judged({ ...call, outcome: null, durationUs: 60e6, outputTokens: null }) : call,
    );
    const count = feed(judge, hung, () => judge.verdict(1).status === 'fail');
    assert.ok(count <= 15, `${count}`);
  });

  it('uses shadow pairs as evidence: a bad endpoint fails, a good one needs less time later', () => {
    const shadow = (canary: Manner, seed: number) => {
      const judge = newJudge();
      const roll = dice(seed);
      for (let i = 0; i < 1_000; i++) {
        const arrivedAtUs = 990 * 60e6 + i * 600_000;
        const side = (role: 'stable' | 'canary', manner: Manner) =>
          judged({ ...answer(roll, manner), arrivedAtUs, role, step: 0, weight: 0 });
        judge.pair(side('stable', {}), side('canary', canary), null);
      }
      return judge;
    };
    const bad = shadow({ faults: 0.3 }, 1).verdict(0);
    assert.deepEqual([bad.status, bad.cause], ['fail', 'faults']);
    assert.equal(shadow({ slower: 2 }, 2).verdict(0).cause, 'speed');
    const judge = shadow({}, 3);
    feed(judge, judgedCalls({ minutes: 20, weight: 0.1 }));
    const alone = metricOf(verdictAfter({ minutes: 20, weight: 0.1 }), 'speed').passOdds;
    assert.ok(metricOf(judge.verdict(1), 'speed').passOdds > alone);
    assert.equal(judge.verdict(1).taken.pairs, 1_000);
  });

  it('learns from a pair of a step only what no call by itself can show', () => {
    const pairs = (judge: Judge, step: number) => {
      const roll = dice(4);
      const agreement = { finish: true, tools: null, args: null, text: 0.25, cosine: null };
      for (let i = 0; i < 200; i++) {
        const side = (role: 'stable' | 'canary', manner: Manner) =>
          judged({ ...answer(roll, manner), arrivedAtUs: 990 * 60e6 + i * 600_000, role, step, weight: 0.5 });
        const canary = side('canary', { faults: 0.5, slower: 5 });
        judge.pair(side('stable', {}), canary, canary.outcome === 'ok' ? agreement : null);
      }
      return judge.verdict(step);
    };
    const [before, within] = [pairs(newJudge(), 0), pairs(newJudge(), 1)];
    assert.deepEqual([before.status, before.cause], ['fail', 'faults']);
    assert.deepEqual([within.status, within.canaryCalls, within.taken.pairs], ['no data', 0, 200]);
    const told = ({ metrics }: Verdict) => metrics.filter(({ canary }) => canary !== null).map(({ metric }) => metric);
    assert.deepEqual(told(within), ['promptTokens', 'agreement']);
    assert.deepEqual(metricOf(within, 'agreement'), metricOf(before, 'agreement'));
    assert.deepEqual(metricOf(within, 'promptTokens'), metricOf(before, 'promptTokens'));
  });

  it('does not hold for a metric that only advises, or that the route does not have', () => {
    const metrics = { ...POLICY.metrics, length: { ...POLICY.metrics.length, judge: 'advise' as const } };
    const judge = newJudge({ ...POLICY, metrics });
    feed(judge, judgedCalls({ minutes: 40, weight: 0.1, canary: { longer: 0.3 } }));
    assert.equal(judge.verdict(1).status, 'pass', judge.verdict(1).summary);
    assert.equal(metricOf(judge.verdict(1), 'length').judge, 'advise');

    const mute = { firstTokenUs: null, promptTokens: null, outputTokens: null };
    const silent = new Judge(
      learnProfile(
        pastCalls(8).map((call) => ({ ...call, ...mute })),
        'serverless',
      ),
      POLICY,
      STEPS,
      'call',
      'dedicated',
    );
    feed(
      silent,
      [...judgedCalls({ minutes: 90, weight: 0.1 })].map((call) => judged({ ...call, ...mute })),
    );
    assert.equal(metricOf(silent.verdict(1), 'length').judge, 'advise');
    assert.equal(metricOf(silent.verdict(1), 'speed').judge, 'act');
    assert.equal(silent.verdict(1).status, 'pass', silent.verdict(1).summary);
  });

  it('shows levels and effects in the units of each metric', () => {
    const verdict = verdictAfter({ minutes: 30, weight: 0.25, canary: { slower: 0.8 } });
    const speed = metricOf(verdict, 'speed');
    assert.ok((speed.stable as number) > 1_000 && (speed.stable as number) < 1_600, `${speed.stable}`);
    assert.ok(Math.abs((speed.effect as number) + 0.2) < 0.03, `${speed.effect}`);
    assert.ok((speed.low as number) < -0.2 && (speed.high as number) > -0.2);
    const perToken = metricOf(verdict, 'perToken');
    assert.ok((perToken.stable as number) > 8 && (perToken.stable as number) < 13, `${perToken.stable}`);
    assert.ok(Math.abs((metricOf(verdict, 'faults').stable as number) - 0.005) < 0.004);
    assert.match(verdict.summary, /: 1$/);
  });

  it('judges a minute of 60,000 calls in less than three seconds of processor time', () => {
    const calls = [...judgedCalls({ minutes: 1, perMinute: 60_000, weight: 0.5 })];
    const judge = newJudge();
    const begun = process.cpuUsage();
    feed(judge, calls);
    const ms = process.cpuUsage(begun).user / 1e3;
    assert.ok(ms < 3_000, `${ms} ms for a minute of them`);
  });
});

describe('laws of the judge', () => {
  const manner = fc.record({
    slower: fc.constantFrom(0.8, 1, 1.3, 3),
    faults: fc.constantFrom(0, 0.01, 0.2, 1),
    longer: fc.constantFrom(0.5, 1),
    rejects: fc.constantFrom(0, 0.1),
  });
  const traffic = fc.record({
    minutes: fc.constantFrom(1, 3, 12),
    weight: fc.constantFrom(0, 0.1, 0.5, 0.97, 1),
    perMinute: fc.constantFrom(5, 40, 200),
    stable: manner,
    canary: manner,
    seed: fc.nat(1_000),
  });

  it('gives the same JSON for the same calls, of finite numbers', () => {
    fc.assert(
      fc.property(traffic, (span) => {
        const [once, again] = [verdictAfter(span), verdictAfter(span)];
        assert.equal(JSON.stringify(once), JSON.stringify(again));
        assert.deepEqual(JSON.parse(JSON.stringify(once)), once);
      }),
      { numRuns: 40 },
    );
  });

  it('passes only with data, and if every acting metric passed', () => {
    fc.assert(
      fc.property(traffic, (span) => {
        const verdict = verdictAfter(span);
        if (verdict.status !== 'pass') return;
        assert.ok(verdict.canaryCalls > 0 && verdict.stableCalls > 0);
        for (const metric of verdict.metrics) {
          if (metric.judge === 'act') assert.ok(metric.passOdds >= metric.passAt && metric.stepOdds >= metric.stepAt);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('stays at `fail`, whatever calls follow', () => {
    fc.assert(
      fc.property(traffic, (span) => {
        const judge = newJudge();
        feed(judge, judgedCalls({ minutes: 2, weight: 0.5, canary: { faults: 0.5 } }));
        feed(judge, judgedCalls({ ...span, fromMinute: 1_002 }));
        assert.equal(judge.verdict(1).status, 'fail');
      }),
      { numRuns: 20 },
    );
  });

  it('never passes a canary with more faults if it does not pass it with fewer', () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.constantFrom(0.05, 0.2, 0.6), (seed, faults) => {
        const span = { minutes: 30, weight: 0.5, seed };
        const calls = [...judgedCalls(span)];
        const roll = dice(seed + 5);
        const worse = calls.map((call) =>
          call.role === 'canary' && roll() < faults ? judged({ ...call, outcome: 'server_error' }) : call,
        );
        const [before, after] = [newJudge(), newJudge()];
        feed(before, calls);
        feed(after, worse);
        const [odds, oddsAfter] = [before, after].map((judge) => metricOf(judge.verdict(1), 'faults').passOdds);
        assert.ok((oddsAfter as number) <= (odds as number));
        assert.notEqual(after.verdict(1).status, 'pass');
      }),
      { numRuns: 10 },
    );
  });

  it('works without any history', () => {
    const judge = new Judge(learnProfile([], 'serverless'), POLICY, STEPS, 'call', 'dedicated');
    feed(judge, judgedCalls({ minutes: 10, weight: 0.1, canary: { faults: 0.5 } }));
    assert.equal(judge.verdict(1).cause, 'faults');
  });
});
