import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { Judge } from '../../../src/core/judge/judge.ts';
import { learnProfile } from '../../../src/core/judge/profile.ts';
import { summarize } from '../../../src/core/judge/sentence.ts';
import { profileSchema, verdictSchema } from '../../../src/core/judge/stored.ts';
import type { JudgedCall, MetricVerdict, Verdict } from '../../../src/core/judge/verdict.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { BASIC_METRICS, FORM_METRICS } from '../../../src/core/policy/judge.ts';
import type { JudgePolicy, MetricPolicy } from '../../../src/core/policy/judge.ts';
import type { Affinity, Role, Toward } from '../../../src/core/route.ts';
import { dice } from '../../support/dice.ts';
import { formOf } from '../../support/forms.ts';
import type { FormManner } from '../../support/forms.ts';
import { answer, feed, judged, judgedCalls, pastCalls, profile } from '../../support/judged.ts';
import type { Traffic } from '../../support/judged.ts';

const STEPS = [0.1, 0.25, 0.5, 0.75, 0.97];
const POLICY = POLICY_DEFAULTS.judge;

const past = (manner: FormManner) => {
  const roll = dice(77);
  return pastCalls(8).map((call) => ({ ...call, form: call.outcome === 'ok' ? formOf(roll, manner) : null }));
};
const WITH_FORM = learnProfile(past({}), 'serverless');
const WITHOUT_TOOLS = learnProfile(past({ offers: 0, demands: 0 }), 'serverless');

interface Forms {
  readonly stable?: FormManner;
  readonly canary?: FormManner;
}

function* withForms(calls: Iterable<JudgedCall>, { stable = {}, canary = {} }: Forms = {}): Generator<JudgedCall> {
  const roll = dice(31);
  for (const call of calls) {
    const form = call.outcome === 'ok' ? formOf(roll, call.role === 'canary' ? canary : stable) : null;
    yield { ...call, form };
  }
}

interface Wish {
  readonly policy?: JudgePolicy;
  readonly affinity?: Affinity;
  readonly toward?: Toward;
}

function judgeOf({ policy = POLICY, affinity = 'call', toward = 'dedicated' }: Wish = {}, known = WITH_FORM): Judge {
  return new Judge(known, policy, STEPS, affinity, toward);
}

function verdictOf(forms: Forms, traffic: Partial<Traffic> = {}, wish: Wish = {}): Verdict {
  const judge = judgeOf(wish);
  feed(judge, withForms(judgedCalls({ minutes: 60, weight: 0.25, ...traffic }), forms));
  return judge.verdict(1);
}

function shown(verdict: Verdict, name: string): MetricVerdict | undefined {
  return verdict.metrics.find(({ metric }) => metric === name);
}

/** A judge after pairs of the shadow stage. */
function afterPairs(count: number, forms: Forms, extra: (i: number) => number = () => 0): Judge {
  const judge = judgeOf();
  const roll = dice(13);
  for (let i = 0; i < count; i++) {
    const arrivedAtUs = 990 * 60e6 + i * 600_000;
    const side = (role: Role, more: number) =>
      judged({
        ...answer(roll),
        arrivedAtUs,
        role,
        step: 0,
        weight: 0,
        promptTokens: 400 + i + more,
        form: formOf(roll, forms[role]),
      });
    judge.pair(side('stable', 0), side('canary', extra(i)), null);
  }
  return judge;
}

