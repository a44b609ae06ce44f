import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import type { Survey } from '../../../src/core/decide/observation.ts';
import { RouteCosts } from '../../../src/daemon/money/costs.ts';
import { Routes } from '../../../src/daemon/route/routes.ts';
import type { RouteWatch } from '../../../src/daemon/route/watch.ts';
import { present, routeState } from '../../support/route-state.ts';
import { ENDPOINT_POLICY, MODEL, promotedRollout, START } from '../../support/samples.ts';

const DAY = 86_400_000;
const CLOCK = { now: () => START, sleep: () => Promise.resolve(), scale: 1 };

function newRoutes(): Routes {
  const parsed = parsePolicy({ routes: [{ model: MODEL, endpoint: ENDPOINT_POLICY }] });
  assert.ok(parsed.ok);
  return new Routes(parsed.policy, CLOCK, () => undefined);
}

function promotedIn(routes: Routes): RouteWatch {
  const watch = routes.watch(MODEL) as RouteWatch;
  watch.enter(routeState(promotedRollout(), watch.filePolicy));
  return watch;
}

/** The costs of a route of which the books know this of a call, one answer after the other. */
function costsOf(...told: readonly (number | null)[]): RouteCosts {
  const left = [...told];
  return new RouteCosts({
    clock: CLOCK,
    journal: { costPerCall: () => Promise.resolve(left.shift() ?? null) },
    spending: { refresh: () => Promise.resolve(), of: () => null },
    survey: () => Promise.reject<Survey>(new Error('nobody asks')),
    log: () => undefined,
  });
}

describe('what a route’s calls cost', () => {
  it('is the price of the endpoint against what a call costs on serverless', async () => {
    const watch = promotedIn(newRoutes());
    const costs = costsOf(500);
    await costs.read([watch]);
    // $1.30 an hour are 21 667 micro-dollars a minute, or 43.3 calls.
    assert.equal(Math.round(10 * (costs.ofRoute(watch)?.breakEvenCallsPerMinute ?? 0)), 433);
  });

  it('stays known when nobody calls it any more, so that its endpoint is seen not to pay', async () => {
    const watch = promotedIn(newRoutes());
    const costs = costsOf(500, null);
    await costs.read([watch]);
    watch.advance(present(START));
    await costs.read([watch]);
    watch.advance({ ...present(START + 2 * DAY), costs: costs.ofRoute(watch) });
    const belowSince = watch.worth?.latest?.belowSince;
    assert.ok(belowSince != null && START + 2 * DAY - belowSince >= DAY);
  });
});
