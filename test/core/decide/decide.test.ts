import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import { decideAgain } from '../../../src/core/decide-again.ts';
import type { EndpointSeen, Observation } from '../../../src/core/decide/observation.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import type { RolloutEvent } from '../../../src/core/rollout/event.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import {
  atStep,
  ENDPOINT_POLICY,
  observation,
  PROFILE,
  promotedRollout,
  rolloutAfter,
  routePolicy,
  START,
  TO_WARM,
  WARM,
  SURVEY,
  NO_REPLICAS,
} from '../../support/samples.ts';
import { namedInstance } from '../../support/named-instance.ts';

const MINUTE = 60_000;
const HOLDING = { calls: 2_100, agents: 64, derivedAgents: 0, refused: 168, refusedShare: 0.08 };
const SUSTAINED = { ...HOLDING, holdsSince: START - 5 * MINUTE };
const AUTOMATIC = routePolicy({ approval: 'automatic' });

/** An observation of a watched route that can be proposed, with the changes of a test. */
function ripe(changes: Partial<Observation> = {}): Observation {
  return observation({ demand: SUSTAINED, survey: SURVEY, ...changes });
}

function endpoint(state: EndpointSeen['state'], changes: Partial<EndpointSeen> = {}): EndpointSeen {
  return {
    at: START + 1,
    state,
    url: null,
    isHealthy: false,
    badReadings: 0,
    isOurs: true,
    message: null,
    ...NO_REPLICAS,
    ...changes,
  };
}

const inShort = (decided: { action: string; reason: string }) => `${decided.action} ${decided.reason}`;

describe('a watched route', () => {
  const cases: readonly [why: string, seen: Observation, expected: string][] = [
    ['the criteria do not hold', observation(), 'wait criteria_not_met'],
    ['the criteria hold since a moment ago', ripe({ demand: { ...HOLDING, holdsSince: START } }), 'wait sustaining'],
    ['a second is missing', ripe({ demand: { ...HOLDING, holdsSince: START - 299_000 } }), 'wait sustaining'],
    [
      'the window holds but no second has ended',
      ripe({ demand: { ...HOLDING, holdsSince: null } }),
      'wait criteria_not_met',
    ],
    ['they held until just now', ripe({ demand: { ...SUSTAINED, calls: 2_000 } }), 'wait criteria_not_met'],
    [
      'the policy names no endpoint',
      ripe({ policy: routePolicy({ endpoint: null }) }),
      'wait would_propose_add_endpoint',
    ],
    ['serverless is out', ripe({ outage: { since: START - 600_000, until: START } }), 'wait serverless_out'],
    [
      'the window has a part of an outage',
      ripe({ outage: { since: START - 600_000, until: START - 200_000 } }),
      'wait serverless_out',
    ],
    ['a rollout ended an hour ago', ripe({ lastEndedAt: START - 60 * MINUTE }), 'wait cooldown'],
    ['a rollout ended six hours ago', ripe({ lastEndedAt: START - 360 * MINUTE }), 'propose criteria_sustained'],
    ['the Hub was out of reach', ripe({ account: 'unchecked' }), 'wait account_unchecked'],
    ['the Hub refuses the token', ripe({ account: 'refused' }), 'wait account_refused'],
    ['nothing is known of price and quota', ripe({ survey: null }), 'survey survey_missing'],
    ['the survey is too old', ripe({ survey: { ...SURVEY, at: START - 11 * MINUTE } }), 'survey survey_missing'],
    ['a survey is under way', ripe({ survey: null, effects: ['survey'] }), 'wait survey_missing'],
    ['there is no quota', ripe({ survey: { ...SURVEY, problem: 'no quota', hint: 'ask' } }), 'wait not_available'],
    ['the price is not known', ripe({ survey: { ...SURVEY, pricePerHourMicros: null } }), 'wait not_available'],
    ['the price is too high', ripe({ survey: { ...SURVEY, pricePerHourMicros: 10_000_001 } }), 'wait too_expensive'],
    [
      'the price is just allowed',
      ripe({ survey: { ...SURVEY, pricePerHourMicros: 10_000_000 } }),
      'propose criteria_sustained',
    ],
    ['everything is in place', ripe(), 'propose criteria_sustained'],
  ];
  for (const [why, seen, expected] of cases) {
    it(`decides "${expected}" if ${why}`, () => assert.equal(inShort(decide(null, seen)), expected));
  }

  it('tries a survey that failed again after a while, not at once', () => {
    const problem = { code: 'unavailable' as const, message: 'survey: no answer', hint: null };
    const failed = (at: number) => ripe({ survey: null, results: { survey: { effect: 'survey', at, problem } } });
    assert.equal(inShort(decide(null, failed(START - 1_000))), 'wait effect_failed');
    assert.equal(inShort(decide(null, failed(START - MINUTE))), 'survey survey_missing');
  });

  it('proposes with figures, instance and price, and spends nothing yet', () => {
    const decided = decide(null, ripe());
    assert.equal(
      decided.detail,
      '2100 calls, 64 agents, 8.0 % refused or delayed in 5 min; aws us-east-1 nvidia-a10g x1 at $1.30/h',
    );
    assert.equal(decided.effect, null);
    assert.deepEqual(
      decided.events.map((event) => event.type),
      ['proposed'],
    );
    const rollout = decided.events.reduce<Rollout | null>((state, event) => evolve(state, event, START), null);
    assert.equal(rollout?.criteriaSince, SUSTAINED.holdsSince);
    assert.equal(rollout?.endpointName, 'writer-aaaabbbb');
  });
});

