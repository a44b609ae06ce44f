import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LaneKey, LaneStatus } from '../../../src/core/care/lane-status.ts';
import type { Arrival } from '../../../src/core/call.ts';
import { DELAYED_US } from '../../../src/core/call.ts';
import { WATCHED } from '../../../src/core/rollout/route-state.ts';
import { rollBackAtOnce } from '../../../src/daemon/tick/reconcile.ts';
import { backAtStep, MODEL, promotedRollout, START, wayBackAfter } from '../../support/samples.ts';
import { Stand } from './stand.ts';

describe('demand on a way back', () => {
  it('is what was assigned to serverless, the canary; the traffic is all of it', () => {
    const stand = new Stand().begin(backAtStep(1));
    stand.look();
    for (let minute = 0; minute < 6; minute++) {
      stand.now = START + minute * 60_000;
      stand.look();
      stand.arrive({ role: 'stable' });
      stand.arrive({ role: 'canary' });
      stand.arrive({ role: null, isEligible: false });
      stand.arrive({ role: 'canary', isRepeat: true });
      stand.arrive({ role: 'stable', waitedUs: 5 * DELAYED_US });
    }
    stand.arrive({ role: 'canary', waitedUs: DELAYED_US });
    stand.now = START + 6 * 60_000;
    const { demand, back } = stand.look();
    // Of the last 300 seconds: two each in four minutes, and one more, which was kept waiting.
    assert.deepEqual([demand.calls, demand.refused], [9, 1]);
    assert.equal(back?.traffic?.calls, 21);
  });
});

describe('faults on a way back', () => {
  it('are counted for either side, and a call that was answered ends the row', () => {
    const stand = new Stand().begin(backAtStep(1));
    const fail = (role: 'stable' | 'canary', outcome: 'rate_limited' | 'server_error') => {
      const upstream = role === 'canary' ? 'serverless' : 'dedicated';
      stand.routes.failed(stand.arrive({ role }), outcome, upstream, 1_000, '');
    };
    for (let i = 0; i < 4; i++) fail('canary', 'rate_limited');
    for (let i = 0; i < 4; i++) fail('stable', 'server_error');
    assert.deepEqual([stand.look().canaryFaultsInRow, stand.look().endpointFaultsInRow, stand.woken], [4, 4, 0]);
    stand.end(stand.arrive({ role: 'stable' }));
    assert.deepEqual([stand.look().canaryFaultsInRow, stand.look().endpointFaultsInRow], [4, 0]);
    fail('canary', 'server_error');
    assert.equal(stand.woken, 1);
    stand.end(stand.arrive({ role: 'canary' }));
    assert.equal(stand.look().canaryFaultsInRow, 0);
    for (let i = 0; i < 5; i++) fail('stable', 'server_error');
    assert.deepEqual([stand.look().endpointFaultsInRow, stand.woken], [5, 2]);
  });
});

describe('the table on a way back', () => {
  it('has the endpoint from the proposal to the last stop, and nothing afterwards', () => {
    const stand = new Stand();
    const seen = [promotedRollout(), wayBackAfter(), backAtStep(1), backAtStep(4), backAtStep(5)].map((rollout) => {
      const { toward = 'dedicated', weight, step } = stand.begin(rollout).canary ?? {};
      return [toward, weight, step];
    });
    assert.deepEqual(seen, [
      ['dedicated', 1, 6],
      ['serverless', 0, 0],
      ['serverless', 0.25, 1],
      ['serverless', 0.9, 4],
      ['serverless', 0.97, 5],
    ]);
    const draining = backAtStep(5, { type: 'draining', outcome: 'returned', reason: 'done', hint: null });
    assert.equal(stand.begin(draining).canary, null);
  });

  it('goes to the right side at once where the ledger cannot take the decision', () => {
    const rollBack = (stand: Stand) =>
      rollBackAtOnce(stand.watch, { advance: stand.advance, observe: stand.observe, changed: () => undefined });
    const fail = (stand: Stand, role: 'canary' | 'stable') => {
      const upstream = role === 'canary' ? 'serverless' : 'dedicated';
      for (let i = 0; i < 5; i++) stand.routes.failed(stand.arrive({ role }), 'server_error', upstream, 1_000, '');
    };
    const failing = new Stand().begin(backAtStep(3));
    fail(failing, 'canary');
    rollBack(failing);
    assert.deepEqual([failing.canary?.toward, failing.canary?.weight], ['serverless', 0]);
    const lost = new Stand().begin(backAtStep(3));
    fail(lost, 'stable');
    rollBack(lost);
    assert.equal(lost.canary, null);
    const well = new Stand().begin(backAtStep(5));
    rollBack(well);
    assert.equal(well.canary?.weight, 0.97);
  });
});

describe('an endpoint that drains', () => {
  it('waits for its calls of either role, of this rollout and the one before', () => {
    const draining = backAtStep(5, { type: 'draining', outcome: 'returned', reason: 'done', hint: null });
    const stand = new Stand().begin(draining);
    const arrival = stand.arrive();
    const cases: readonly [Partial<Arrival>, boolean][] = [
      [{ role: 'stable', isWayBack: true }, false],
      [{ role: 'canary', isWayBack: true }, true],
      [{ role: 'canary', isWayBack: false, rolloutId: promotedRollout().id }, false],
      [{ role: null, rolloutId: null }, true],
      [{ role: 'stable', isWayBack: true, model: 'acme/other' }, true],
    ];
    for (const [over, isDrained] of cases) {
      stand.inFlight = [{ ...arrival, ...over }];
      assert.equal(stand.look().isDrained, isDrained, JSON.stringify(over));
    }
  });
});

describe('what serverless takes', () => {
  const lane = (provider: string, limit: number | null, model = MODEL) =>
    ({ model, provider, limit }) as LaneKey & LaneStatus;

  it('is the sum of its ways, and not known while one of them has not shown it', () => {
    const stand = new Stand({ care: { providers: ['groq'] } }).begin(promotedRollout());
    const limits = (...lanes: (LaneKey & LaneStatus)[]) => {
      stand.lanes = lanes;
      return stand.look().back?.serverlessLimit;
    };
    assert.equal(limits(), null);
    assert.equal(limits(lane('', 300)), null);
    assert.equal(limits(lane('', 300), lane('groq', null)), null);
    assert.equal(limits(lane('', 300), lane('groq', 200), lane('other', 50), lane('', 9, 'acme/other')), 500);
  });
});

describe('a route’s traffic', () => {
  it('is looked at while an endpoint serves it, and goes on through a way back that comes to nothing', () => {
    const stand = new Stand();
    assert.equal(stand.look().back, null);
    stand.begin(promotedRollout()).look();
    for (let minute = 1; minute <= 10; minute++) {
      stand.now = START + minute * 60_000;
      stand.arrive({ role: 'canary' });
      stand.look();
    }
    assert.equal(stand.look().back?.traffic?.calls, 5);
    stand.begin(wayBackAfter());
    assert.equal(stand.look().back?.traffic?.calls, 5);
    stand.watch.enter(WATCHED);
    assert.equal(stand.look().back, null);
    assert.equal(stand.watch.worth, null);
  });

  it('is no reason for a route that the file gives no endpoint', () => {
    const stand = new Stand({ endpoint: undefined }).begin(promotedRollout());
    assert.equal(stand.look().back, null);
  });
});
