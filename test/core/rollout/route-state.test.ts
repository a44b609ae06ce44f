import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RolloutEvent } from '../../../src/core/rollout/event.ts';
import type { Happened, RouteRollouts, RouteState } from '../../../src/core/rollout/route-state.ts';
import { afterEvent, changedBy, nextState, NO_ROLLOUTS, rolloutsOf } from '../../../src/core/rollout/route-state.ts';
import { WATCHED } from '../../../src/core/rollout/route-state.ts';
import {
  PROPOSED,
  promotedRollout,
  routePolicy,
  START,
  TO_PROMOTED,
  wayBackAfter,
  wayBackProposed,
} from '../../support/samples.ts';

const PROMOTED = promotedRollout().id;
const BACK = wayBackAfter().id;
const BACK_PROPOSED = wayBackProposed();
const FILE = routePolicy();
const EDITED = routePolicy({ approval: 'automatic' });
const SCALING_ASKED: RolloutEvent = { type: 'asked', about: 'scaling', step: 6, verdict: null };

const happened = (rolloutId: string, ...events: readonly RolloutEvent[]): Happened[] =>
  events.map((event) => ({ rolloutId, event, at: START }));
const ended = (outcome: 'aborted' | 'returned'): RolloutEvent => ({ type: 'ended', outcome, reason: 'x', hint: null });
const after = (...told: readonly (readonly Happened[])[]): RouteRollouts => told.flat().reduce(afterEvent, NO_ROLLOUTS);
const named = ({ active, replaced, last }: RouteRollouts) => [active, replaced, last].map((each) => each?.id ?? null);

const promoted = happened(PROMOTED, ...TO_PROMOTED);
const replaced = happened(BACK, BACK_PROPOSED);

describe('the rollouts of a route', () => {
  const cases: readonly [why: string, told: readonly (readonly Happened[])[], named: readonly (string | null)[]][] = [
    ['nothing', [], [null, null, null]],
    ['a proposal', [happened(PROMOTED, PROPOSED)], [PROMOTED, null, null]],
    ['its end', [happened(PROMOTED, PROPOSED, ended('aborted'))], [null, null, PROMOTED]],
    ['a way back', [promoted, replaced], [BACK, PROMOTED, null]],
    ['its failure', [promoted, replaced, happened(BACK, ended('aborted'))], [PROMOTED, null, BACK]],
    [
      'its success, which ends both',
      [promoted, replaced, happened(BACK, ended('returned')), happened(PROMOTED, ended('returned'))],
      [null, null, BACK],
    ],
    [
      'the end of the rollout that a failed way back had replaced',
      [promoted, replaced, happened(BACK, ended('aborted')), happened(PROMOTED, ended('aborted'))],
      [null, null, PROMOTED],
    ],
  ];
  for (const [why, told, expected] of cases) {
    it(`are these after ${why}`, () => assert.deepEqual(named(after(...told)), expected));
  }

  it('change by an event of the replaced one while the way back goes on', () => {
    const warned: RolloutEvent = { type: 'budget_warned', budget: 'day 1' };
    const { active, replaced: kept } = after(promoted, replaced, happened(PROMOTED, warned));
    assert.deepEqual([active?.budget, kept?.budget?.length], [undefined, 1]);
  });

  const refused: readonly [why: string, told: readonly (readonly Happened[])[]][] = [
    ['an event of a rollout that the route does not have', [promoted, happened('cccccccc', ended('aborted'))]],
    ['an event of a rollout that is over', [happened(PROMOTED, PROPOSED, ended('aborted'), ended('aborted'))]],
    ['a second proposal', [happened(PROMOTED, PROPOSED, PROPOSED)]],
    ['a way back without its rollout', [replaced]],
    ['a way back of a way back', [promoted, replaced, replaced]],
    ['a proposal that is told of another rollout', [happened(BACK, PROPOSED)]],
  ];
  for (const [why, told] of refused) it(`never see ${why}`, () => assert.throws(() => after(...told), /rollout/));

  it('are told as they are after what happened, also those that are over by then', () => {
    const before = after(promoted, replaced);
    const end = [...happened(BACK, ended('returned')), ...happened(PROMOTED, ended('returned'))];
    const changed = [...changedBy(before, end)].map(([id, { phase }]) => [id, phase]);
    assert.deepEqual(changed, [
      [BACK, 'returned'],
      [PROMOTED, 'returned'],
    ]);
  });
});

describe('the state of a route', () => {
  const taken = (before: RouteState, events: readonly Happened[], askId: number | null = null, filePolicy = FILE) =>
    nextState(before, { happened: events, filePolicy, askId });
  const withAsk = taken(taken(WATCHED, promoted), happened(PROMOTED, SCALING_ASKED), 7);

  it('is the same object where nothing happened', () => {
    assert.equal(taken(withAsk, []), withAsk);
  });

  it('keeps policy and question of a rollout while a way back replaces it, and has them again afterwards', () => {
    const away = taken(withAsk, replaced, null, EDITED);
    assert.deepEqual(away.replaced, withAsk.active);
    assert.deepEqual([away.active?.policy, away.active?.askId], [EDITED, null]);
    const home = taken(away, happened(BACK, ended('aborted')), null, EDITED);
    assert.deepEqual(home.active, withAsk.active);
    assert.deepEqual(rolloutsOf(home).last?.id, BACK);
  });

  it('has a question from the event that asks until the event that answers, through all others', () => {
    const paused = taken(withAsk, happened(PROMOTED, { type: 'paused', by: 'ann@desk', reason: null }), null, EDITED);
    assert.deepEqual([paused.active?.askId, paused.active?.policy], [7, FILE]);
    const answer: RolloutEvent = { type: 'approved', about: 'scaling', step: 6, by: 'ann@desk', reason: null };
    assert.equal(taken(paused, happened(PROMOTED, answer)).active?.askId, null);
    assert.equal(taken(paused, happened(PROMOTED, answer, SCALING_ASKED), 8).active?.askId, 8);
  });
});
