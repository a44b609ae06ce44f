import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { ConcurrencySeen } from '../../../src/core/scaling/route-concurrency.ts';
import type { ProposalInput } from '../../../src/core/scaling/propose.ts';
import { proposeScaling } from '../../../src/core/scaling/propose.ts';
import type { Scaling } from '../../../src/core/scaling/scaling.ts';
import { firstScaling, isInForce, scalingText } from '../../../src/core/scaling/scaling.ts';
import { concurrencyOf } from '../../support/concurrency.ts';
import { ENDPOINT_POLICY, START } from '../../support/samples.ts';

const HOUR = 3_600_000;
/** START is at eight in the morning, UTC. */
const EIGHT = 8;

const PRESENT: Scaling = { minReplica: 1, maxReplica: 2, scaleToZeroTimeout: null, measure: { pendingRequests: 1.5 } };

function input(change: Partial<ProposalInput> = {}): ProposalInput {
  return {
    now: START,
    concurrency: concurrencyOf(),
    present: PRESENT,
    endpoint: ENDPOINT_POLICY,
    from: 1,
    to: 8,
    every: 6 * HOUR,
    sleep: null,
    ...change,
  };
}

const hour = (number: number, mean: number, peak = mean) => ({
  hour: number,
  mean,
  p95: mean,
  peak,
  tokensPerSecond: 0,
});
const replicas = (given: ProposalInput) => {
  const { minReplica, maxReplica } = proposeScaling(given)?.scaling ?? given.present;
  return [minReplica, maxReplica];
};

const inputs: fc.Arbitrary<ProposalInput> = fc
  .record({
    mean: fc.double({ min: 0, max: 200, noNaN: true }),
    over: fc.double({ min: 1, max: 4, noNaN: true }),
    carried: fc.double({ min: 0.1, max: 60, noNaN: true }),
    isLimit: fc.boolean(),
    pendingShare: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
    hours: fc.uniqueArray(fc.tuple(fc.nat({ max: 23 }), fc.nat({ max: 300 }), fc.nat({ max: 100 })), {
      selector: ([each]) => each,
      maxLength: 24,
    }),
    from: fc.integer({ min: 1, max: 8 }),
    room: fc.nat({ max: 8 }),
    least: fc.integer({ min: 1, max: 16 }),
    more: fc.nat({ max: 8 }),
    engine: fc.constantFrom('vLLM' as const, 'tei' as const),
    sleep: fc.option(fc.record({ after: fc.integer({ min: 60_000, max: 3e8 }), calls: fc.nat() })),
    now: fc.nat({ max: 86_400_000 }).map((ms) => START + ms),
  })
  .map((drawn) => {
    const { mean, over, carried, isLimit, pendingShare } = drawn;
    const at = { mean, p95: mean * over, peak: mean * over };
    const capacity = { carried, isLimit };
    const hours = drawn.hours.map(([each, low, high]) => hour(each, low, low + high));
    const { engine, from, room, least, more, sleep, now } = drawn;
    return input({
      now,
      concurrency: concurrencyOf({ route: at, endpoint: at, capacity, pendingShare, hours }),
      present: firstScaling({ ...ENDPOINT_POLICY, engine, minReplica: least }, least + more),
      endpoint: { ...ENDPOINT_POLICY, engine },
      from,
      to: from + room,
      sleep,
    });
  });

describe('a proposal of another scaling, whatever was measured,', () => {
  it('never leaves its bounds, and is one that the API takes', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const proposal = proposeScaling(given);
        if (proposal === null) return;
        const { minReplica, maxReplica, scaleToZeroTimeout, measure } = proposal.scaling;
        assert.ok(maxReplica <= given.to && maxReplica >= Math.max(given.from, minReplica));
        if (given.sleep === null) assert.ok(minReplica >= given.from);
        assert.equal(minReplica === 0, given.sleep !== null);
        assert.equal(scaleToZeroTimeout !== null, minReplica === 0);
        if (scaleToZeroTimeout !== null) assert.ok(scaleToZeroTimeout >= 15 && scaleToZeroTimeout <= 2_880);
        if (measure !== null && 'pendingRequests' in measure) assert.ok(measure.pendingRequests >= 1);
        assert.ok(proposal.why.length > 0 || scalingText(proposal.scaling) !== scalingText(given.present));
      }),
    );
  });

  it('is not changed again while the concurrency stays the same', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const proposal = proposeScaling(given);
        if (proposal === null) return;
        assert.equal(proposeScaling({ ...given, present: proposal.scaling }), null);
      }),
    );
  });

  it('adds no replicas that a concurrency up to a fifth lower would remove', () => {
    fc.assert(
      fc.property(inputs, fc.double({ min: 0.81, max: 1, noNaN: true }), (given, factor) => {
        const { concurrency, present } = given;
        const first = proposeScaling(given)?.scaling ?? present;
        const lower = <T extends { mean: number; peak: number; p95: number }>(at: T): T => {
          return { ...at, mean: at.mean * factor, p95: at.p95 * factor, peak: at.peak * factor };
        };
        const less = concurrencyOf({
          ...concurrency,
          route: lower(concurrency.route),
          hours: concurrency.hours.map(lower),
        });
        const second = proposeScaling({ ...given, concurrency: less, present: first })?.scaling ?? first;
        if (first.minReplica > present.minReplica) assert.ok(second.minReplica >= first.minReplica);
        if (first.maxReplica > present.maxReplica) assert.ok(second.maxReplica >= first.maxReplica);
      }),
    );
  });

  it('adds replicas only if the limit of one was seen', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        if (given.concurrency.capacity?.isLimit === true) return;
        const { from, present } = given;
        const [least = 0, most = 0] = replicas(given);
        assert.ok(least <= Math.max(from, present.minReplica) && most <= Math.max(from, present.maxReplica));
      }),
    );
  });
});

