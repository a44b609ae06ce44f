import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import type { Observation, OperatorRequest } from '../../../src/core/decide/observation.ts';
import { ONE_APPROVAL } from '../../../src/core/policy/approvals.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import type { RolloutEvent } from '../../../src/core/rollout/event.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import {
  atStep,
  observation,
  promotedRollout,
  rolloutAfter,
  routePolicy,
  START,
  TO_WARM,
  verdictOn,
  NO_REPLICAS,
} from '../../support/samples.ts';

const ASKED: RolloutEvent = { type: 'asked', step: 0, verdict: null };
const PAUSED: RolloutEvent = { type: 'paused', by: 'ann@desk', reason: null };
const DRAINING: RolloutEvent = { type: 'draining', outcome: 'aborted', reason: 'operator', hint: null };
const ENDED: RolloutEvent = { ...DRAINING, type: 'ended' };

const IN_EVERY_PHASE: readonly (readonly [string, Rollout])[] = [
  ['proposed', rolloutAfter(ASKED)],
  ['provisioning', rolloutAfter(...TO_WARM.slice(0, 3))],
  ['warming', rolloutAfter(...TO_WARM.slice(0, 4))],
  ['stepping before any traffic', atStep(0)],
  ['stepping', atStep(3)],
  ['stepping with an open question', atStep(3, { type: 'asked', step: 4, verdict: null })],
  ['promoted', promotedRollout()],
];

function request(kind: OperatorRequest['kind'], changes: Partial<OperatorRequest> = {}): OperatorRequest {
  return {
    id: 7,
    kind,
    rolloutId: 'aaaabbbb',
    askId: null,
    step: null,
    reason: null,
    by: 'ann@desk',
    uid: 1_001,
    ...changes,
  };
}

/** An observation long after the bake time of step `step`, with equal upstreams, this request and ask 3 open. */
function asking(step: number, wish: OperatorRequest, changes: Partial<Observation> = {}): Observation {
  return observation({
    now: START + 600_000,
    verdict: verdictOn(step),
    request: wish,
    openAskId: 3,
    ...changes,
  });
}

describe('abort', () => {
  for (const [phase, rollout] of IN_EVERY_PHASE) {
    it(`ends a rollout that is ${phase}, paused or not`, () => {
      for (const isPaused of [false, true]) {
        const decided = decide({ ...rollout, isPaused }, asking(3, request('abort', { reason: 'too slow' })));
        assert.deepEqual([decided.action, decided.reason], [phase === 'proposed' ? 'end' : 'roll_back', 'operator']);
        assert.equal(decided.detail, 'aborted by ann@desk: too slow');
        assert.deepEqual(decided.outcome, { requestId: 7, result: 'done', message: decided.outcome?.message });
        assert.equal(decided.events.length, 1);
        assert.equal(decided.events[0]?.type, phase === 'proposed' ? 'ended' : 'draining');
      }
    });
  }

  it('is refused if the rollout is already draining', () => {
    const decided = decide(rolloutAfter(...TO_WARM, DRAINING), asking(0, request('abort')));
    assert.deepEqual([decided.action, decided.reason], ['refuse', 'stale_request']);
  });
});

describe('pause and resume', () => {
  for (const [phase, rollout] of IN_EVERY_PHASE) {
    it(`work in a rollout that is ${phase}`, () => {
      const paused = decide(rollout, asking(3, request('pause')));
      assert.deepEqual([paused.action, paused.outcome?.result], ['pause', 'done']);
      const after = paused.events.reduce<Rollout>((state, event) => evolve(state, event, START), rollout);
      assert.ok(after.isPaused);
      assert.deepEqual(after.ask, rollout.ask, 'an open question stays open');
      const resumed = decide(after, asking(3, request('resume')));
      assert.deepEqual([resumed.action, resumed.outcome?.result], ['resume', 'done']);
    });
  }

  it('are refused if there is nothing to change', () => {
    assert.equal(decide(atStep(3), asking(3, request('resume'))).reason, 'stale_request');
    assert.equal(decide(atStep(3, PAUSED), asking(3, request('pause'))).reason, 'stale_request');
    assert.equal(decide(rolloutAfter(...TO_WARM, DRAINING), asking(0, request('pause'))).reason, 'stale_request');
  });
});