describe('the instance that was chosen', () => {
  const instance = namedInstance({ ...ENDPOINT_POLICY, instanceType: 'nvidia-l40s', engine: 'vLLM' }, 1);
  assert.ok(instance);
  const seen = ripe({ survey: { ...SURVEY, instance } });

  it('is proposed, pinned and shown, whatever the policy names', () => {
    const decided = decide(null, seen);
    assert.match(decided.detail, /; aws us-east-1 nvidia-l40s x1 at \$1\.30\/h$/);
    const rollout = decided.events.reduce<Rollout | null>((state, event) => evolve(state, event, START), null);
    assert.deepEqual(rollout?.instance, instance);
    assert.match(decide(rollout, observation()).detail, /^create aws us-east-1 nvidia-l40s x1 at/);
  });

  it('stays with the rollout through everything that happens to it', () => {
    const rollout = decide(null, seen).events.reduce<Rollout | null>(
      (state, event) => evolve(state, event, START),
      null,
    );
    const later = TO_WARM.reduce<Rollout | null>((state, event) => evolve(state, event, START), rollout);
    assert.deepEqual([later?.phase, later?.instance], ['stepping', instance]);
  });
});

describe('a proposed rollout', () => {
  const asked = rolloutAfter({ type: 'asked', step: 0, verdict: null });

  it('asks once, and then waits', () => {
    assert.equal(inShort(decide(rolloutAfter(), observation())), 'ask needs_approval');
    assert.equal(inShort(decide(asked, observation())), 'wait awaiting_approval');
  });

  it('stays open for a day and then expires', () => {
    assert.equal(inShort(decide(asked, observation({ now: START + 1440 * MINUTE }))), 'wait awaiting_approval');
    const decided = decide(asked, observation({ now: START + 1440 * MINUTE + 1 }));
    assert.equal(inShort(decided), 'end proposal_expired');
    assert.equal(decided.events[0]?.type, 'ended');
  });

  it('stays open even if the criteria no longer hold', () => {
    assert.equal(inShort(decide(asked, observation({ now: START + 60 * MINUTE }))), 'wait awaiting_approval');
  });

  it('is approved by the policy if that says so, but never while paused', () => {
    const decided = decide(rolloutAfter(), observation({ policy: AUTOMATIC }));
    assert.equal(inShort(decided), 'provision approved_by_policy');
    const paused = rolloutAfter({ type: 'paused', by: 'ann@desk', reason: null });
    assert.equal(inShort(decide(paused, observation({ policy: AUTOMATIC }))), 'wait paused');
    assert.equal(inShort(decide(paused, observation())), 'wait paused');
  });
});

