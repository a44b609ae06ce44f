import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { Action } from '../../../src/core/decide/decision.ts';
import { openTooLong } from '../../../src/core/decide/asking.ts';
import { presentScaling } from '../../../src/core/decide/present-scaling.ts';
import { stepVerdict } from '../../../src/core/decide/rollback.ts';
import { isOver, weights } from '../../../src/core/rollout/rollout.ts';
import { afterEvent, NO_ROLLOUTS, rolloutsOf, stateOf } from '../../../src/core/rollout/route-state.ts';
import type { Happened, RouteState } from '../../../src/core/rollout/route-state.ts';
import { routePolicy } from '../../support/samples.ts';
import type { Spoken } from '../../support/words-walk.ts';
import { talk, talks } from '../../support/words-walk.ts';

const RUNS = Number(process.env['UPSHIFT_TEST_WORDS'] ?? 250);

/** What takes a route further, so that a word can forbid it. */
const FORWARD: ReadonlySet<Action> = new Set<Action>([
  'propose',
  'provision',
  'next_instance',
  'start_warming',
  'finish_warming',
  'finish_shadow',
  'enter_step',
  'promote',
  'return',
  'bridge_outage',
  'begin_detour',
  'rescale',
  'sleep',
  'wake',
  'end_detour',
]);

function restored(told: readonly Happened[]): RouteState {
  const stored = JSON.parse(JSON.stringify(told)) as readonly Happened[];
  return stateOf(stored.reduce(afterEvent, NO_ROLLOUTS), () => ({ policy: routePolicy(), askId: null }));
}

const active = ({ before }: Spoken) => before.active?.rollout ?? null;

/** Whether a decision creates an endpoint, or allows one to be created. */
const spends = ({ decided }: Spoken) => decided.events.some(({ type }) => type === 'provisioning_started');

/** An action that the last valid word forbids. */
function forbidden(spoken: Spoken): void {
  const { decided, seen } = spoken;
  const rollout = active(spoken);
  const isForward = FORWARD.has(decided.action) || decided.effect === 'ensure' || decided.effect === 'wake';
  if (seen.frozen !== undefined) {
    assert.ok(!isForward && decided.action !== 'ask', `${decided.action} while all routes are frozen`);
    assert.ok(
      !decided.events.some(({ type }) => type === 'approved'),
      'an approval counts while all routes are frozen',
    );
  }
  if (rollout?.isPaused === true) assert.ok(!isForward, `${decided.action} while the rollout is paused`);
  const { held, request } = seen;
  if (held !== undefined && decided.action === 'propose' && request?.kind !== 'propose') {
    const proposed = decided.events.find((event) => event.type === 'proposed');
    assert.notEqual(proposed?.rollout.toward, held.toward, 'proposed by itself after an abort');
  }
  if (request?.withdrawnBy !== undefined && decided.outcome !== null) {
    assert.deepEqual([decided.action, decided.events], ['refuse', []], 'a withdrawn word is carried out');
  }
}

/** What is entered, asked or said yes to toward the endpoint although no change window is open, or is refused for that wrongly. */
function inWindows(spoken: Spoken): void {
  const { decided, seen } = spoken;
  const rollout = active(spoken);
  if (seen.closed === undefined) {
    assert.notEqual(decided.reason, 'closed_window');
    return;
  }
  const kinds = ['abort', 'reject', 'pause', 'resume', 'through_outage'];
  if (kinds.includes(seen.request?.kind ?? '')) assert.notEqual(decided.reason, 'closed_window');
  if (rollout?.toward === 'serverless') {
    assert.notEqual(decided.reason, 'closed_window');
    return;
  }
  const proposed = decided.events.find((event) => event.type === 'proposed');
  assert.ok(proposed === undefined || proposed.rollout.toward === 'serverless', 'proposed while closed');
  for (const event of decided.events) {
    assert.ok(!['provisioning_started', 'step_entered', 'promoted'].includes(event.type), `${event.type} while closed`);
    const isAnswer = event.type === 'asked' || event.type === 'approved' || event.type === 'approval_added';
    if (isAnswer) assert.notEqual(event.about ?? 'step', 'step', `${event.type} about a step while closed`);
    if (event.type === 'detour_began' && event.why === 'rescale') {
      const before = rollout?.phase === 'promoted' ? presentScaling(rollout, seen.policy.endpoint).maxReplica : 0;
      assert.ok(event.scaling.maxReplica <= before, 'more replicas while closed');
    }
  }
}

