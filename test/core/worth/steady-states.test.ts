import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Capacity } from '../../../src/core/scaling/capacity.ts';
import type { Offer } from '../../../src/core/sizing/offer.ts';
import { LoadCurve } from '../../../src/core/usage/load-curve.ts';
import { cheapestState, compareStates, monthlyMicros, steadyStates } from '../../../src/core/worth/steady-states.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Calls of one second each, so many at once at each time. */
function bursts(sizes: readonly number[], spanMs = DAY): LoadCurve {
  const calls = sizes.flatMap((size, i) =>
    Array.from({ length: size }, () => {
      const arrivedAtMs = i * 2_000;
      return { arrivedAtMs, endedAtMs: arrivedAtMs + 1_000, isRefused: false, isRepeat: false };
    }),
  );
  return new LoadCurve(calls, spanMs);
}

const INPUT = fc.record({
  load: fc.array(fc.nat(40), { maxLength: 30 }).map((sizes) => bursts(sizes)),
  carries: fc.integer({ min: 1, max: 12 }),
  pricePerHourMicros: fc.nat(5_000_000),
  perCallMicros: fc.nat(20_000),
});

test('more replicas never let a larger share overflow, and the last state lets none', () => {
  fc.assert(
    fc.property(INPUT, (input) => {
      const states = steadyStates(input);
      assert.deepEqual(
        states.map(({ replicas }) => replicas),
        states.map((_, i) => i),
      );
      for (const [i, { overflowShare }] of states.entries()) {
        assert.ok(overflowShare <= (states[i - 1]?.overflowShare ?? 1));
      }
      assert.equal(states.at(-1)?.overflowShare, 0);
    }),
  );
});

test('money adds up: each replica for the month, and each overflowing call at its price', () => {
  fc.assert(
    fc.property(INPUT, (input) => {
      const { load, pricePerHourMicros, perCallMicros, carries } = input;
      for (const state of steadyStates(input)) {
        assert.equal(state.dedicatedMicros, state.replicas * pricePerHourMicros * 720);
        const overflowing = load.overflow(state.replicas * carries) * 30 * perCallMicros;
        assert.ok(Math.abs(state.serverlessMicros - overflowing) <= 1);
        assert.equal(monthlyMicros(state), state.dedicatedMicros + state.serverlessMicros);
      }
    }),
  );
});

test('the cheapest state is none dearer than any other, and needs no more replicas than another as cheap', () => {
  fc.assert(
    fc.property(INPUT, (input) => {
      const states = steadyStates(input);
      const best = cheapestState(states);
      assert.ok(best !== null);
      for (const state of states) {
        assert.ok(monthlyMicros(best) <= monthlyMicros(state));
        if (monthlyMicros(best) === monthlyMicros(state)) assert.ok(best.replicas <= state.replicas);
      }
    }),
  );
});

test('a base on replicas with peaks on serverless can be the cheapest of all', () => {
  // Ten at once nearly always, and twice as many now and then.
  const load = bursts(Array.from({ length: 2_000 }, (_, i) => (i % 20 === 0 ? 20 : 10)));
  const states = steadyStates({ load, carries: 10, pricePerHourMicros: 800_000, perCallMicros: 1_500 });
  const [none, one, two] = states.map(monthlyMicros) as [number, number, number];
  assert.equal(cheapestState(states)?.replicas, 1);
  assert.deepEqual(
    [none, one, two].map((micros) => Math.round(micros / 1e6)),
    [945, 621, 1_152],
  );
  assert.equal(states[1]?.overflowShare, 1_000 / 21_000);
});

const OFFER: Offer = {
  vendor: 'aws',
  region: 'us-east-1',
  accelerator: 'gpu',
  instanceType: 'nvidia-l4',
  instanceSize: 'x1',
  numAccelerators: 1,
  memoryGb: 30,
  gpuMemoryGb: 24,
  pricePerHourMicros: 800_000,
  status: 'available',
  closed: null,
  quota: null,
};

const CARRIED: readonly (readonly [string, number | null, Capacity | null, carries: number, isMeasured: boolean])[] = [
  ['is an estimate if nothing was measured', 30, null, 30, false],
  ['is at least what was well', 8, { carried: 12, isLimit: false }, 12, true],
  ['may be more than what was well, as long as no limit was seen', 30, { carried: 12, isLimit: false }, 30, false],
  ['is the limit that was seen', 30, { carried: 12, isLimit: true, mayCarry: 12 }, 12, true],
  ['is the estimate if that lies where nothing was seen', 15, { carried: 12, isLimit: true, mayCarry: 20 }, 15, false],
  ['is no more than what may be tried', 30, { carried: 12, isLimit: true, mayCarry: 20 }, 20, false],
  ['is what was well without an estimate', null, { carried: 12, isLimit: true, mayCarry: 20 }, 12, true],
];

for (const [what, estimate, capacity, carries, isMeasured] of CARRIED) {
  test(`what a replica carries ${what}`, () => {
    const compared = compareStates(bursts([3]), { offer: OFFER, carries: estimate }, { capacity, perCallMicros: 1 });
    assert.deepEqual([compared?.carries, compared?.isMeasured], [carries, isMeasured]);
  });
}

test('there is nothing to compare without calls, without a price, or without what a replica carries', () => {
  const candidate = { offer: OFFER, carries: 4 };
  const known = { capacity: null, perCallMicros: 1 };
  assert.notEqual(compareStates(bursts([3]), candidate, known), null);
  assert.equal(compareStates(bursts([]), candidate, known), null);
  assert.equal(compareStates(bursts([3]), null, known), null);
  assert.equal(compareStates(bursts([3]), { ...candidate, carries: null }, known), null);
  assert.equal(compareStates(bursts([3]), candidate, { ...known, perCallMicros: null }), null);
  const unpriced = { ...candidate, offer: { ...OFFER, pricePerHourMicros: null } };
  assert.equal(compareStates(bursts([3]), unpriced, known), null);
});
