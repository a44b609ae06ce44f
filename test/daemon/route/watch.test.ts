import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GATEWAY_ID } from '../../../src/core/call.ts';
import type { Arrival } from '../../../src/core/call.ts';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { Clock } from '../../../src/core/clock.ts';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import type { Policy } from '../../../src/core/policy/policy.ts';
import { restoreWindows } from '../../../src/daemon/restore.ts';
import { Routes } from '../../../src/daemon/route/routes.ts';
import { RouteWatch } from '../../../src/daemon/route/watch.ts';
import type { Journal } from '../../../src/ledger/journal/journal.ts';
import type { LoggedCall } from '../../../src/ledger/calls/history.ts';
import { present, routeState } from '../../support/route-state.ts';
import { routePolicy, shadowingRollout } from '../../support/samples.ts';

const MODEL = 'org/model';
const START = 1_760_000_000_000;

function policy(criteria: object): Policy {
  const result = parsePolicy({ routes: [{ model: MODEL, criteria }] });
  assert.ok(result.ok);
  return result.policy;
}

function arrival(atMs: number, agent: string): Arrival {
  return {
    gatewayId: GATEWAY_ID,
    arrivedAtUs: atMs * 1_000,
    assignedAtUs: 0,
    model: MODEL,
    shape: 'chat',
    agent,
    isAgentDerived: false,
    rolloutId: null,
    step: 0,
    weight: 0,
    role: null,
    isEligible: false,
    hasNoToken: false,
    isRepeat: false,
    waitedUs: 0,
  };
}

describe('a policy file that changes', () => {
  const clock: Clock = { now: () => START + 60_000, sleep: () => Promise.resolve(), scale: 1 };
  const loose = { calls: 2, require: 'any', window: '1m' };

  it('does not let what held under other criteria count as held under its own', () => {
    const routes = new Routes(policy(loose), clock, () => undefined);
    const watch = routes.watch(MODEL);
    assert.ok(watch !== null);
    for (let second = 10; second < 60; second++) routes.arrived(arrival(START + second * 1_000, 'a'));
    watch.advance(present(START + 60_000));
    assert.notEqual(watch.demand.holdsSince, null);
    assert.deepEqual(routes.adopt(policy({ ...loose, calls: 3 })), []);
    assert.equal(watch.demand.holdsSince, null);
  });

  it('counts calls once in a window of another length, also those that come while it is filled', async () => {
    const routes = new Routes(policy(loose), clock, () => undefined);
    const stored = Array.from({ length: 40 }, (_, i) => arrival(START + i * 1_000, `agent-${i % 7}`));
    for (const call of stored) routes.arrived(call);
    const changed = routes.adopt(policy({ ...loose, window: '2m' }));
    const journal = {
      async *recentCalls() {
        routes.arrived(arrival(START + 60_000, 'late'));
        yield stored.map((call) => ({ ...call, outcome: 'ok' }) as unknown as LoggedCall);
      },
    } as Pick<Journal, 'recentCalls'>;
    await restoreWindows(routes, changed, journal, clock);
    const figures = routes.watch(MODEL)?.demand.figures();
    assert.deepEqual([figures?.calls, figures?.agents], [40, 7]);
  });
});

describe('a window that is filled again after a way back', () => {
  it('knows how serverless answered, and not how the endpoint did', async () => {
    const clock: Clock = { now: () => START + 60_000, sleep: () => Promise.resolve(), scale: 1 };
    const routes = new Routes(policy({ slo: { p95: '1s' } }), clock, () => undefined);
    const call = (second: number, over: object) => ({
      ...arrival(START + second * 1_000, 'a'),
      endedAtUs: (START + second * 1_000) * 1_000 + 400_000,
      durationUs: 400_000,
      outcome: 'ok',
      finalOutcome: 'ok',
      isBypass: false,
      ...over,
    });
    const stored = [
      ...[1, 2, 3].map((second) => call(second, { role: 'canary', isWayBack: true, servedBy: 'serverless' })),
      ...[4, 5].map((second) => call(second, { role: 'stable', isWayBack: true, servedBy: 'dedicated' })),
      call(6, { role: 'canary', isWayBack: false, servedBy: 'dedicated' }),
    ];
    const journal = {
      async *recentCalls() {
        yield stored as unknown as LoggedCall[];
      },
    };
    await restoreWindows(routes, null, journal, clock);
    const { calls, served } = routes.watch(MODEL)?.demand.figures() ?? {};
    assert.deepEqual([calls, served?.answered], [3, 3]);
  });
});

describe('copies in a row that the endpoint rejects', () => {
  const rejected = (status: number, agents: readonly string[]) => {
    const rollout = shadowingRollout();
    const watch = new RouteWatch(rollout.model, routePolicy());
    watch.enter(routeState(rollout, routePolicy()));
    const outcome: Outcome = status === 400 ? 'paused' : status === 404 ? 'not_found' : 'server_error';
    return agents.map((agent, n) => {
      const call = { ...arrival(START + n, agent), rolloutId: rollout.id };
      const { gatewayId, arrivedAtUs } = call;
      const times = { knownAfterUs: 1, firstByteUs: 1, firstTokenUs: null, durationUs: 1 };
      const answer = { promptTokens: null, outputTokens: null, isEmpty: null, form: null, agreement: null };
      return watch.shadowed(call, {
        gatewayId,
        arrivedAtUs,
        rolloutId: rollout.id,
        status,
        outcome,
        ...times,
        ...answer,
      });
    });
  };
  const most = routePolicy().limits.consecutiveFaults;
  const alone = Array.from({ length: 2 * most }, () => 'odd');
  const three = Array.from({ length: 2 * most }, (_, n) => `agent ${n % 3}`);

  it('end no rollout if they are of one agent, and do if they are of three', () => {
    for (const status of [404, 501]) {
      assert.equal(rejected(status, alone).includes(true), false);
      assert.equal(rejected(status, three).indexOf(true), Math.max(2, most - 1));
    }
  });

  it('are counted at once if the endpoint says something of itself', () => {
    for (const status of [400, 500]) assert.equal(rejected(status, alone).indexOf(true), most - 1);
  });
});
