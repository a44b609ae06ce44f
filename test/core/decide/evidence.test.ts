import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import type { Observation, OperatorRequest } from '../../../src/core/decide/observation.ts';
import { termsOf, termsText } from '../../../src/core/decide/terms.ts';
import type { Verdict } from '../../../src/core/judge/verdict.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import {
  atStep,
  observation,
  rolloutAfter,
  routePolicy,
  shadowingRollout,
  START,
  verdictOn,
} from '../../support/samples.ts';

const MINUTE = 60_000;
const COPIES = { sent: 208, ended: 208, faults: 7, dropped: 0 };
const STATUSES: readonly (Verdict['status'] | null)[] = ['pass', 'inconclusive', 'no data', null];

const judged = (status: Verdict['status'] | null) =>
  status === null ? null : verdictOn(0, { status, summary: `it is ${status}` });

/** The rollout once its shadow stage has ended, as the decisions make it. */
function shadowed(status: Verdict['status'] | null): Rollout {
  const now = START + 24 * 60 * MINUTE;
  const before = shadowingRollout();
  const { action, events } = decide(before, observation({ now, verdict: judged(status), shadow: COPIES }));
  assert.equal(action, 'finish_shadow');
  return events.reduce((rollout, event) => evolve(rollout, event, START), before as Rollout);
}

const seeing = (status: Verdict['status'] | null, changes: Partial<Observation> = {}) =>
  observation({ now: START + MINUTE, verdict: judged(status), openAskId: 7, ...changes });

const APPROVAL: OperatorRequest = {
  id: 1,
  kind: 'approve',
  rolloutId: 'aaaabbbb',
  askId: 7,
  step: 1,
  reason: null,
  by: 'ann@desk',
  uid: 1_000,
};

/** The rollout with the question about its first step, and the decision that asks it. */
function asked(status: Verdict['status'] | null) {
  const decided = decide(shadowed(status), seeing(status));
  assert.deepEqual([decided.action, decided.reason], ['ask', 'needs_approval']);
  return { decided, rollout: decided.events.reduce((at, event) => evolve(at, event, START), shadowed(status)) };
}

describe('the question about the first step', () => {
  it('has the verdict of the shadow stage and what became of the copies', () => {
    const { decided, rollout } = asked('pass');
    assert.match(decided.detail, /7 of 208 copies failed \(3\.4 %\), 0 pairs compared; it is pass/);
    assert.deepEqual([rollout.ask?.verdict?.status, rollout.ask?.shadow], ['pass', COPIES]);
    assert.equal(decided.verdict?.status, 'pass');
  });

  it('has no verdict if there was no shadow stage', () => {
    const decided = decide(atStep(0), seeing('no data'));
    assert.deepEqual([decided.action, decided.verdict], ['ask', null]);
  });

  it('takes only an approval on the same evidence; with another it is withdrawn and put again', () => {
    for (const before of STATUSES) {
      const { rollout } = asked(before);
      for (const now of STATUSES) {
        const isSame = before === now;
        const answer = decide(rollout, seeing(now, { request: APPROVAL }));
        const expected = isSame ? ['enter_step', 'approved'] : ['refuse', 'verdict_changed'];
        assert.deepEqual([answer.action, answer.reason], expected, `${before} -> ${now}`);
        const next = decide(rollout, seeing(now));
        assert.equal(next.action, isSame ? 'wait' : 'withdraw_ask');
        const withdrawn = next.events.reduce((at, event) => evolve(at, event, START), rollout);
        if (!isSame) assert.equal(decide(withdrawn, seeing(now)).action, 'ask');
      }
    }
  });
});

describe('what a yes leads to', () => {
  const costs = { serverlessPerHourMicros: 0, dedicatedPerHourMicros: 1_300_000, breakEvenCallsPerMinute: 100 };
  const demand = { calls: 1_000, agents: 10, derivedAgents: 0, refused: 0, refusedShare: 0, holdsSince: null };
  const policy = routePolicy({ criteria: { window: 5 * MINUTE } });

  it('is said in money and time', () => {
    // 200 calls a minute are twice the break-even.
    const terms = termsOf(rolloutAfter(), observation({ costs, demand, policy }));
    assert.equal(terms.monthMicros, 936_000_000);
    assert.ok(Math.abs((terms.serverlessMonthMicros ?? 0) - 2 * terms.monthMicros) < 1_000);
    assert.match(
      termsText(terms),
      /^the endpoint costs at most \$936 a month, all calls on serverless about \$1,872: the endpoint saves about \$936; /,
    );
  });

  it('costs at most as much as the dearest instance that it covers', () => {
    const rollout = rolloutAfter();
    const dear = { instance: rollout.instance, pricePerHourMicros: 2 * rollout.pricePerHourMicros };
    const cheap = { instance: rollout.instance, pricePerHourMicros: 1 };
    const terms = termsOf({ ...rollout, alternatives: [dear, cheap] }, observation());
    assert.match(termsText(terms), /^the endpoint costs at most \$1,872 a month/);
  });

  it('says what is not known', () => {
    const terms = termsOf(rolloutAfter(), observation());
    assert.deepEqual([terms.serverlessMonthMicros, terms.likelyMs], [null, null]);
    assert.equal(termsText(terms), 'the endpoint costs at most $936 a month, what serverless costs is not known');
  });

  it('takes no longer the further it is', () => {
    let last = Number.POSITIVE_INFINITY;
    for (const rollout of [rolloutAfter(), atStep(0), atStep(1), atStep(2), atStep(3), atStep(4)]) {
      const share = 'step' in rollout && rollout.step > 0 ? (policy.steps[rollout.step - 1] ?? 0) : 0;
      const left = { ...demand, calls: Math.round(demand.calls * (1 - share)) };
      const { likelyMs } = termsOf(rollout, observation({ costs, demand: left, policy }));
      assert.ok(likelyMs !== null && likelyMs > 0 && likelyMs <= last, `${likelyMs} after ${last}`);
      last = likelyMs;
    }
  });
});

describe('a step that waits', () => {
  it('says for how long no call came', () => {
    const now = START + 61 * MINUTE;
    const at = (lastCallAt?: number) => {
      const seen = observation({ now, verdict: verdictOn(2, { status: 'inconclusive', canaryCalls: 20 }) });
      return decide(atStep(2), lastCallAt === undefined ? seen : { ...seen, lastCallAt }).detail;
    };
    assert.match(at(START + 20 * MINUTE), /no calls for 41 min/);
    assert.match(at(), /no calls for 61 min/);
    assert.doesNotMatch(at(now - MINUTE), /no calls/);
  });
});
