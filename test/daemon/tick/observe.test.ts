import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import type { Watched } from '../../../src/daemon/tick/observe.ts';
import type { RouteWatch } from '../../../src/daemon/route/watch.ts';
import { atStep, backAtStep, promotedRollout, shadowingRollout } from '../../support/samples.ts';
import { Stand } from './stand.ts';

const ROLLOUTS: readonly (() => Rollout | null)[] = [
  () => null,
  shadowingRollout,
  () => atStep(1),
  promotedRollout,
  () => backAtStep(1),
];

/** What happens on a route, one thing after the other. */
const happenings = fc.array(
  fc.record({
    what: fc.constantFrom('answered', 'answered', 'failed', 'refused', 'in flight', 'out', 'tick', 'tick'),
    role: fc.constantFrom('stable' as const, 'canary' as const),
    afterMs: fc.constantFrom(0, 700, 5_000, 61_000, 700_000),
    looks: fc.constantFrom(0, 1, 3),
  }),
  { maxLength: 60 },
);
type Happening = (typeof happenings extends fc.Arbitrary<infer T> ? T : never)[number];

const SETTINGS = {
  back: { slo: { p95: '1s' } },
  criteria: { calls: 1, require: 'any', window: '5m', slo: { p95: '1s' } },
};

function standAt(rollout: Rollout | null): Stand {
  const stand = new Stand(SETTINGS);
  return rollout === null ? stand : stand.begin(rollout);
}

function happen(stand: Stand, { what, role, afterMs }: Happening): void {
  stand.now += afterMs;
  if (what === 'tick') return stand.advance();
  if (what === 'out') {
    stand.isOut = !stand.isOut;
    return;
  }
  const arrival = stand.arrive({ role });
  if (what === 'in flight') stand.inFlight.push(arrival);
  const isOnEndpoint = (role === 'canary') !== (arrival.isWayBack === true);
  const upstream = isOnEndpoint ? 'dedicated' : 'serverless';
  if (what === 'failed') stand.routes.failed(arrival, 'server_error', upstream, 1_000, '');
  if (what === 'refused') stand.routes.failed(arrival, 'rate_limited', upstream, 1_000, '');
  if (what === 'answered') stand.end(arrival, { servedBy: upstream });
}

describe('an observation', () => {
  it('changes nothing: a route that was looked at is as one that was not', () => {
    const law = fc.property(fc.constantFrom(...ROLLOUTS), happenings, (begin, all) => {
      const [unseen, seen] = [standAt(begin()), standAt(begin())];
      for (const happening of all) {
        for (const stand of [unseen, seen]) happen(stand, happening);
        for (let look = 0; look < happening.looks; look++) seen.observe();
      }
      for (const stand of [unseen, seen]) stand.advance();
      assert.deepEqual(seen.observe(), unseen.observe());
    });
    fc.assert(law, { numRuns: 200 });
  });

  it('is the same again until the next tick, however late it is', () => {
    const law = fc.property(fc.constantFrom(...ROLLOUTS), happenings, (begin, all) => {
      const stand = standAt(begin());
      for (const happening of all) happen(stand, happening);
      stand.advance();
      const first = stand.observe();
      stand.now += 4_000_000;
      assert.deepEqual(stand.observe(), first);
    });
    fc.assert(law, { numRuns: 200 });
  });

  it('can be made of a watch that is frozen', () => {
    const law = fc.property(fc.constantFrom(...ROLLOUTS), happenings, (begin, all) => {
      const stand = standAt(begin());
      for (const happening of all) happen(stand, happening);
      stand.advance();
      assert.deepEqual(stand.observe(frozen(stand.watch)), stand.observe());
    });
    fc.assert(law, { numRuns: 100 });
  });
});

/** What a watch says now, with nothing behind it that could change. */
function frozen(watch: RouteWatch): Watched {
  const { model, policy, filePolicy, state, rollout, observedAt, shapes, stableRecent, demand, measures } = watch;
  const { running, results, endpoint, survey } = watch.reported;
  const { shadow, canaryFaultsInRow, endpointFaultsInRow, endpointAnsweredAt, longestOnEndpointMs } = measures;
  const { canaryFaultRow, endpointFaultRow, lastCallAt } = measures;
  const step = rollout !== null && 'step' in rollout ? rollout.step : 0;
  const [figures, outage, verdict] = [demand.figures(), demand.outage(observedAt), measures.verdict(step)];
  const atOnce = rollout === null ? null : (watch.concurrency?.figures(observedAt, rollout.since) ?? null);
  const { knownSince = 0, latest = null, slo = null } = watch.worth ?? {};
  return deepFreeze({
    model,
    policy,
    filePolicy,
    state,
    rollout,
    observedAt,
    shapes,
    stableRecent,
    demand: { figures: () => figures, holdsSince: demand.holdsSince, outage: () => outage },
    reported: { running, results, endpoint, survey },
    measures: {
      shadow,
      canaryFaultsInRow,
      endpointFaultsInRow,
      canaryFaultRow,
      endpointFaultRow,
      lastCallAt,
      endpointAnsweredAt,
      longestOnEndpointMs,
      figures: (at, overdue) => measures.figures(at, overdue),
      verdict: () => verdict,
    },
    worth: watch.worth === null ? null : { knownSince, latest, slo },
    concurrency: atOnce === null ? null : { figures: () => atOnce, learned: watch.concurrency?.learned as never },
  });
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const each of Object.values(value)) deepFreeze(each);
  return value;
}
