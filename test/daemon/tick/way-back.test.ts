import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LaneKey, LaneStatus } from '../../../src/core/care/lane-status.ts';
import type { Arrival, Call } from '../../../src/core/call.ts';
import { DELAYED_US, GATEWAY_ID } from '../../../src/core/call.ts';
import type { Clock } from '../../../src/core/clock.ts';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { WATCHED } from '../../../src/core/rollout/route-state.ts';
import type { ObserveContext } from '../../../src/daemon/tick/observe.ts';
import { observe } from '../../../src/daemon/tick/observe.ts';
import { rollBackAtOnce } from '../../../src/daemon/tick/reconcile.ts';
import { Routes } from '../../../src/daemon/route/routes.ts';
import type { RouteWatch } from '../../../src/daemon/route/watch.ts';
import { routeState } from '../../support/route-state.ts';
import { backAtStep, ENDPOINT_POLICY, MODEL, promotedRollout, START, wayBackAfter } from '../../support/samples.ts';

/** A route with an endpoint, its clock, and what the gateway tells. */
class Stand {
  now = START;
  lanes: (LaneKey & LaneStatus)[] = [];
  inFlight: Arrival[] = [];
  woken = 0;
  readonly routes: Routes;
  readonly #clock: Clock = { now: () => this.now, sleep: () => Promise.reject(new Error('no')), scale: 1 };

  constructor(settings: object = {}) {
    const parsed = parsePolicy({ routes: [{ model: MODEL, endpoint: ENDPOINT_POLICY, ...settings }] });
    assert.ok(parsed.ok, JSON.stringify(parsed));
    this.routes = new Routes(parsed.policy, this.#clock, () => this.woken++);
  }

  get watch(): RouteWatch {
    return this.routes.watch(MODEL) as RouteWatch;
  }

  get canary() {
    this.routes.rebuild();
    return this.routes.table.routes.get(MODEL)?.canary ?? null;
  }

  begin(rollout: Rollout): this {
    const promoted = rollout.wayBack === undefined ? null : promotedRollout();
    this.watch.enter(routeState(rollout, this.watch.filePolicy, promoted));
    return this;
  }

  readonly look = (watch = this.watch) => {
    const context = {
      clock: this.#clock,
      gateway: {
        lanes: () => this.lanes,
        inFlight: () => this.inFlight.map((arrival) => ({ arrival, hasFirstByte: false, isDecided: false })),
        shadowCounts: () => ({ sent: 0, inFlight: 0, busy: 0, excluded: 0, usedUp: 0 }),
      },
      account: 'ok',
      policyHash: () => 'hash',
      filePolicyHash: 'hash',
      newRolloutId: () => 'cccccccc',
      costs: () => null,
      spending: { of: () => null, refresh: () => Promise.resolve() },
    } as unknown as ObserveContext;
    return observe(watch, null, context);
  };

  arrive(over: Partial<Arrival> = {}): Arrival {
    const { rollout } = this.watch;
    const arrival: Arrival = {
      gatewayId: GATEWAY_ID,
      arrivedAtUs: this.now * 1_000,
      assignedAtUs: this.now * 1_000,
      waitedUs: 0,
      model: MODEL,
      shape: 'chat',
      agent: `agent-${this.now}`,
      isAgentDerived: false,
      rolloutId: rollout?.id ?? null,
      step: 1,
      weight: 0.25,
      role: 'stable',
      isEligible: true,
      hasNoToken: false,
      isRepeat: false,
      ...(rollout?.wayBack !== undefined && { isWayBack: true }),
      ...over,
    };
    this.routes.arrived(arrival);
    this.routes.sent(arrival);
    return arrival;
  }

  end(arrival: Arrival, over: Partial<Call> = {}): void {
    this.routes.ended({ ...arrival, outcome: 'ok', attempts: [], durationUs: 400_000, ...over } as unknown as Call);
  }
}

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
      stand.routes.failed(stand.arrive({ role }), outcome, upstream, 1_000);
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
    const changed = () => undefined;
    const failing = new Stand().begin(backAtStep(3));
    for (let i = 0; i < 5; i++) failing.watch.canaryFaults.fault('server_error', 'a');
    rollBackAtOnce(failing.watch, { observe: failing.look, changed });
    assert.deepEqual([failing.canary?.toward, failing.canary?.weight], ['serverless', 0]);
    const lost = new Stand().begin(backAtStep(3));
    for (let i = 0; i < 5; i++) lost.watch.endpointFaults.fault('server_error', 'a');
    rollBackAtOnce(lost.watch, { observe: lost.look, changed });
    assert.equal(lost.canary, null);
    const well = new Stand().begin(backAtStep(5));
    rollBackAtOnce(well.watch, { observe: well.look, changed });
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
