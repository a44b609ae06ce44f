import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { FormMetricJudge } from '../../../src/core/judge/form-metric.ts';
import { scoreCall } from '../../../src/core/judge/scores.ts';
import type { Scores } from '../../../src/core/judge/scores.ts';
import type { JudgedCall, MetricVerdict } from '../../../src/core/judge/verdict.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { FORM_METRICS } from '../../../src/core/policy/judge.ts';
import type { FormMetric, MetricPolicy } from '../../../src/core/policy/judge.ts';
import type { Affinity, Role } from '../../../src/core/route.ts';
import { dice } from '../../support/dice.ts';
import { formOf, PLAIN_FORM } from '../../support/forms.ts';
import type { FormManner } from '../../support/forms.ts';
import { judged, profile } from '../../support/judged.ts';

const PROFILE = profile();

function scored(call: JudgedCall): Scores {
  return scoreCall(call, PROFILE, 0, 'dedicated');
}

interface Wish {
  readonly bet?: number;
  readonly policy?: Partial<MetricPolicy>;
  readonly affinity?: Affinity;
}

/** A metric that rolls back at the odds `bet`. */
function metricOf(name: FormMetric, { bet = 1_250, policy = {}, affinity = 'call' }: Wish = {}) {
  const own = { ...(POLICY_DEFAULTS.judge.metrics[name] as MetricPolicy), ...policy };
  const failAt = { bet, early: bet, gate: bet, gateStep: bet };
  return new FormMetricJudge(name, own, PROFILE, { failAt, weight: 0.1, affinity });
}

interface Span {
  readonly calls: number;
  readonly weight?: number;
  readonly stable?: FormManner;
  readonly canary?: FormManner;
  readonly seed?: number;
}

/** Gives calls of one step to a metric, 400 a minute. `look` is asked after each call; true ends it. */
function feed(metric: FormMetricJudge, span: Span, look: () => boolean = () => false): number {
  const { calls, weight = 0.1, stable = {}, canary = {}, seed = 1 } = span;
  const roll = dice(seed);
  for (let i = 0; i < calls; i++) {
    const role: Role = roll() < weight ? 'canary' : 'stable';
    const call = judged({ role, weight, form: formOf(roll, role === 'canary' ? canary : stable) });
    metric.take(call, scored(call));
    if (i % 400 === 399) metric.endMinute(i / 400, true);
    if (look()) return i + 1;
  }
  return calls;
}

function read(metric: FormMetricJudge, passAt = 20): MetricVerdict | null {
  return metric.read({ passAt, stepAt: passAt, isCurrent: true, earlyOdds: 1 });
}

/** How often a metric says so within the calls, of so many runs. */
function shareOf(runs: number, run: (seed: number) => boolean): number {
  return Array.from({ length: runs }, (_, i) => run(i + 1)).filter(Boolean).length / runs;
}

