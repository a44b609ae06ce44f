import assert from 'node:assert/strict';
import type { LaneKey, LaneStatus } from '../../../src/core/care/lane-status.ts';
import type { Arrival, Call } from '../../../src/core/call.ts';
import { assignedTo, GATEWAY_ID } from '../../../src/core/call.ts';
import type { Clock } from '../../../src/core/clock.ts';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { advance } from '../../../src/daemon/tick/advance.ts';
import type { ObserveContext, Watched } from '../../../src/daemon/tick/observe.ts';
import { observe } from '../../../src/daemon/tick/observe.ts';
import { Routes } from '../../../src/daemon/route/routes.ts';
import type { RouteWatch } from '../../../src/daemon/route/watch.ts';
import { routeState } from '../../support/route-state.ts';
import { ENDPOINT_POLICY, MODEL, promotedRollout, START } from '../../support/samples.ts';

/** A route with an endpoint, its clock, and what the gateway tells. */
export class Stand {
  now = START;
  lanes: (LaneKey & LaneStatus)[] = [];
  inFlight: Arrival[] = [];
  woken = 0;
  /** Whether the lane to serverless is out. */
  isOut = false;
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

  readonly #gateway = {
    lanes: () => (this.isOut ? [{ model: MODEL, provider: '', limit: null, isOut: true }] : this.lanes),
    inFlight: () =>
      this.inFlight.map((arrival) => ({
        arrival,
        hasFirstByte: false,
        isDecided: false,
        isOnEndpoint: assignedTo(arrival) === 'dedicated',
      })),
    shadowCounts: () => ({ sent: 0, inFlight: 0, busy: 0, excluded: 0, usedUp: 0 }),
    endpointLoad: () => null,
  } as unknown as ObserveContext['gateway'];

  /** Lets the watch come up to now. */
  readonly advance = () => advance(this.watch, { clock: this.#clock, gateway: this.#gateway, costs: () => null });

  readonly observe = (watch: Watched = this.watch) =>
    observe(watch, null, {
      clock: this.#clock,
      gateway: this.#gateway,
      account: 'ok',
      policyHash: 'hash',
      filePolicyHash: 'hash',
      newRolloutId: 'cccccccc',
      costs: null,
      frozen: null,
      spending: null,
    });

  look() {
    this.advance();
    return this.observe();
  }

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