describe('proposeScaling', () => {
  it('proposes nothing while the capacity of a replica is not known', () => {
    assert.equal(proposeScaling(input({ concurrency: concurrencyOf({ capacity: null }) })), null);
  });

  const table: readonly (readonly [string, Partial<ConcurrencySeen>, readonly number[]])[] = [
    ['keeps the replicas if they carry the last ten minutes', {}, [2, 2]],
    [
      'carries the mean at 80 % use of the replicas that always run',
      { route: { mean: 15, p95: 18, peak: 20 } },
      [2, 2],
    ],
    ['carries the peak of the busiest hour with replicas that may be added', { hours: [hour(3, 10, 55)] }, [2, 6]],
    ['runs as many as the busiest hour to come needs', { hours: [hour(EIGHT + 3, 31, 31)] }, [4, 4]],
    ['leaves a busy hour that is over to the autoscaler', { hours: [hour(EIGHT - 1, 31, 31)] }, [2, 4]],
    ['stays within bounds', { route: { mean: 500, p95: 600, peak: 700 } }, [8, 8]],
    [
      'proposes fewer replicas if they carry the concurrency with slack',
      { route: { mean: 1, p95: 2, peak: 3 } },
      [1, 1],
    ],
  ];
  for (const [claim, concurrency, wanted] of table) {
    it(claim, () => assert.deepEqual(replicas(input({ concurrency: concurrencyOf(concurrency) })), wanted));
  }

  it('adds a replica at 80 % of what one carries, times the share that waits for a status', () => {
    const measured = (pendingShare: number) =>
      proposeScaling(input({ concurrency: concurrencyOf({ pendingShare, hours: [hour(3, 10, 55)] }) }))?.scaling
        .measure;
    assert.deepEqual(measured(1), { pendingRequests: 8 });
    assert.deepEqual(measured(0.5), { pendingRequests: 4 });
    assert.deepEqual(measured(0), { pendingRequests: 1 });
  });

  it('adds a replica by hardware use if the engine does not queue', () => {
    for (const endpoint of [
      { ...ENDPOINT_POLICY, engine: 'tei' as const },
      { ...ENDPOINT_POLICY, accelerator: 'cpu' as const },
    ]) {
      const { scaling, why } =
        proposeScaling(input({ endpoint, concurrency: concurrencyOf({ hours: [hour(3, 10, 55)] }) })) ?? {};
      assert.deepEqual(scaling?.measure, { hardwareUsage: 80 });
      assert.match(why?.join() ?? '', /the engine is full when its hardware is/);
    }
  });

  it('gives a reason for each figure', () => {
    const { why } = proposeScaling(input({ concurrency: concurrencyOf({ hours: [hour(EIGHT + 1, 31, 55)] }) })) ?? {};
    assert.deepEqual(why, [
      'at least 4 (now 1): 31 calls at once at 09 h UTC, a replica carries 10',
      'at most 6 (now 2): 55 calls at once at the peak, a replica carries 10',
      'another replica at 8 pending calls each: 80 % of 10, of which 100 % wait for a status',
    ]);
  });

  it('lets the endpoint scale to zero if the policy has `sleep`', () => {
    const { scaling } = proposeScaling(input({ sleep: { after: 2_700_000, calls: 10 } })) ?? {};
    assert.deepEqual([scaling?.minReplica, scaling?.scaleToZeroTimeout], [0, 45]);
  });
});

describe('a scaling', () => {
  it('is in force if the API shows it, with any measure if none is wanted', () => {
    const wanted = { ...PRESENT, measure: null };
    assert.ok(isInForce(PRESENT, { ...PRESENT }) && isInForce(wanted, PRESENT));
    assert.ok(!isInForce(PRESENT, { ...PRESENT, maxReplica: 3 }) && !isInForce(PRESENT, wanted));
  });
});
