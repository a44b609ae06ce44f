import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import type { Observation, OperatorRequest } from '../../../src/core/decide/observation.ts';
import { ONE_APPROVAL } from '../../../src/core/policy/approvals.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import {
  atStep,
  MODEL,
  observation,
  promotedRollout,
  rolloutAfter,
  routePolicy,
  START,
  SURVEY,
  verdictOn,
} from '../../support/samples.ts';

const BY = { by: 'ann@desk', uid: 1_001, reason: 'I know better' };
const OVER: OperatorRequest = { ...BY, id: 7, kind: 'over_evidence', rolloutId: 'aaaabbbb', askId: null, step: 3 };
const PROPOSE: OperatorRequest = { ...BY, id: 8, kind: 'propose', rolloutId: null, askId: null, step: null };
const FROZEN = { by: 'bob@desk', reason: null, at: START };

function over(rollout: Rollout, changes: Partial<Observation> = {}) {
  return decide(rollout, observation({ now: START + 1_000, request: OVER, ...changes }));
}

describe('approve --over-evidence', () => {
  for (const verdict of [null, verdictOn(2, { status: 'inconclusive' }), verdictOn(2, { status: 'no data' })]) {
    it(`enters the step with ${verdict?.status ?? 'no verdict'}, and says so in its event`, () => {
      const decided = over(atStep(2), { verdict });
      assert.deepEqual(
        [decided.action, decided.reason, decided.outcome?.result],
        ['enter_step', 'over_evidence', 'done'],
      );
      assert.deepEqual(decided.events[0], {
        type: 'approved',
        step: 3,
        by: BY.by,
        reason: BY.reason,
        overEvidence: true,
      });
      assert.match(decided.detail, /over the evidence by ann@desk: I know better; the evidence: /);
    });
  }

  it('promotes from the last step', () => {
    assert.equal(over(atStep(5), { request: { ...OVER, step: 6 } }).action, 'promote');
  });

  const refused: readonly (readonly [string, Rollout, Partial<Observation>, string])[] = [
    ['another step is next', atStep(1), {}, 'stale_request'],
    ['it names no step', atStep(2), { request: { ...OVER, step: null } }, 'stale_request'],
    ['it has no step', promotedRollout(), {}, 'nothing_asked'],
    ['the policy forbids it', atStep(2), { policy: routePolicy({ overEvidence: false }) }, 'not_allowed'],
    [
      'several people must approve',
      atStep(2),
      { policy: routePolicy({ approvals: { ...ONE_APPROVAL, step: 2 } }) },
      'not_allowed',
    ],
    ['the rollout is paused', { ...atStep(2), isPaused: true }, {}, 'paused'],
    ['all routes are frozen', atStep(2), { frozen: FROZEN }, 'frozen'],
    [
      'a later word withdraws it',
      atStep(2),
      { request: { ...OVER, withdrawnBy: { kind: 'abort', by: 'b' } } },
      'withdrawn',
    ],
  ];
  for (const [why, rollout, changes, reason] of refused) {
    it(`is refused if ${why}: ${reason}`, () => {
      const decided = over(rollout, changes);
      assert.deepEqual([decided.action, decided.reason, decided.events], ['refuse', reason, []]);
    });
  }

  it('overrules no rollback', () => {
    for (const changes of [{ verdict: verdictOn(2, { status: 'fail' }) }, { canaryFaultsInRow: 5 }]) {
      assert.equal(over(atStep(2), changes).action, 'roll_back');
    }
  });
});

describe('propose', () => {
  const held = { ...FROZEN, rolloutId: 'zzzzzzzz', toward: 'dedicated' as const };
  const seen = (changes: Partial<Observation> = {}) =>
    decide(null, observation({ request: PROPOSE, survey: { ...SURVEY, at: START }, ...changes }));

  for (const [when, changes] of [
    ['although the criteria do not hold', {}],
    ['after an abort', { held }],
    ['within the cooldown', { lastEndedAt: START, lastToward: 'dedicated' }],
  ] as const) {
    it(`proposes ${when}, and creates nothing`, () => {
      const { action, effect, events, outcome } = seen(changes);
      assert.deepEqual([action, effect, outcome?.result], ['propose', null, 'done']);
      const [event] = events;
      assert.ok(events.length === 1 && event?.type === 'proposed');
      assert.deepEqual(event.rollout.proposedBy, { by: BY.by, reason: BY.reason });
    });
  }

  it('says that serverless is out', () => {
    assert.match(seen({ outage: { since: START - 1, until: START } }).outcome?.message ?? '', /serverless is out/);
  });

  it('waits for the survey, and is not answered before', () => {
    const decided = seen({ survey: null });
    assert.deepEqual([decided.effect, decided.outcome], ['survey', null]);
  });

  for (const [why, changes, reason] of [
    ['all routes are frozen', { frozen: FROZEN }, 'frozen'],
    ['no endpoint is in the policy', { policy: routePolicy({ endpoint: null }) }, 'would_propose_add_endpoint'],
    ['the instance is not available', { survey: { ...SURVEY, at: START, problem: 'no quota' } }, 'not_available'],
    [
      'a budget forbids it',
      { policy: routePolicy({ budget: { ...routePolicy().budget, perHour: 0.01 } }) },
      'over_budget',
    ],
  ] as const) {
    it(`is refused if ${why}: ${reason}`, () => {
      const decided = seen(changes);
      assert.deepEqual([decided.action, decided.reason, decided.events], ['refuse', reason, []]);
    });
  }

  it(`is refused beside an active rollout of ${MODEL}`, () => {
    const decided = decide(rolloutAfter(), observation({ request: PROPOSE }));
    assert.deepEqual([decided.action, decided.reason], ['refuse', 'stale_request']);
  });
});
