import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { Capacity } from '../../../src/core/scaling/capacity.ts';
import { CapacityTable } from '../../../src/core/scaling/capacity.ts';
import { addSigns, noSigns, shownBy, signsOf } from '../../../src/core/scaling/signs.ts';
import type { Signs } from '../../../src/core/scaling/signs.ts';
import { dice } from '../../support/dice.ts';

const ALL = { firstToken: true, other: true };

interface Seen {
  readonly perReplica: number;
  readonly firstTokenMs?: number;
  readonly perTokenMs?: number;
  readonly refused?: number;
  readonly calls?: number;
  readonly spans?: number;
}

/** Signs of so many equal calls that stream 100 tokens. */
function signs({ firstTokenMs = 200, perTokenMs = 20, refused = 0, calls = 20 }: Seen): Signs {
  const answered = calls - refused;
  const firstTokenUs = firstTokenMs * 1_000;
  const durationUs = firstTokenUs + 99 * perTokenMs * 1_000;
  const one = signsOf({ outcome: 'ok', durationUs, firstTokenUs, outputTokens: 100 });
  return {
    calls,
    turnedAway: refused,
    counts: one.map((sign) => (sign === null ? 0 : answered)),
    sums: one.map((sign) => (sign ?? 0) * answered),
    squares: one.map((sign) => (sign ?? 0) ** 2 * answered),
  };
}

function feed(table: CapacityTable, ...all: readonly Seen[]): Capacity | null {
  for (const seen of all) for (let i = 0; i < (seen.spans ?? 6); i++) table.span(seen.perReplica, signs(seen));
  return table.capacity;
}