describe('a provisioning rollout', () => {
  const fresh = rolloutAfter(...TO_WARM.slice(0, 3));
  const rollout = rolloutAfter(...TO_WARM.slice(0, 3), { type: 'endpoint_made', state: 'pending' });
  const refusal = (code: 'invalid' | 'unauthorized' | 'unavailable', at = START) => ({
    ensure: { effect: 'ensure' as const, at, problem: { code, message: 'ensure: refused', hint: 'ask for quota' } },
  });
  const cases: readonly [why: string, changes: Partial<Observation>, expected: string][] = [
    ['nothing was seen of the endpoint', {}, 'ensure_endpoint endpoint_missing'],
    ['it was made and then deleted', { endpoint: endpoint('absent') }, 'fail endpoint_absent'],
    ["it is somebody else's", { endpoint: endpoint('pending', { isOurs: false }) }, 'fail endpoint_not_ours'],
    [
      'it became ready too late, but before the daemon read it',
      {
        now: START + 40 * MINUTE,
        endpoint: endpoint('running', { url: WARM.url, isHealthy: true, at: START + 40 * MINUTE }),
      },
      'start_warming endpoint_ready',
    ],
    [
      'it is where no call may go',
      { endpoint: endpoint('running', { foreignUrl: 'https://example.com/' }) },
      'fail endpoint_url_refused',
    ],
    ['it is being created', { effects: ['ensure'] }, 'wait endpoint_missing'],
    ['it is pending', { endpoint: endpoint('pending') }, 'wait endpoint_starting'],
    ['it initializes', { endpoint: endpoint('initializing') }, 'wait endpoint_starting'],
    ['it runs without a URL', { endpoint: endpoint('running', { isHealthy: true }) }, 'wait endpoint_starting'],
    ['its health lags', { endpoint: endpoint('running', { url: WARM.url }) }, 'wait endpoint_starting'],
    [
      'it is healthy',
      { endpoint: endpoint('running', { url: WARM.url, isHealthy: true }) },
      'start_warming endpoint_ready',
    ],
    ['it failed', { endpoint: endpoint('failed') }, 'fail endpoint_failed'],
    ['somebody paused it', { endpoint: endpoint('paused') }, 'fail endpoint_paused'],
    ['the request was refused', { results: refusal('invalid') }, 'fail provision_refused'],
    ['the token was refused', { results: refusal('unauthorized') }, 'fail provision_refused'],
    ['the API was out of reach a moment ago', { results: refusal('unavailable') }, 'wait effect_failed'],
    [
      'the API was out of reach',
      { results: refusal('unavailable', START - MINUTE) },
      'ensure_endpoint endpoint_missing',
    ],
    [
      'its time is over',
      { now: START + 30 * MINUTE + 1, endpoint: endpoint('initializing') },
      'fail provision_timeout',
    ],
  ];
  for (const [why, changes, expected] of cases) {
    it(`decides "${expected}" if ${why}`, () => assert.equal(inShort(decide(rollout, observation(changes))), expected));
  }

  it('begins the effect that it decides on', () => {
    assert.equal(decide(rollout, observation()).effect, 'ensure');
  });

  it('gives the reason for a refusal, with its hint', () => {
    const [event] = decide(rollout, observation({ results: refusal('invalid') })).events;
    assert.deepEqual(event, {
      type: 'draining',
      outcome: 'failed',
      reason: 'provision_refused: ensure: refused',
      hint: 'ask for quota',
      cause: 'refused',
    });
  });

  it('says where the endpoint is that gets no call, and which setting allows it', () => {
    const foreign = endpoint('running', { foreignUrl: 'https://example.com/' });
    const [event] = decide(rollout, observation({ endpoint: foreign })).events;
    assert.ok(event?.type === 'draining');
    assert.match(event.reason, /is at https:\/\/example\.com\/, which is below no domain/);
    assert.match(event.hint ?? '', /endpoint\.domains of the policy/);
  });

  it('is created only once: after it has been seen, it is not created again', () => {
    assert.equal(
      inShort(decide(fresh, observation({ endpoint: endpoint('absent') }))),
      'ensure_endpoint endpoint_missing',
    );
    const seen = decide(fresh, observation({ endpoint: endpoint('pending') }));
    assert.deepEqual(seen.events, [{ type: 'endpoint_made', state: 'pending' }]);
  });
});

describe('a warming rollout', () => {
  const rollout = rolloutAfter(...TO_WARM.slice(0, 4));
  const warmed = (at: number) => ({
    warm: { effect: 'warm' as const, at, problem: null, warmed: { endpoint: WARM, failed: [], profile: PROFILE } },
  });
  const cases: readonly [why: string, changes: Partial<Observation>, expected: string][] = [
    [
      'it is where no call may go',
      { endpoint: endpoint('running', { foreignUrl: 'https://example.com/' }), results: warmed(START) },
      'fail endpoint_url_refused',
    ],
    [
      'it has moved meanwhile',
      { endpoint: endpoint('running', { url: 'http://127.0.0.1:8', isHealthy: true }), results: warmed(START) },
      'fail endpoint_moved',
    ],
    ['nothing was tried', {}, 'warm warming_up'],
    ['calls are under way', { effects: ['warm'] }, 'wait warming_up'],
    ['calls were answered', { results: warmed(START) }, 'finish_warming warmed'],
    ['calls were answered before this phase', { results: warmed(START - MINUTE) }, 'warm warming_up'],
    ['somebody paused it', { results: warmed(START), endpoint: endpoint('paused') }, 'fail endpoint_paused'],
    ['somebody deleted it', { endpoint: endpoint('absent') }, 'fail endpoint_absent'],
    ['its time is over', { now: START + 30 * MINUTE + 1 }, 'fail provision_timeout'],
  ];
  for (const [why, changes, expected] of cases) {
    it(`decides "${expected}" if ${why}`, () => assert.equal(inShort(decide(rollout, observation(changes))), expected));
  }
});