describe('approve, where two people must', () => {
  const policy = routePolicy({ approvals: { ...ONE_APPROVAL, provision: 2, step: 2, promote: 3 } });
  const ann = (changes: Partial<OperatorRequest> = {}) => request('approve', { askId: 3, ...changes });
  const bob = (changes: Partial<OperatorRequest> = {}) => ann({ by: 'bob@desk', uid: 1_002, ...changes });
  const after = (rollout: Rollout, events: readonly RolloutEvent[]) =>
    events.reduce<Rollout>((state, event) => evolve(state, event, START), rollout);

  it('counts the first one, says who is missing, and keeps the question open', () => {
    const rollout = rolloutAfter(ASKED);
    const decided = decide(rollout, asking(0, ann({ reason: 'go' }), { policy }));
    assert.deepEqual([decided.action, decided.reason], ['count_approval', 'needs_approval']);
    const message = '1 of 2 approvals: ann@desk; one more person is needed';
    assert.deepEqual(decided.outcome, { requestId: 7, result: 'counted', message });
    assert.equal(decided.detail, `step 0 approved by ann@desk: go; ${message}`);
    const next = after(rollout, decided.events);
    assert.deepEqual(next, { ...rollout, ask: { ...rollout.ask, approvals: [{ uid: 1_001, by: 'ann@desk' }] } });
    const waiting = decide(next, asking(0, ann(), { policy, request: null }));
    assert.deepEqual([waiting.action, waiting.reason], ['wait', 'awaiting_approval']);
  });

  it('carries out the second one if somebody else says it', () => {
    const first = decide(rolloutAfter(ASKED), asking(0, ann(), { policy }));
    const next = after(rolloutAfter(ASKED), first.events);
    const again = decide(next, asking(0, ann({ id: 8, by: 'root@desk' }), { policy }));
    assert.deepEqual([again.outcome?.result, again.reason], ['refused', 'already_approved']);
    assert.equal(again.outcome?.message, 'you have already approved it; one more person is needed');
    const second = decide(next, asking(0, bob(), { policy }));
    assert.deepEqual([second.action, second.outcome?.result], ['provision', 'done']);
    assert.deepEqual(second.events[0], { type: 'approved', step: 0, by: 'bob@desk', reason: null });
  });

  it('needs as many as the policy says for this kind of question', () => {
    const asked = atStep(5, { type: 'asked', step: 6, verdict: null });
    const one = decide(asked, asking(5, ann(), { policy }));
    assert.match(one.outcome?.message ?? '', /^1 of 3 approvals: ann@desk; 2 more people are needed$/);
    const two = decide(after(asked, one.events), asking(5, bob(), { policy }));
    assert.match(two.outcome?.message ?? '', /^2 of 3 approvals: ann@desk, bob@desk; one more person is needed$/);
    const three = decide(after(asked, [...one.events, ...two.events]), asking(5, ann({ uid: 1_003 }), { policy }));
    assert.equal(three.action, 'promote');
  });

  it('refuses the first one as it would the last: if it could not be carried out now', () => {
    const asked = atStep(2, { type: 'asked', step: 3, verdict: null });
    const seen = { policy, verdict: verdictOn(2, { status: 'inconclusive' }) };
    assert.equal(decide(asked, asking(2, ann(), seen)).reason, 'verdict_changed');
    assert.equal(decide({ ...asked, isPaused: true }, asking(2, ann(), { policy })).reason, 'paused');
  });

  it('forgets approvals with the question, and one no ends it', () => {
    const asked: RolloutEvent = { type: 'asked', step: 3, verdict: null };
    const given = atStep(2, asked, { type: 'approval_added', step: 3, uid: 1_001, by: 'ann@desk', reason: null });
    const withdrawn = evolve(given, { type: 'ask_withdrawn', step: 3, reason: 'worse' }, START);
    assert.equal(withdrawn.ask, null);
    assert.equal(evolve(withdrawn, asked, START).ask?.approvals, undefined);
    const no = decide(given, asking(2, request('reject', { askId: 3, uid: 1_002 }), { policy }));
    assert.deepEqual([no.action, no.outcome?.result], ['roll_back', 'done']);
  });
});