describe('the judge on the form of answers', () => {
  it('passes an endpoint that is as good, once each acting metric has its evidence', () => {
    const verdict = verdictOf({});
    assert.equal(verdict.status, 'pass', verdict.summary);
    assert.deepEqual(
      verdict.metrics.map(({ metric }) => metric),
      [...BASIC_METRICS, ...FORM_METRICS],
    );
  });

  it('rolls back for broken tool calls that are neither slow nor faults, and names them', () => {
    const verdict = verdictOf({ canary: { broken: 0.24 } }, { minutes: 20 });
    assert.deepEqual([verdict.status, verdict.cause], ['fail', 'tools']);
    assert.match(verdict.summary, /^broken tool calls 1\d\.\d\d % against 0\.\d\d % \(difference \+1\d\.\d\d points, /);
  });

  it('says the same on a way back, where serverless is the canary', () => {
    const judge = judgeOf({ toward: 'serverless' });
    feed(judge, withForms(judgedCalls({ minutes: 20, weight: 0.25 }), { canary: { calls: 0 } }));
    const verdict = judge.verdict(1);
    assert.deepEqual([verdict.status, verdict.cause], ['fail', 'finish']);
  });

  it('takes a unit as one observation, and its first call at once', () => {
    const units = (canary: FormManner) => {
      const judge = judgeOf({ affinity: 'session' });
      const calls = [...judgedCalls({ minutes: 40, weight: 0.25 })].map((call, i) => ({
        ...call,
        unit: Math.floor(i / 4),
      }));
      // The calls of a unit share the coin of its first.
      const assigned = calls.map((call, i) => ({ ...call, role: (calls[i - (i % 4)] as JudgedCall).role }));
      feed(judge, withForms(assigned, { canary }));
      return judge.verdict(1);
    };
    assert.equal(units({ broken: 0.5 }).cause, 'tools');
    assert.notEqual(units({}).status, 'fail');
  });

  it('counts agents where agents are assigned, so that more calls of the same agents hold no step', () => {
    for (const perMinute of [60, 600]) {
      const judge = judgeOf({ affinity: 'agent' });
      const all = [...judgedCalls({ minutes: 30, weight: 0.5, perMinute })].map((call, i): JudgedCall => {
        const unit = Math.floor(i / (10 * perMinute)) * 20 + (i % 20);
        return { ...call, unit, role: (unit * 7) % 3 === 0 ? 'canary' : 'stable' };
      });
      feed(judge, withForms(all));
      const verdict = judge.verdict(1);
      const few = shown(verdict, 'tools')?.few;
      assert.equal(few?.units, 'agent', JSON.stringify(shown(verdict, 'tools')));
      assert.ok(few.seen > 0 && few.seen <= 60, JSON.stringify(few));
      assert.match(verdict.summary, /; \d+ agents asked for tools, about \d+ are needed to tell/);
      assert.deepEqual(verdictSchema.parse(JSON.parse(JSON.stringify(verdict))), verdict);
    }
  });

  it('has no row for what the route does not have, and gives it no part of the allowed error', () => {
    const judge = judgeOf({}, WITHOUT_TOOLS);
    const none = { offers: 0, demands: 0 };
    feed(judge, withForms(judgedCalls({ minutes: 10, weight: 0.25 }), { stable: none, canary: none }));
    const verdict = judge.verdict(1);
    assert.deepEqual(
      [shown(verdict, 'tools'), shown(verdict, 'format'), shown(verdict, 'promptTokens')],
      [undefined, undefined, undefined],
    );
    const all = shown(verdictOf({}, { minutes: 1 }), 'speed') as MetricVerdict;
    assert.ok((shown(verdict, 'speed') as MetricVerdict).failAt < all.failAt);
  });

  it('only advises on tools that appear although none were known, because no error was set aside for them', () => {
    const judge = judgeOf({}, WITHOUT_TOOLS);
    feed(judge, withForms(judgedCalls({ minutes: 20, weight: 0.25 }), { canary: { broken: 0.5 } }));
    const verdict = judge.verdict(1);
    assert.deepEqual([shown(verdict, 'tools')?.judge, shown(verdict, 'tools')?.status], ['advise', 'fail']);
    assert.notEqual(verdict.cause, 'tools');
  });

  it('passes although too few calls tell of tools, and says how many it takes', () => {
    const few = { offers: 0.002 };
    const verdict = verdictOf({ stable: few, canary: few });
    assert.equal(verdict.status, 'pass', verdict.summary);
    assert.match(verdict.summary, /; \d+ calls asked for tools, about \d+0 are needed to tell/);
    const open = verdict.metrics.filter(({ few: isFew }) => isFew !== undefined).map(({ metric }) => metric);
    assert.deepEqual(open, ['tools']);
  });

  it('never passes on metrics alone that too few calls tell of', () => {
    const metrics = Object.fromEntries(
      Object.entries(POLICY.metrics).map(([name, metric]) => [
        name,
        { ...metric, judge: name === 'tools' ? 'act' : 'advise' },
      ]),
    ) as unknown as JudgePolicy['metrics'];
    const few = { offers: 0.002 };
    const verdict = verdictOf({ stable: few, canary: few }, {}, { policy: { ...POLICY, metrics } });
    assert.equal(verdict.status, 'inconclusive');
  });

  it('does not compare what is off', () => {
    const off = (metric: MetricPolicy | undefined) => ({ ...(metric as MetricPolicy), judge: 'off' as const });
    const metrics = { ...POLICY.metrics, tools: off(POLICY.metrics.tools), length: off(POLICY.metrics.length) };
    const verdict = verdictOf({ canary: { broken: 0.5 } }, {}, { policy: { ...POLICY, metrics } });
    assert.equal(verdict.status, 'pass', verdict.summary);
    assert.deepEqual([shown(verdict, 'tools'), shown(verdict, 'length')], [undefined, undefined]);
  });

  it('names prompts that are not the same before the first step, and holds no later step for them', () => {
    const judge = afterPairs(20, {}, (i) => 3 * i);
    const verdict = judge.verdict(0);
    assert.deepEqual([verdict.status, verdict.cause], ['inconclusive', 'promptTokens']);
    assert.match(verdict.summary, /^the endpoint counts the tokens of 20 prompts differently, by 0 to \+57/);
    feed(judge, withForms(judgedCalls({ minutes: 60, weight: 0.25 })));
    assert.equal(judge.verdict(1).status, 'pass', judge.verdict(1).summary);
    assert.equal(shown(judge.verdict(1), 'promptTokens')?.status, 'fail');
  });

  it('finds a missing parser in few pairs, before the endpoint gets a call', () => {
    const verdict = afterPairs(60, { canary: { calls: 0, leak: 0.35 } }).verdict(0);
    assert.deepEqual([verdict.status, verdict.cause], ['fail', 'leak']);
  });

  it('tells what agrees, and decides nothing by it unless the policy says so', () => {
    const judgeWith = (mode: 'act' | 'advise') => {
      const agreement = { ...(POLICY.metrics.agreement as MetricPolicy), judge: mode };
      const judge = judgeOf({ policy: { ...POLICY, metrics: { ...POLICY.metrics, agreement } } });
      for (let i = 0; i < 120; i++) {
        const at = { arrivedAtUs: 990 * 60e6 + i * 600_000, step: 0, weight: 0 };
        const differs = { finish: true, tools: null, args: null, text: null, cosine: i % 2 === 0 ? 0.97 : 0.9999 };
        judge.pair(judged({ ...at, role: 'stable' }), judged({ ...at, role: 'canary' }), differs);
      }
      return judge.verdict(0);
    };
    assert.match(
      summarize({ ...judgeWith('advise'), cause: 'agreement' }, 'dedicated'),
      /^answers that should be the same agree in 50 % of 120 pairs; limit 90 %/,
    );
    assert.notEqual(judgeWith('advise').status, 'fail');
    assert.deepEqual([judgeWith('act').status, judgeWith('act').cause], ['fail', 'agreement']);
  });

  it('notes another tokenizer and damaged text, and decides nothing by it', () => {
    const judge = judgeOf();
    const odd = [...withForms(judgedCalls({ minutes: 5, weight: 0.25 }))].map((call) =>
      call.role === 'canary' && call.form != null
        ? { ...call, form: { ...call.form, charsPerToken: 3, isGarbled: true } }
        : call,
    );
    feed(judge, odd);
    const { notes, status } = judge.verdict(1);
    assert.equal(notes?.length, 2);
    assert.match(notes?.[1] ?? '', /^characters per token 3\.00 against 4\.00/);
    assert.notEqual(status, 'fail');
    assert.equal(verdictOf({}, { minutes: 5 }).notes, undefined);
  });
});

describe('laws of the form of answers', () => {
  const share = fc.constantFrom(0, 0.01, 0.3, 1);
  const manner = fc.record({ offers: share, demands: share, calls: share, broken: share, leak: share, cut: share });

  it('gives the same JSON for the same calls, which the ledger reads back', () => {
    fc.assert(
      fc.property(manner, manner, fc.nat(20), (stable, canary, pairs) => {
        const once = () => {
          const judge = afterPairs(pairs, { stable, canary }, (i) => i % 7);
          feed(judge, withForms(judgedCalls({ minutes: 3, weight: 0.5, perMinute: 100 }), { stable, canary }));
          return judge.verdict(1);
        };
        const [verdict, again] = [once(), once()];
        assert.equal(JSON.stringify(verdict), JSON.stringify(again));
        assert.deepEqual(verdictSchema.parse(JSON.parse(JSON.stringify(verdict))), verdict);
      }),
      { numRuns: 30 },
    );
  });

  it('is the same as without it for a policy and a profile that were stored before it existed', () => {
    const metrics = Object.fromEntries(
      BASIC_METRICS.map((name) => [name, POLICY.metrics[name]]),
    ) as unknown as JudgePolicy['metrics'];
    const { form, ...old } = WITH_FORM;
    assert.ok(form !== undefined);
    assert.deepEqual(profileSchema.parse(old), old);
    const judge = () => new Judge(old, { ...POLICY, metrics }, STEPS, 'call', 'dedicated');
    const [plain, formed] = [judge(), judge()];
    const calls = [...judgedCalls({ minutes: 5, weight: 0.25 })];
    feed(plain, calls);
    feed(formed, withForms(calls, { canary: { broken: 1 } }));
    const names = plain.verdict(1).metrics.map(({ metric }) => metric);
    assert.deepEqual(names, [...BASIC_METRICS]);
    assert.equal(JSON.stringify(formed.verdict(1)), JSON.stringify(plain.verdict(1)));
    assert.equal(profile().form, undefined);
  });
});