/** Money without a word: neither that of a person, in time and not withdrawn, nor that of the policy. */
function paidFor(spoken: Spoken): void {
  if (!spends(spoken)) return;
  const { decided, seen, told } = spoken;
  const rollout = active(spoken);
  assert.ok(rollout?.phase === 'proposed' && openTooLong(rollout, seen) === null, 'the proposal was too old');
  if (decided.reason === 'approved_by_policy') {
    assert.equal(seen.policy.approval, 'automatic');
    return;
  }
  const { request } = seen;
  assert.ok(request?.kind === 'approve' && request.withdrawnBy === undefined && request.askId === seen.openAskId);
  const asked = told.findLastIndex(({ rolloutId, event }) => rolloutId === rollout.id && event.type === 'asked');
  const people = told
    .slice(asked)
    .flatMap(({ rolloutId, event }) =>
      rolloutId === rollout.id && event.type === 'approval_added' ? [event.uid] : [],
    );
  assert.equal(new Set([...people, request.uid]).size, people.length + 1, 'a person counts twice');
  assert.ok(people.length + 1 >= seen.policy.approvals.provision, 'too few people have approved');
}

/** An abort that is not obeyed. */
function obeyed(spoken: Spoken): void {
  const { decided, seen, after } = spoken;
  const rollout = active(spoken);
  if (rollout === null || seen.request?.kind !== 'abort' || seen.request.rolloutId !== rollout.id) return;
  if (rollout.phase === 'draining') return;
  // Whose endpoint is lost has no place to go back to: all its calls go to serverless instead.
  const isLost = rollout.toward === 'serverless' && decided.action !== 'roll_back' && decided.action !== 'end';
  const own = [after.active?.rollout, after.replaced?.rollout, after.last].find((each) => each?.id === rollout.id);
  assert.ok(own != null);
  if (!isLost) {
    assert.ok(own.phase === 'draining' || isOver(own.phase), `an abort leaves it ${own.phase}: ${decided.detail}`);
    if (rollout.toward === 'dedicated') assert.equal(weights(own, seen.policy).weight, 0);
  }
}

/** A step that is entered over the evidence without a word for it, or unmarked. */
function marked(spoken: Spoken): void {
  const { decided, seen } = spoken;
  const rollout = active(spoken);
  const over = decided.events.filter((event) => event.type === 'approved' && event.overEvidence === true);
  assert.equal(over.length > 0, decided.reason === 'over_evidence');
  if (over.length === 0) return;
  assert.equal(seen.request?.kind, 'over_evidence');
  assert.ok(seen.policy.overEvidence && (rollout?.phase === 'stepping' || rollout?.phase === 'holding'));
  assert.notEqual(stepVerdict(rollout, seen)?.status, 'fail');
}

describe('whatever people say, early, late, twice, queued, by two of them, and across restarts', () => {
  const chosen = { numRuns: RUNS, seed: randomInt(2 ** 31) };

  it('reaches what the laws are about', () => {
    const reached = new Set<string>();
    for (const one of fc.sample(talks, { numRuns: 400, seed: 7 })) {
      for (const spoken of talk(one, restored)) {
        const { decided, seen } = spoken;
        reached.add(decided.reason === 'withdrawn' ? 'withdrawn' : decided.action);
        if (spends(spoken)) reached.add('spends');
        if (decided.reason === 'over_evidence') reached.add('over_evidence');
        if (decided.reason === 'held') reached.add('held');
        if (decided.reason === 'closed_window') reached.add(`closed: ${seen.request?.kind ?? decided.action}`);
        if (seen.closed !== undefined && decided.action === 'roll_back') reached.add('closed: rolls back');
        if (decided.action === 'propose' && seen.request?.kind === 'propose') reached.add('proposed by hand');
        if (seen.request?.kind === 'abort' && decided.outcome?.result === 'done') {
          reached.add(`abort ${active(spoken)?.phase ?? ''}`);
        }
      }
    }
    const closed = ['wait', 'approve', 'over_evidence', 'propose', 'rolls back'].map((what) => `closed: ${what}`);
    const wanted = [
      ...closed,
      'withdrawn',
      'spends',
      'over_evidence',
      'held',
      'proposed by hand',
      'freeze',
      'thaw',
      'promote',
    ];
    const phases = ['proposed', 'provisioning', 'warming', 'shadowing', 'stepping', 'holding', 'promoted'];
    const missing = [...wanted, ...phases.map((phase) => `abort ${phase}`)].filter((one) => !reached.has(one));
    assert.deepEqual(missing, []);
  });

  it('nothing is done that the last valid word forbids, no money flows without one, and an abort is obeyed', () => {
    fc.assert(
      fc.property(talks, (one) => {
        for (const spoken of talk(one, restored)) {
          for (const law of [forbidden, inWindows, paidFor, obeyed, marked]) law(spoken);
        }
      }),
      chosen,
    );
  });

  it('a process that starts makes the same state from the events', () => {
    fc.assert(
      fc.property(talks, (one) => {
        let last: Spoken | null = null;
        for (const spoken of talk(one, restored)) last = spoken;
        if (last !== null) assert.deepEqual(rolloutsOf(restored(last.told)), rolloutsOf(last.after));
      }),
      { ...chosen, numRuns: Math.min(RUNS, 1_000) },
    );
  });
});