describe('approve', () => {
  it('starts provisioning, and says the price', () => {
    const decided = decide(rolloutAfter(ASKED), asking(0, request('approve', { askId: 3, reason: 'go' })));
    assert.equal(decided.action, 'provision');
    assert.deepEqual(decided.events, [
      { type: 'approved', step: 0, by: 'ann@desk', reason: 'go' },
      { type: 'provisioning_started' },
    ]);
    assert.match(decided.detail, /step 0 approved by ann@desk: go, at \$1\.30\/h/);
  });

  it('enters the step that was asked about', () => {
    const rollout = atStep(2, { type: 'asked', step: 3, verdict: null });
    const decided = decide(rollout, asking(2, request('approve', { askId: 3, step: 3 })));
    assert.equal(decided.action, 'enter_step');
    assert.deepEqual(
      decided.events.map((event) => event.type),
      ['approved', 'step_entered'],
    );
    assert.equal(decided.outcome?.result, 'done');
  });

  it('promotes if the question was about the promotion', () => {
    const rollout = atStep(5, { type: 'asked', step: 6, verdict: null });
    const decided = decide(rollout, asking(5, request('approve', { askId: 3 })));
    assert.equal(decided.action, 'promote');
  });

  const asked = atStep(2, { type: 'asked', step: 3, verdict: null });
  const refused: readonly [why: string, Rollout | null, OperatorRequest, Partial<Observation>, reason: string][] = [
    ['it answers an older question', asked, request('approve', { askId: 2 }), {}, 'stale_request'],
    ['it names another step', asked, request('approve', { askId: 3, step: 2 }), {}, 'stale_request'],
    ['it names no question', asked, request('approve'), {}, 'stale_request'],
    ['it is for another rollout', asked, request('approve', { askId: 3, rolloutId: 'zzzzzzzz' }), {}, 'stale_request'],
    ['nothing was asked', atStep(2), request('approve', { askId: 3 }), {}, 'nothing_asked'],
    [
      'the proposal has expired, and the approval waited while no daemon ran',
      rolloutAfter(ASKED),
      request('approve', { askId: 3 }),
      { now: START + 86_400_001 },
      'proposal_expired',
    ],
    ['the rollout is paused', { ...asked, isPaused: true }, request('approve', { askId: 3 }), {}, 'paused'],
    ['there is no rollout', null, request('approve', { askId: 3 }), {}, 'stale_request'],
    ['the rollout is over', rolloutAfter(ASKED, ENDED), request('approve', { askId: 3 }), {}, 'nothing_asked'],
    [
      'the verdict is no longer a pass',
      asked,
      request('approve', { askId: 3 }),
      { verdict: verdictOn(2, { status: 'inconclusive' }) },
      'verdict_changed',
    ],
    [
      'both sides fail',
      asked,
      request('approve', { askId: 3 }),
      { canaryFaultsInRow: 5, stableRecent: { attempts: 10, faults: 9, connectFailures: 0 } },
      'both_unhealthy',
    ],
  ];
  for (const [why, rollout, wish, changes, reason] of refused) {
    it(`is refused if ${why}`, () => {
      const decided = decide(rollout, asking(2, wish, changes));
      assert.deepEqual([decided.action, decided.reason, decided.events], ['refuse', reason, []]);
      assert.deepEqual([decided.outcome?.requestId, decided.outcome?.result], [7, 'refused']);
    });
  }

  it('is accepted even if the figures have changed, as long as the verdict is a pass', () => {
    const verdict = verdictOn(2, { canaryCalls: 900, summary: 'endpoint 3 % slower' });
    assert.equal(decide(asked, asking(2, request('approve', { askId: 3 }), { verdict })).action, 'enter_step');
  });
});

describe('reject', () => {
  it('ends a proposal at once', () => {
    const decided = decide(rolloutAfter(ASKED), asking(0, request('reject', { askId: 3, reason: 'no money' })));
    assert.deepEqual([decided.action, decided.reason], ['end', 'rejected']);
    assert.equal(decided.events[0]?.type, 'ended');
    assert.match(decided.detail, /step 0 rejected by ann@desk: no money/);
  });

  it('returns the traffic if there is any on the endpoint', () => {
    const rollout = atStep(2, { type: 'asked', step: 3, verdict: null });
    const decided = decide(rollout, asking(2, request('reject', { askId: 3 })));
    assert.deepEqual(
      decided.events.map((event) => event.type),
      ['draining'],
    );
  });
});