describe('a paused rollout that has no endpoint yet', () => {
  it('begins nothing that costs money, but still fails if it must', () => {
    const pause: RolloutEvent = { type: 'paused', by: 'ops@host', reason: null };
    const paused = rolloutAfter(...TO_WARM.slice(0, 3), pause);
    assert.equal(inShort(decide(paused, observation({}))), 'wait paused');
    assert.equal(inShort(decide(paused, observation({ endpoint: endpoint('failed') }))), 'fail endpoint_failed');
  });
});

describe('a draining rollout', () => {
  const drain: RolloutEvent = { type: 'draining', outcome: 'aborted', reason: 'operator', hint: null };
  const rollout = rolloutAfter(...TO_WARM, drain);
  const paused = (code: 'invalid' | 'unavailable') => ({
    pause: { effect: 'pause' as const, at: START, problem: { code, message: 'pause: no', hint: null } },
  });
  const cases: readonly [why: string, changes: Partial<Observation>, expected: string][] = [
    ['calls are still running', { isDrained: false, endpoint: endpoint('running') }, 'wait draining'],
    [
      'there is no reading since it began to drain',
      { endpoint: endpoint('running', { at: START - 1 }) },
      'pause_endpoint traffic_first',
    ],
    [
      'only an old reading said paused',
      { endpoint: endpoint('paused', { at: START - 1 }) },
      'pause_endpoint traffic_first',
    ],
    ['it runs', { endpoint: endpoint('running') }, 'pause_endpoint traffic_first'],
    ['it is being paused', { effects: ['pause'] }, 'wait traffic_first'],
    ['it is paused', { endpoint: endpoint('paused') }, 'end drained'],
    [
      'it is paused but something is under way',
      { endpoint: endpoint('paused'), effects: ['ensure'] },
      'pause_endpoint traffic_first',
    ],
    ['it seems absent for a moment', { endpoint: endpoint('absent') }, 'wait traffic_first'],
    ['it is absent, but not for long', { now: START + 120_000, endpoint: endpoint('absent') }, 'wait traffic_first'],
    ['it is surely absent', { now: START + 120_000, endpoint: endpoint('absent', { badReadings: 24 }) }, 'end drained'],
    [
      'it is absent, but its creation may still be under way',
      {
        now: START + 120_000,
        endpoint: endpoint('absent', { badReadings: 24 }),
        results: { ensure: { effect: 'ensure' as const, at: START + 60_000, problem: null } },
      },
      'wait traffic_first',
    ],
    ["it is somebody else's", { endpoint: endpoint('running', { isOurs: false }) }, 'end drained'],
    ['it failed and cannot be paused', { endpoint: endpoint('failed'), results: paused('invalid') }, 'end drained'],
    [
      'pausing succeeded a moment ago, but no reading shows it yet',
      {
        endpoint: endpoint('running'),
        results: { pause: { effect: 'pause' as const, at: START, problem: null } },
      },
      'wait traffic_first',
    ],
    [
      'pausing failed a moment ago',
      { endpoint: endpoint('running'), results: paused('unavailable') },
      'wait effect_failed',
    ],
  ];
  for (const [why, changes, expected] of cases) {
    it(`decides "${expected}" if ${why}`, () => assert.equal(inShort(decide(rollout, observation(changes))), expected));
  }

  it('ends with the outcome with which it began to drain', () => {
    const [event] = decide(rollout, observation({ endpoint: endpoint('paused') })).events;
    assert.deepEqual(event, { type: 'ended', outcome: 'aborted', reason: 'operator', hint: null });
  });
});

describe('decideAgain', () => {
  it('gives exactly the text that was stored', () => {
    for (const rollout of [null, rolloutAfter(), atStep(0), atStep(4), promotedRollout()]) {
      const seen = ripe();
      assert.equal(decideAgain(JSON.stringify({ rollout, observation: seen })), JSON.stringify(decide(rollout, seen)));
    }
  });
});