describe('what one replica carries', () => {
  it('is not known from few calls or few spans', () => {
    assert.equal(feed(new CapacityTable(ALL), { perReplica: 4, spans: 5 }), null);
    assert.equal(feed(new CapacityTable(ALL), { perReplica: 4, calls: 4 }), null);
  });

  it('is the highest level that was well, and is no limit if no level was full', () => {
    const table = new CapacityTable(ALL);
    assert.deepEqual(feed(table, { perReplica: 2 }, { perReplica: 12 }), { carried: 12, isLimit: false });
  });

  const full: readonly (readonly [string, Partial<Seen>, mayCarry: number | undefined])[] = [
    ['the first token takes more than twice as long as at the lowest level', { firstTokenMs: 410 }, 12.8],
    ['a token takes more than 1.5 times as long as at the lowest level', { perTokenMs: 31 }, 12.8],
    ['more than one call in fifty is turned away', { refused: 2 }, undefined],
  ];
  for (const [when, how, mayCarry] of full) {
    it(`ends below the concurrency at which ${when}`, () => {
      const seen = feed(new CapacityTable(ALL), { perReplica: 2 }, { perReplica: 8 }, { perReplica: 16, ...how });
      assert.deepEqual(seen, { carried: 8, isLimit: true, ...(mayCarry !== undefined && { mayCarry }) });
    });
  }

  it('may be more than was carried if the levels between that and a full one were not seen, and is not if they were', () => {
    const table = new CapacityTable(ALL);
    const late = { firstTokenMs: 900 };
    assert.equal(feed(table, { perReplica: 4 }, { perReplica: 40, ...late })?.mayCarry, 32);
    assert.equal(feed(table, { perReplica: 32, ...late })?.mayCarry, 25.6);
    assert.deepEqual(feed(table, { perReplica: 25.6 }), { carried: 25.6, isLimit: true, mayCarry: 25.6 });
  });

  it('does not end at a level that turned away so few of its calls that it may be chance', () => {
    const once = { perReplica: 16, calls: 5, spans: 5 };
    const seen = feed(new CapacityTable(ALL), { perReplica: 2 }, once, { ...once, spans: 1, refused: 1 });
    assert.deepEqual(seen, { carried: 16, isLimit: false });
    const often = feed(new CapacityTable(ALL), { perReplica: 2 }, once, { ...once, spans: 1, refused: 3 });
    assert.deepEqual(often, { carried: 2, isLimit: true });
  });

  it('does not end at a level that is only somewhat slower', () => {
    const slower = { perReplica: 16, firstTokenMs: 380, perTokenMs: 29 };
    assert.deepEqual(feed(new CapacityTable(ALL), { perReplica: 2 }, slower), { carried: 16, isLimit: false });
  });

  it('ignores a full level below one that was well', () => {
    const unlucky = { perReplica: 4, firstTokenMs: 900 };
    const seen = feed(new CapacityTable(ALL), { perReplica: 1 }, unlucky, { perReplica: 10 });
    assert.deepEqual(seen, { carried: 10, isLimit: false });
  });

  /** Calls whose tokens take a random time, up to forty times as long as another call's. */
  function randomSigns(roll: () => number, calls: number, factor = 1): Signs {
    const all = noSigns();
    for (let i = 0; i < calls; i++) {
      const perTokenUs = 5_000 * 40 ** roll() * factor;
      const durationUs = 200_000 + 99 * perTokenUs;
      addSigns(all, shownBy({ outcome: 'ok', durationUs, firstTokenUs: 200_000, outputTokens: 100 }));
    }
    return all;
  }

  it('does not end where answers vary by chance alone, and does where they are slower beyond chance', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const roll = dice(seed);
      const table = new CapacityTable(ALL);
      for (const perReplica of [2, 4, 8, 16]) {
        for (let i = 0; i < 12; i++) table.span(perReplica, randomSigns(roll, 5));
        assert.equal(table.capacity?.isLimit, false, `seed ${seed}, ${perReplica} at once`);
      }
      for (let i = 0; i < 60; i++) table.span(32, randomSigns(roll, 5, 4));
      assert.equal(table.capacity?.isLimit, true, `seed ${seed}`);
    }
  });

  it('stays a limit that was shown, whatever few calls beyond it leave open', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const roll = dice(seed);
      const table = new CapacityTable(ALL);
      for (let i = 0; i < 60; i++) table.span(4, randomSigns(roll, 10));
      for (let i = 0; i < 60; i++) table.span(16, randomSigns(roll, 10, 2.3));
      const limit = table.capacity;
      assert.equal(limit?.isLimit, true, `seed ${seed}`);
      // As slow, in too few calls to be sure of it.
      for (let i = 0; i < 6; i++) table.span(24, randomSigns(roll, 5, 2.5));
      assert.deepEqual(table.capacity, limit, `seed ${seed}`);
    }
  });

  it('ignores signs that the judge only reports', () => {
    const slow = [{ perReplica: 2 }, { perReplica: 16, firstTokenMs: 2_000, perTokenMs: 90 }];
    const deaf = { firstToken: false, other: false };
    assert.deepEqual(feed(new CapacityTable(deaf), ...slow), { carried: 16, isLimit: false });
    assert.deepEqual(feed(new CapacityTable({ ...deaf, firstToken: true }), ...slow)?.carried, 2);
  });

  it('keeps a level full or well while a sign is between the two factors', () => {
    const between = { perReplica: 16, firstTokenMs: 350, spans: 200 };
    const before = new CapacityTable(ALL);
    assert.equal(feed(before, { perReplica: 2 }, between)?.isLimit, false);
    const after = new CapacityTable(ALL);
    assert.equal(feed(after, { perReplica: 2 }, { perReplica: 16, firstTokenMs: 800 })?.isLimit, true);
    assert.equal(feed(after, between)?.isLimit, true);
    assert.equal(feed(after, { perReplica: 16, firstTokenMs: 220, spans: 800 })?.isLimit, false);
  });

  it('continues from what a former process learned, as if there had been one process', () => {
    const how = fc.record({
      perReplica: fc.double({ min: 0.5, max: 60, noNaN: true }),
      firstTokenMs: fc.integer({ min: 100, max: 900 }),
      refused: fc.integer({ min: 0, max: 2 }),
    });
    fc.assert(
      fc.property(fc.array(how, { maxLength: 60 }), fc.nat({ max: 60 }), (seen, cut) => {
        const whole = new CapacityTable(ALL);
        feed(whole, ...seen);
        const first = new CapacityTable(ALL);
        feed(first, ...seen.slice(0, cut));
        const second = new CapacityTable(ALL, JSON.parse(JSON.stringify(first.learned)) as typeof first.learned);
        feed(second, ...seen.slice(cut));
        assert.deepEqual(second.capacity, whole.capacity);
      }),
      { numRuns: 60 },
    );
  });

  it('is the same after a restart at a level that turned calls away and is somewhat slower', () => {
    const seen = [{ perReplica: 0.5 }, { perReplica: 1.25, firstTokenMs: 360, refused: 2 }];
    const table = new CapacityTable(ALL);
    const capacity = feed(table, ...seen);
    assert.deepEqual(new CapacityTable(ALL, table.learned).capacity, capacity);
    assert.equal(capacity?.mayCarry, undefined);
  });

  it('is never more than the highest concurrency that was seen, and its memory stays bounded', () => {
    const concurrency = fc.double({ min: 0.01, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(concurrency, { minLength: 1, maxLength: 100 }), (levels) => {
        const table = new CapacityTable(ALL);
        feed(table, ...levels.map((perReplica) => ({ perReplica })));
        assert.ok((table.capacity?.carried ?? 0) <= Math.max(...levels) + 0.001);
        assert.ok(table.learned.length <= 48);
        assert.ok(table.learned.every(([, { calls }]) => calls <= 4_000));
      }),
      { numRuns: 60 },
    );
  });
});

describe('the signs of a call', () => {
  const call = { outcome: 'ok' as Outcome, durationUs: 1_200_000, firstTokenUs: null, outputTokens: null };
  const cases: readonly (readonly [string, Partial<typeof call> | object, readonly boolean[]])[] = [
    [
      'a stream gives its first token and its time per token',
      { firstTokenUs: 200_000, outputTokens: 101 },
      [true, true, false, false],
    ],
    [
      'a short stream gives its first token only',
      { firstTokenUs: 200_000, outputTokens: 2 },
      [true, false, false, false],
    ],
    ['an answer that comes whole gives its time per token', { outputTokens: 50 }, [false, false, true, false]],
    ['an answer without tokens gives its time', {}, [false, false, false, true]],
    ['a short answer that comes whole gives no sign', { outputTokens: 2 }, [false, false, false, false]],
    ['a call that failed gives no sign', { outcome: 'server_error', outputTokens: 50 }, [false, false, false, false]],
  ];
  for (const [claim, change, given] of cases) {
    it(claim, () => {
      assert.deepEqual(
        signsOf({ ...call, ...change }).map((sign) => sign !== null),
        given,
      );
    });
  }
});