describe('a rollback', () => {
  const asked = atStep(2, { type: 'asked', step: 3, verdict: null });
  const bad: readonly [string, Partial<Observation>][] = [
    ['the endpoint fails call after call', { canaryFaultsInRow: 5 }],
    [
      'the endpoint was paused',
      {
        endpoint: {
          at: START + 1_000,
          state: 'paused',
          url: null,
          isHealthy: false,
          badReadings: 0,
          isOurs: true,
          message: null,
          ...NO_REPLICAS,
        },
      },
    ],
  ];
  for (const [why, changes] of bad) {
    it(`comes before an approval if ${why}; the approval is answered afterwards`, () => {
      const wish = request('approve', { askId: 3 });
      const first = decide(asked, asking(2, wish, changes));
      assert.deepEqual([first.action, first.outcome], ['roll_back', null]);
      const draining = first.events.reduce<Rollout>((state, event) => evolve(state, event, START), asked);
      const second = decide(draining, asking(2, wish, { ...changes, openAskId: null }));
      assert.deepEqual([second.action, second.reason], ['refuse', 'nothing_asked']);
    });

    it(`comes before a pause if ${why}`, () => {
      assert.equal(decide(promotedRollout(), asking(6, request('pause'), changes)).action, 'roll_back');
    });
  }

  it('comes before the answer to an abort of a rollout that is over', () => {
    const wish = request('abort', { rolloutId: 'zzzzzzzz' });
    const decided = decide(atStep(2), asking(2, wish, { canaryFaultsInRow: 5 }));
    assert.deepEqual([decided.action, decided.reason, decided.outcome], ['roll_back', 'consecutive_faults', null]);
  });

  it('needs no approval', () => {
    const policy = routePolicy({ approval: 'manual' });
    const decided = decide(atStep(2, PAUSED), observation({ policy, canaryFaultsInRow: 5 }));
    assert.equal(decided.action, 'roll_back');
  });
});

describe('an answer to a question that is not about a step', () => {
  const about = 'scaling' as const;
  const asked: RolloutEvent = { type: 'asked', about, step: 2, verdict: null };
  const places: readonly (readonly [string, Rollout])[] = [
    ['provisioning', rolloutAfter(...TO_WARM.slice(0, 3), asked)],
    ['stepping', atStep(2, asked)],
    ['promoted', evolve(promotedRollout(), asked, START)],
  ];
  for (const [phase, rollout] of places) {
    it(`grants what was asked in a rollout that is ${phase}, and changes nothing else`, () => {
      const decided = decide(rollout, asking(2, request('approve', { askId: 3 })));
      assert.deepEqual([decided.action, decided.reason, decided.outcome?.result], ['grant', 'approved', 'done']);
      const after = decided.events.reduce<Rollout>((state, event) => evolve(state, event, START), rollout);
      assert.deepEqual(after, { ...rollout, ask: null });
    });

    it(`does not change a rollout that is ${phase} if it is a rejection`, () => {
      const decided = decide(rollout, asking(2, request('reject', { askId: 3 })));
      assert.deepEqual([decided.action, decided.reason], ['withdraw_ask', 'rejected']);
      const after = decided.events.reduce<Rollout>((state, event) => evolve(state, event, START), rollout);
      assert.deepEqual(after, { ...rollout, ask: null });
    });
  }

  it('is refused if it names a step, or answers an older question', () => {
    for (const wish of [request('approve', { askId: 3, step: 2 }), request('approve', { askId: 2 })]) {
      const decided = decide(atStep(2, asked), asking(2, wish));
      assert.deepEqual([decided.action, decided.reason], ['refuse', 'stale_request']);
      assert.match(decided.detail, /the open one is about the scaling/);
    }
  });

  it('keeps the question open while steps are taken, and asks about no step meanwhile', () => {
    const next = decide(atStep(2, asked), asking(2, request('pause')));
    assert.equal(next.action, 'pause');
    const waiting = decide(atStep(2, asked), observation({ now: START + 600_000, verdict: verdictOn(2) }));
    assert.deepEqual([waiting.action, waiting.reason], ['wait', 'awaiting_approval']);
    const entered: RolloutEvent = { type: 'step_entered', step: 3, weight: 0.5, phase: 'stepping' };
    assert.equal(evolve(atStep(2, asked), entered, START).ask?.about, about);
    assert.equal(evolve(atStep(2, asked), DRAINING, START).ask, null);
  });

  it('is not withdrawn because a step has to be held', () => {
    const decided = decide(atStep(2, asked), observation({ now: START + 1_000, verdict: verdictOn(2) }));
    assert.deepEqual([decided.action, decided.reason], ['wait', 'baking']);
  });
});