describe('a metric of the form of answers', () => {
  const worse: readonly [FormMetric, FormManner, RegExp | undefined][] = [
    ['tools', { broken: 0.24 }, undefined],
    ['format', { badJson: 0.5 }, undefined],
    ['finish', { calls: 0 }, /calls/],
    ['finish', { calls: 1 }, /calls/],
    ['finish', { cut: 0.3 }, /cut/],
    ['leak', { leak: 0.2 }, undefined],
    ['reasoning', { reasoning: 0 }, undefined],
    ['reasoning', { reasoning: 1 }, undefined],
  ];
  for (const [name, canary, part] of worse) {
    it(`${name} fails on ${JSON.stringify(canary)}`, () => {
      const metric = metricOf(name);
      feed(metric, { calls: 12_000, canary });
      const verdict = read(metric);
      assert.equal(verdict?.status, 'fail', JSON.stringify(verdict));
      if (part !== undefined) assert.match(verdict?.part ?? '', part);
    });
  }

  for (const name of FORM_METRICS) {
    it(`${name} passes if both sides are alike`, () => {
      const metric = metricOf(name);
      feed(metric, { calls: 60_000, weight: 0.25 });
      const verdict = read(metric);
      assert.equal(verdict?.status, 'pass', JSON.stringify(verdict));
    });
  }

  it('passes an endpoint with fewer broken calls and less bad JSON', () => {
    for (const name of ['tools', 'format'] as const) {
      const metric = metricOf(name);
      feed(metric, {
        calls: 30_000,
        weight: 0.25,
        stable: { broken: 0.24, badJson: 0.2 },
        canary: { broken: 0, badJson: 0 },
      });
      assert.equal(read(metric)?.status, 'pass', name);
    }
  });

  it('rolls back an endpoint at its rollback margin no more often than the odds allow', () => {
    // Odds of 6 for a single bet: at most one in six, plus three standard deviations of 200 runs.
    const limit = 1 / 6 + 3 * Math.sqrt(((1 / 6) * (5 / 6)) / 200);
    const rollbackMargin = 0.1;
    const cases: readonly [FormMetric, FormManner, FormManner][] = [
      ['tools', { offers: 1, calls: 1, broken: 0.05 }, { offers: 1, calls: 1, broken: 0.15 }],
      ['reasoning', { reasoning: 0.5 }, { reasoning: 0.4 }],
      ['leak', { leak: 0.05 }, { leak: 0.15 }],
    ];
    for (const [name, stable, canary] of cases) {
      const share = shareOf(200, (seed) => {
        const metric = metricOf(name, { bet: 6, policy: { rollbackMargin } });
        feed(metric, { calls: 800, weight: 0.5, stable, canary, seed });
        return read(metric)?.status === 'fail';
      });
      assert.ok(share <= limit, `${name}: ${share} of the runs`);
    }
  });

  it('passes an endpoint at its margin no more often than the odds allow', () => {
    const limit = 1 / 6 + 3 * Math.sqrt(((1 / 6) * (5 / 6)) / 200);
    const cases: readonly [FormMetric, FormManner, FormManner][] = [
      ['tools', { offers: 1, calls: 1, broken: 0.05 }, { offers: 1, calls: 1, broken: 0.15 }],
      ['reasoning', { reasoning: 0.5 }, { reasoning: 0.6 }],
    ];
    for (const [name, stable, canary] of cases) {
      const share = shareOf(200, (seed) => {
        const metric = metricOf(name, { bet: 1e9, policy: { margin: 0.1 } });
        let hasPassed = false;
        feed(metric, { calls: 800, weight: 0.5, stable, canary, seed }, () => {
          hasPassed ||= (read(metric, 6)?.passOdds ?? 0) >= 6;
          return hasPassed;
        });
        return hasPassed;
      });
      assert.ok(share <= limit, `${name}: ${share} of the runs`);
    }
  });

  it('has less evidence for a pass the more calls are broken', () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.constantFrom(0.05, 0.2, 0.6), (seed, broken) => {
        const oddsAt = (more: number) => {
          const roll = dice(seed + 9);
          const metric = metricOf('tools');
          const calls = dice(seed);
          for (let i = 0; i < 4_000; i++) {
            const role: Role = calls() < 0.5 ? 'canary' : 'stable';
            const form = formOf(calls, { offers: 1, calls: 1 });
            const isWorse = roll() < more && role === 'canary' && form.tools !== null;
            const tools = isWorse && form.tools !== null ? { ...form.tools, schema: 'bad' as const } : form.tools;
            const call = judged({ role, weight: 0.5, form: { ...form, tools } });
            metric.take(call, scored(call));
          }
          metric.endMinute(1, true);
          return read(metric)?.passOdds ?? 0;
        };
        assert.ok(oddsAt(broken) <= oddsAt(0));
      }),
      { numRuns: 8 },
    );
  });

  it('finds template tokens within a handful of pairs, and one pair is no proof', () => {
    const pairsUntil = (leaks: (i: number) => boolean) => {
      const metric = metricOf('leak', { bet: 3_250 });
      const roll = dice(2);
      for (let i = 0; i < 200; i++) {
        const side = (role: Role, leak: number) => scored(judged({ role, form: formOf(roll, { leak }) }));
        metric.pair(side('stable', 0), side('canary', leaks(i) ? 1 : 0));
        if (read(metric)?.status === 'fail') return i + 1;
      }
      return null;
    };
    assert.ok((pairsUntil(() => true) ?? 99) <= 4);
    assert.ok((pairsUntil((i) => i % 4 === 0) ?? 99) <= 24);
    assert.equal(
      pairsUntil((i) => i === 0),
      null,
    );
  });

  it('does not blame the endpoint for template tokens that both sides write', () => {
    const metric = metricOf('leak', { bet: 3_250 });
    const roll = dice(8);
    for (let i = 0; i < 400; i++) {
      const side = (role: Role) => scored(judged({ role, form: formOf(roll, { leak: 0.1 }) }));
      metric.pair(side('stable'), side('canary'));
    }
    assert.notEqual(read(metric)?.status, 'fail');
  });

  it('blames the endpoint hardly ever if a rollout begins with a conversation about templates', () => {
    const share = shareOf(300, (seed) => {
      const metric = metricOf('leak', { bet: 3_250 });
      const roll = dice(seed * 7 + 1);
      for (let i = 0; i < 30; i++) {
        const side = (role: Role) => scored(judged({ role, form: formOf(roll, { leak: 0.3 }) }));
        metric.pair(side('stable'), side('canary'));
      }
      return read(metric)?.status === 'fail';
    });
    assert.ok(share <= 0.06, `${share} of the runs`);
  });

  it('is left out if no call of the route has it, and says how many calls it takes if few have', () => {
    const none = metricOf('tools');
    feed(none, { calls: 400, stable: { offers: 0 }, canary: { offers: 0 } });
    assert.equal(read(none), null);

    const few = metricOf('tools');
    feed(few, { calls: 4_000, stable: { offers: 0.003 }, canary: { offers: 0.003 } });
    const verdict = read(few);
    assert.deepEqual([verdict?.judge, verdict?.status], ['act', 'open']);
    assert.ok(verdict?.few !== undefined && verdict.few.seen < 30 && verdict.few.needed > 300, JSON.stringify(verdict));
  });

  it('still fails if few calls have it and they are bad', () => {
    const metric = metricOf('tools');
    const canary = { offers: 0.02, calls: 1, broken: 0.9 };
    feed(metric, { calls: 12_000, weight: 0.5, stable: { ...canary, broken: 0 }, canary });
    const verdict = read(metric);
    assert.equal(verdict?.status, 'fail');
    assert.equal(verdict?.few, undefined);
  });

  it('is not misled by refusals of serverless while the tool calls of both sides become better or worse', () => {
    // One call in ten offers tools, and serverless refuses three in ten of all calls.
    const afterChange = (from: number, to: number, more: number) => {
      const metric = metricOf('tools');
      const roll = dice(5);
      let passOdds = 0;
      for (let i = 0; i < 16_000; i++) {
        const role: Role = roll() < 0.1 ? 'canary' : 'stable';
        const broken = (i < 8_000 ? from : to) + (role === 'canary' ? more : 0);
        const form = formOf(roll, { offers: 0.1, calls: 1, broken });
        const isRefused = roll() < 0.3 && role === 'stable';
        const call = judged({ role, ...(isRefused ? { outcome: 'rate_limited', form: null } : { form }) });
        metric.take(call, scored(call));
        if (i % 400 === 399) metric.endMinute(i / 400, true);
        passOdds = Math.max(passOdds, read(metric)?.passOdds ?? 0);
      }
      return { status: read(metric)?.status, passOdds };
    };
    assert.notEqual(afterChange(0.2, 0.02, 0).status, 'fail');
    // An endpoint beyond the margin must not pass.
    assert.ok(afterChange(0.02, 0.3, 0.05).passOdds < 100);
  });

  it('is not misled by refusals of the calls that offer tools alone, because it knows which these are', () => {
    // One call in ten offers tools. Serverless refuses seven in ten of these, and no other call.
    const afterChange = (from: number, to: number, more: number) => {
      const metric = metricOf('tools');
      const roll = dice(5);
      let passOdds = 0;
      for (let i = 0; i < 16_000; i++) {
        const role: Role = roll() < 0.5 ? 'canary' : 'stable';
        const broken = (i < 8_000 ? from : to) + (role === 'canary' ? more : 0);
        const form = formOf(roll, { offers: 0.1, calls: 1, broken });
        const asks = { tools: form.tools !== null, json: form.format !== null };
        const isRefused = roll() < 0.7 && role === 'stable' && asks.tools;
        const end = isRefused ? ({ outcome: 'rate_limited', form: null } as const) : { form };
        const call = judged({ role, weight: 0.5, asks, ...end });
        metric.take(call, scored(call));
        if (i % 400 === 399) metric.endMinute(i / 400, true);
        passOdds = Math.max(passOdds, read(metric)?.passOdds ?? 0);
      }
      return { status: read(metric)?.status, passOdds };
    };
    assert.notEqual(afterChange(0.02, 0.6, 0).status, 'fail');
    assert.notEqual(afterChange(0.6, 0.02, 0).status, 'fail');
    assert.ok(afterChange(0.02, 0.6, 0.05).passOdds < 100);
  });

  it('says that most broken calls only miss their schema, if it is so', () => {
    const CALLED = { isDemanded: false, called: 1, areParsed: true, areOffered: true, schema: 'bad' } as const;
    const faultOf = (form: Partial<typeof CALLED> | { areParsed: false }) => {
      const metric = metricOf('tools');
      for (let i = 0; i < 200; i++) {
        const role: Role = i % 2 === 0 ? 'canary' : 'stable';
        const tools = role === 'canary' ? { ...CALLED, ...form } : { ...CALLED, schema: 'good' as const };
        const call = judged({ role, weight: 0.5, form: { ...PLAIN_FORM, tools } });
        metric.take(call, scored(call));
      }
      const pairs = metricOf('tools');
      const half = (role: Role) => scored(judged({ role, form: { ...PLAIN_FORM, tools: { ...CALLED, ...form } } }));
      pairs.pair(half('stable'), half('canary'), { ...PLAIN_FORM, tools: { ...CALLED, ...form } });
      return [read(metric)?.fault, read(pairs)?.fault];
    };
    assert.deepEqual(faultOf({}), ['schema', 'schema']);
    assert.deepEqual(faultOf({ areParsed: false }), [undefined, undefined]);
  });

  it('does not count calls whose form is not known against either side', () => {
    const metric = metricOf('tools');
    const roll = dice(4);
    for (let i = 0; i < 20_000; i++) {
      const role: Role = roll() < 0.25 ? 'canary' : 'stable';
      // The endpoint's answers are often unread, and then say nothing.
      const isLost = role === 'canary' && roll() < 0.5;
      const call = judged({ role, weight: 0.25, form: isLost ? null : formOf(roll) });
      metric.take(call, scored(call));
      if (i % 400 === 399) metric.endMinute(i / 400, true);
    }
    assert.equal(read(metric)?.status, 'pass');
  });
});
