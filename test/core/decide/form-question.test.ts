import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import type { OperatorRequest } from '../../../src/core/decide/observation.ts';
import type { MetricVerdict, Verdict } from '../../../src/core/judge/verdict.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import {
  atStep,
  backAtStep,
  observation,
  PROMPTS_APART,
  routePolicy,
  shadowingRollout,
  START,
  verdictOn,
} from '../../support/samples.ts';

const MINUTE = 60_000;
const COPIES = { sent: 208, ended: 208, faults: 0, dropped: 0 };
const PROMPTS = verdictOn(0, {
  status: 'inconclusive',
  cause: 'promptTokens',
  summary: 'other prompts',
  metrics: [PROMPTS_APART],
});

function failing(step: number, metric: MetricVerdict['metric'], more: Partial<MetricVerdict> = {}): Verdict {
  const metrics = [{ ...PROMPTS_APART, metric, ...more }];
  return verdictOn(step, { status: 'fail', cause: metric, summary: 'it differs', metrics });
}

/** A rollout whose copies have shown other prompts, before its first step. */
function shadowed(): Rollout {
  const now = START + 24 * 60 * MINUTE;
  const before = shadowingRollout();
  const { action, events } = decide(before, observation({ now, verdict: PROMPTS, shadow: COPIES }));
  assert.equal(action, 'finish_shadow');
  return events.reduce((rollout, event) => evolve(rollout, event, START), before as Rollout);
}

describe('prompts that are not the same', () => {
  it('hold the rollout before its first step, also if it goes on by itself, and say what to look at', () => {
    for (const approval of ['manual', 'automatic'] as const) {
      const seen = observation({ now: START + MINUTE, verdict: PROMPTS, policy: routePolicy({ approval }) });
      const decided = decide(shadowed(), seen);
      assert.deepEqual([decided.action, decided.reason, decided.cause], ['wait', 'prompts_differ', 'answers_differ']);
      assert.match(decided.detail, /^other prompts; is .*chat template.*\(--chat-template\)$/);
    }
  });

  it('are entered only over the evidence, which is then in the decision', () => {
    const over: OperatorRequest = {
      id: 7,
      kind: 'over_evidence',
      rolloutId: 'aaaabbbb',
      askId: null,
      step: 1,
      by: 'ann@desk',
      uid: 1_001,
      reason: 'the template is meant',
    };
    const decided = decide(shadowed(), observation({ now: START + MINUTE, verdict: PROMPTS, request: over }));
    assert.deepEqual([decided.action, decided.reason], ['enter_step', 'over_evidence']);
    assert.match(decided.detail, /the evidence: other prompts/);
    assert.equal(decided.verdict?.cause, 'promptTokens');
  });

  it('do not hold a rollout whose prompts are the same', () => {
    const fine = verdictOn(0, { status: 'inconclusive', metrics: [{ ...PROMPTS_APART, status: 'pass' }] });
    assert.equal(decide(shadowed(), observation({ now: START + MINUTE, verdict: fine })).action, 'ask');
  });
});

describe('a rollback for the form of answers', () => {
  const cases: readonly [MetricVerdict['metric'], Partial<MetricVerdict>, RegExp][] = [
    ['tools', {}, /is a tool parser set\? \(--enable-auto-tool-choice --tool-call-parser/],
    ['finish', { part: 'calls' }, /is a tool parser set\?/],
    ['finish', { part: 'cut' }, /default of max_tokens/],
    ['leak', {}, /is a tool parser set\?/],
    ['format', {}, /response_format/],
    ['reasoning', {}, /reasoning parser/],
    ['agreement', {}, /quantised/],
  ];
  for (const [metric, more, question] of cases) {
    it(`asks what to look at: ${metric} ${more.part ?? ''}`, () => {
      const decided = decide(atStep(2), observation({ verdict: failing(2, metric, more) }));
      assert.deepEqual([decided.action, decided.cause], ['roll_back', 'answers_differ']);
      assert.match(decided.detail, /^it differs; /);
      assert.match(decided.detail, question);
    });
  }

  it('asks nothing about serverless, whose settings nobody can change, and nothing about times', () => {
    assert.equal(decide(backAtStep(1), observation({ verdict: failing(1, 'tools') })).detail, 'it differs');
    assert.doesNotMatch(decide(atStep(2), observation({ verdict: failing(2, 'speed') })).detail, /\?/);
  });
});
