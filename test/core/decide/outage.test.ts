import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import { decideAgain } from '../../../src/core/decide-again.ts';
import type { Decision } from '../../../src/core/decide/decision.ts';
import type { Observation, OperatorRequest } from '../../../src/core/decide/observation.ts';
import type { RoutePolicy } from '../../../src/core/policy/policy.ts';
import { roleFor } from '../../../src/core/roles/roles.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import { throughOf, weights } from '../../../src/core/rollout/rollout.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import {
  atStep,
  backAtStep,
  observation,
  promotedRollout,
  routePolicy,
  shadowingRollout,
  START,
  verdictOn,
} from '../../support/samples.ts';

const LAST = routePolicy().steps.length;
const SINCE = START + 60_000;
const OUT: Partial<Observation> = { now: SINCE + 5_000, outage: { since: SINCE, until: SINCE + 5_000 } };
const BACK: Partial<Observation> = { now: SINCE + 65_000, outage: { since: SINCE, until: SINCE + 60_000 } };

const after = (rollout: Rollout, decided: Decision): Rollout =>
  decided.events.reduce<Rollout>((state, event) => evolve(state, event, SINCE), rollout);
const word = (rollout: Rollout, reason: string | null = 'it is fine'): OperatorRequest => ({
  id: 3,
  kind: 'through_outage',
  rolloutId: rollout.id,
  askId: null,
  step: null,
  reason,
  by: 'ann@desk',
  uid: 1,
});
const asked = (rollout: Rollout, changes: Partial<Observation> = OUT): Decision =>
  decide(rollout, observation({ ...changes, request: word(rollout) }));
const bridged = (rollout: Rollout): Rollout => after(rollout, asked(rollout));

describe('an outage of serverless in a rollout', () => {
  it('gives its calls to the endpoint by itself in the last step, and says so', () => {
    for (const approval of ['manual', 'automatic'] satisfies RoutePolicy['approval'][]) {
      const rollout = atStep(LAST);
      const decided = decide(rollout, observation({ ...OUT, policy: routePolicy({ approval }) }));
      assert.deepEqual([decided.action, decided.reason], ['bridge_outage', 'serverless_out']);
      assert.match(decided.detail, /serverless is out since .*: its calls go to the endpoint/);
      assert.deepEqual(throughOf(after(rollout, decided)), { since: SINCE, by: 'policy' });
    }
  });

  const still: readonly [what: string, rollout: Rollout][] = [
    ['in an earlier step', atStep(3)],
    ['before the first step', atStep(0)],
    ['while the last step is paused', { ...atStep(LAST), isPaused: true }],
    ['in the shadow stage', shadowingRollout()],
    ['once promoted, because the endpoint has them anyway', promotedRollout()],
    ['on a way back', backAtStep(1)],
  ];
  for (const [what, rollout] of still) {
    it(`gives no call to the endpoint by itself ${what}`, () => {
      assert.notEqual(decide(rollout, observation(OUT)).action, 'bridge_outage');
    });
  }

  it('gives its calls to the endpoint in any step if a person wants it, with who and why', () => {
    for (const rollout of [atStep(0), atStep(1), atStep(3), { ...atStep(LAST), isPaused: true }]) {
      const decided = asked(rollout);
      assert.deepEqual([decided.action, decided.reason], ['bridge_outage', 'operator']);
      assert.match(decided.detail, /wanted by ann@desk: it is fine$/);
      assert.equal(decided.outcome?.result, 'done');
      assert.deepEqual(decided.events, [
        { type: 'outage_bridged', since: SINCE, by: 'ann@desk', reason: 'it is fine' },
      ]);
      assert.deepEqual(throughOf(bridged(rollout)), { since: SINCE, by: 'ann@desk' });
    }
  });

  const refused: readonly [what: string, rollout: Rollout, changes: Partial<Observation>, why: RegExp][] = [
    ['serverless is not out', atStep(3), {}, /not out/],
    ['serverless was out and is back', atStep(3), BACK, /not out/],
    ['the endpoint has all calls', promotedRollout(), OUT, /gets all the calls/],
    ['there is no step yet', shadowingRollout(), OUT, /no endpoint that could take more/],
    ['it is a way back', backAtStep(1), OUT, /no endpoint that could take more/],
    ['it is so already', bridged(atStep(3)), OUT, /already/],
  ];
  for (const [what, rollout, changes, why] of refused) {
    it(`refuses the word of a person if ${what}`, () => {
      const decided = asked(rollout, changes);
      assert.deepEqual([decided.action, decided.events.length], ['refuse', 0]);
      assert.match(decided.outcome?.message ?? '', why);
    });
  }

  it('needs the role of an administrator, because no verdict stands behind it', () => {
    assert.equal(roleFor('through_outage'), 'admin');
  });

  it('changes no weight and enters no step, whatever the verdict says', () => {
    for (const step of [1, 3, LAST]) {
      const rollout = bridged(atStep(step));
      assert.deepEqual(weights(rollout, routePolicy()), weights(atStep(step), routePolicy()));
      const policy = routePolicy({ approval: 'automatic' });
      const decided = decide(rollout, observation({ ...OUT, policy, verdict: verdictOn(step) }));
      assert.deepEqual([decided.action, decided.reason], ['wait', 'serverless_out']);
    }
  });

  it('is over by itself as soon as serverless is back, also while the rollout is paused', () => {
    for (const isPaused of [false, true]) {
      const rollout = { ...bridged(atStep(3)), isPaused };
      const decided = decide(rollout, observation(BACK));
      assert.deepEqual([decided.action, decided.reason], ['end_outage', 'serverless_back']);
      assert.equal(throughOf(after(rollout, decided)), null);
      assert.deepEqual(after(rollout, decided), { ...atStep(3), isPaused });
    }
  });

  it('is over for a later step, too, and is gone with the promotion or the end', () => {
    const rollout = bridged(atStep(3));
    const entered = evolve(rollout, { type: 'step_entered', step: 4, weight: 0.75, phase: 'stepping' }, SINCE);
    assert.deepEqual(throughOf(entered), { since: SINCE, by: 'ann@desk' });
    const promoted = evolve(bridged(atStep(LAST)), { type: 'promoted' }, SINCE);
    const draining = evolve(rollout, { type: 'draining', outcome: 'aborted', reason: 'x', hint: null }, SINCE);
    for (const next of [promoted, draining]) assert.ok(!('through' in next));
  });

  it('does not hide an endpoint that fails as well: the traffic stays, and leaves once serverless is back', () => {
    const rollout = bridged(atStep(3));
    const failing = { canaryFaultsInRow: 9 };
    assert.equal(decide(rollout, observation({ ...OUT, ...failing })).reason, 'stable_unable');
    assert.equal(decide(rollout, observation({ ...BACK, ...failing })).action, 'roll_back');
  });

  it('is decided the same again from what is stored', () => {
    for (const rollout of [atStep(LAST), bridged(atStep(3))]) {
      const seen = observation({ ...OUT, endpointAnsweredAt: SINCE, stableRecent: { ...FAULTY, faultsInRow: 2 } });
      const stored = JSON.stringify({ rollout, observation: seen });
      assert.equal(decideAgain(stored), JSON.stringify(decide(rollout, seen)));
    }
  });
});

const FAULTY = { attempts: 4, faults: 2, connectFailures: 2 };
