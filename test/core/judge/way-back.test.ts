import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Outcome } from '../../../src/core/outcome.ts';
import { assignedTo, DELAYED_US, GATEWAY_ID } from '../../../src/core/call.ts';
import { isFault, OUTCOMES } from '../../../src/core/outcome.ts';
import { earlyView, fullView } from '../../../src/core/judge/call-order.ts';
import { Judge } from '../../../src/core/judge/judge.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import type { Role, Toward } from '../../../src/core/route.ts';
import { upstreamOf } from '../../../src/core/route.ts';
import { scoreCall, scoreEarly, scoreRejection } from '../../../src/core/judge/scores.ts';
import type { JudgedCall, Verdict } from '../../../src/core/judge/verdict.ts';
import { dice } from '../../support/dice.ts';
import { feed, judged, judgedCalls, profile } from '../../support/judged.ts';

/** The verdict after an hour with 25 % to the canary. A share of the canary's calls is changed. */
function verdictOf(toward: Toward, share: number, change: (call: JudgedCall) => JudgedCall): Verdict {
  const judge = new Judge(profile(), POLICY_DEFAULTS.judge, POLICY_DEFAULTS.steps, 'call', toward);
  const roll = dice(5);
  const calls = [...judgedCalls({ minutes: 60, weight: 0.25 })].map((call) =>
    call.role === 'canary' && roll() < share ? change(call) : call,
  );
  feed(judge, calls);
  return judge.verdict(1);
}

const refused = (call: JudgedCall): JudgedCall => ({
  ...call,
  outcome: 'rate_limited',
  knownAfterUs: 20_000,
  durationUs: 20_000,
  firstTokenUs: null,
  outputTokens: null,
  isEmpty: null,
});
const held = (call: JudgedCall): JudgedCall => ({ ...call, wasHeld: true });
const same = (call: JudgedCall): JudgedCall => call;

describe('roles and kinds', () => {
  it('are exchanged in a rollout toward serverless', () => {
    const kinds = (toward: Toward) => (['stable', 'canary'] as const).map((role) => upstreamOf(role, toward));
    assert.deepEqual(kinds('dedicated'), ['serverless', 'dedicated']);
    assert.deepEqual(kinds('serverless'), ['dedicated', 'serverless']);
  });

  it('give the kind that a call was assigned to; a call without a role went to serverless', () => {
    const cases: readonly [Role | null, boolean | undefined, string][] = [
      [null, undefined, 'serverless'],
      [null, true, 'serverless'],
      ['stable', undefined, 'serverless'],
      ['canary', undefined, 'dedicated'],
      ['stable', true, 'dedicated'],
      ['canary', true, 'serverless'],
    ];
    for (const [role, isWayBack, kind] of cases) {
      assert.equal(assignedTo({ role, ...(isWayBack !== undefined && { isWayBack }) }), kind);
    }
  });
});

describe('faults on a way back', () => {
  it('are those of a rollout toward the endpoint, and also calls that serverless refuses or that wait for it in vain', () => {
    const more = OUTCOMES.filter((outcome: Outcome) => {
      const [there, back] = [isFault(outcome, 'serverless', 'dedicated'), isFault(outcome, 'serverless', 'serverless')];
      if (there) assert.ok(back);
      return back && !there;
    });
    assert.deepEqual(more, ['rate_limited', 'circuit_open']);
    for (const outcome of OUTCOMES) {
      assert.equal(isFault(outcome, 'dedicated', 'serverless'), isFault(outcome, 'dedicated', 'dedicated'));
    }
  });

  it('are also calls that serverless could not take in time, answered or not, but not such calls of the endpoint', () => {
    const late = judged({ role: 'canary', wasHeld: true });
    assert.equal(scoreEarly(late, 'serverless'), 1);
    assert.equal(scoreCall(late, profile(), 0, 'serverless').faults, 1);
    const stable = judged({ role: 'stable', wasHeld: true });
    assert.equal(scoreEarly(stable, 'serverless'), 0);
    assert.equal(scoreCall(stable, profile(), 0, 'serverless').faults, 0);
    for (const role of ['stable', 'canary'] as const) {
      assert.equal(scoreCall(judged({ role, wasHeld: true }), profile(), 0, 'dedicated').faults, 0);
    }
  });

  it('do not count as rejections if they are 429s, in either role of serverless', () => {
    const call = (role: Role) => refused(judged({ role }));
    assert.deepEqual(
      [scoreRejection(call('canary'), 'serverless'), scoreRejection(call('stable'), 'serverless')],
      [null, 0],
    );
    assert.deepEqual(
      [scoreRejection(call('stable'), 'dedicated'), scoreRejection(call('canary'), 'dedicated')],
      [null, 0],
    );
  });

  it('begin when a hold counts as a delay, in both views of a call', () => {
    const key = { gatewayId: GATEWAY_ID, arrivedAtUs: 0 };
    const assigned = { ...key, assignedAtUs: 0, role: 'canary' as const, step: 1, weight: 0.5 };
    const tokens = { firstTokenUs: 1, promptTokens: 1, outputTokens: 1, isEmpty: null };
    const known = { outcome: 'ok' as const, knownAfterUs: 1_000, durationUs: 1_000, ...tokens };
    for (const waitedUs of [0, DELAYED_US - 1, DELAYED_US, 5 * DELAYED_US]) {
      const views = [earlyView({ ...assigned, waitedUs }, known), fullView({ ...assigned, waitedUs }, known, 1e9)];
      assert.deepEqual(
        views.map(({ wasHeld = false }) => wasHeld),
        [waitedUs >= DELAYED_US, waitedUs >= DELAYED_US],
      );
    }
  });
});

describe('the judge of a way back', () => {
  it('passes a serverless that is as good as the endpoint, and names serverless in its sentence', () => {
    const verdict = verdictOf('serverless', 0, same);
    assert.equal(verdict.status, 'pass', verdict.summary);
    const failed = verdictOf('serverless', 1, (call) => ({ ...call, durationUs: call.durationUs * 3 }));
    assert.equal(failed.status, 'fail');
    assert.match(failed.summary, /^(?:serverless|slow calls|time per token)/);
  });

  for (const [what, change] of [
    ['refuses', refused],
    ['keeps waiting', held],
  ] as const) {
    it(`fails a serverless that ${what} 5 % of its calls, which is no fault in a rollout toward the endpoint`, () => {
      const verdict = verdictOf('serverless', 0.05, change);
      assert.deepEqual([verdict.status, verdict.cause], ['fail', 'faults'], verdict.summary);
    });
  }

  it('does not count held calls as faults in a rollout toward the endpoint', () => {
    assert.equal(verdictOf('dedicated', 0.05, held).status, 'pass');
  });
});
