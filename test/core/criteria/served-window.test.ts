import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { DemandFigures } from '../../../src/core/criteria/criteria.ts';
import type { ServedFigures } from '../../../src/core/criteria/served-window.ts';
import { ServedWindow } from '../../../src/core/criteria/served-window.ts';
import { DemandWindow } from '../../../src/core/criteria/demand-window.ts';
import { START } from '../../support/samples.ts';

const FIRST = START / 1_000;

interface Ended {
  /** Seconds since the one before; negative for a late report. */
  readonly after: number;
  readonly outcome: Outcome;
  readonly durationMs: number;
}

const endings: fc.Arbitrary<Ended[]> = fc.array(
  fc.record({
    after: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0, max: 2 }) },
      { weight: 1, arbitrary: fc.integer({ min: -30, max: 0 }) },
      { weight: 1, arbitrary: fc.integer({ min: 3, max: 400 }) },
    ),
    outcome: fc.constantFrom<Outcome>('ok', 'ok', 'ok', 'rate_limited', 'server_error', 'client_error', 'client_left'),
    durationMs: fc.oneof(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 0, max: 3_600_000 })),
  }),
  { maxLength: 200 },
);

/** All calls that ended in the window, counted again from a list, with exact quantiles. */
function recount(all: readonly Ended[], seconds: number): ServedFigures {
  const slotSeconds = Math.ceil(seconds / 60);
  const size = Math.floor(seconds / slotSeconds);
  const slotOf = (second: number) => Math.floor(second / slotSeconds);
  let [second, latest] = [FIRST, FIRST];
  const kept: (Ended & { slot: number })[] = [];
  for (const one of all) {
    second += one.after;
    latest = Math.max(latest, second);
    // A call that is reported after it left the window is not counted.
    if (slotOf(second) > slotOf(latest) - size) kept.push({ ...one, slot: slotOf(second) });
  }
  const inside = kept.filter(({ slot }) => slot > slotOf(latest) - size);
  const took = inside.filter(({ outcome }) => outcome === 'ok').map(({ durationMs }) => Math.max(1, durationMs));
  took.sort((a, b) => a - b);
  const quantile = (share: number) => took[Math.max(1, Math.ceil(share * took.length)) - 1] ?? null;
  return {
    answered: took.length,
    failed: inside.filter(({ outcome }) => outcome === 'rate_limited' || outcome === 'server_error').length,
    p50: quantile(0.5),
    p95: quantile(0.95),
    p99: quantile(0.99),
  };
}

function feed(window: ServedWindow, all: readonly Ended[]): void {
  let [second, latest] = [FIRST, FIRST];
  window.advance(FIRST);
  for (const { after, outcome, durationMs } of all) {
    second += after;
    latest = Math.max(latest, second);
    window.advance(latest);
    window.ended(second, { outcome, durationMs });
  }
}

describe('ServedWindow', () => {
  it('agrees with a recount of all calls, in quantiles to 1.5 % or a millisecond', () => {
    fc.assert(
      fc.property(endings, fc.constantFrom(1, 7, 60, 61, 300, 3_600), (all, seconds) => {
        const window = new ServedWindow(seconds);
        feed(window, all);
        const figures = window.figures();
        const exact = recount(all, seconds);
        for (const name of ['p50', 'p95', 'p99'] as const) {
          const [found, wanted] = [figures[name], exact[name]];
          if (found === null || wanted === null) assert.equal(found, wanted);
          else assert.ok(Math.abs(found - wanted) <= 0.015 * wanted + 1, `${name} ${found} is not ${wanted}`);
        }
        const counts = ({ answered, failed }: ServedFigures) => [answered, failed];
        assert.deepEqual(counts(figures), counts(exact));
      }),
      { numRuns: 300 },
    );
  });

  it('is at most as long as asked for, and shorter by at most a sixtieth and a second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 86_400 }), fc.nat(100_000), (seconds, offset) => {
        const isIn = (age: number) => {
          const window = new ServedWindow(seconds);
          const now = FIRST + offset;
          window.advance(now - age);
          window.ended(now - age, { outcome: 'ok', durationMs: 5 });
          window.advance(now);
          return window.figures().answered === 1;
        };
        assert.ok(!isIn(seconds));
        assert.ok(isIn(Math.max(0, seconds - 2 * Math.ceil(seconds / 60))));
        assert.ok(isIn(0));
      }),
    );
  });

  it('forgets everything after a silence', () => {
    const window = new ServedWindow(300);
    for (let i = 0; i < 1_000; i++) {
      window.advance(FIRST + i);
      window.ended(FIRST + i, { outcome: 'ok', durationMs: 100 * i });
    }
    window.advance(FIRST + 10_000);
    const nothing = { answered: 0, failed: 0, p50: null, p95: null, p99: null };
    assert.deepEqual(window.figures(), nothing);
  });
});

describe('a demand window that keeps how calls were served', () => {
  const ended = { outcome: 'ok', durationMs: 900 } as const;

  it('has `served` only if asked to', () => {
    const without = new DemandWindow(10_000, () => false);
    without.ended(START, START, ended);
    assert.ok(!('served' in without.figures()));
    const kept = new DemandWindow(10_000, () => false, true);
    kept.ended(START, START, ended);
    assert.equal(kept.figures().served?.answered, 1);
  });

  it('judges each second with the answers that had ended by then, whenever it is advanced', () => {
    const slow = ({ served }: DemandFigures) => (served?.p95 ?? 0) > 1_000;
    const at = fc.array(fc.record({ after: fc.nat(4_000), isSlow: fc.boolean() }), { maxLength: 60 });
    fc.assert(
      fc.property(at, (all) => {
        const seldom = new DemandWindow(10_000, slow, true);
        const often = new DemandWindow(10_000, slow, true);
        let now = START;
        for (const { after, isSlow } of all) {
          for (let look = now; look < now + after; look += 500) often.advance(look);
          now += after;
          const call = { ...ended, durationMs: isSlow ? 3_000 : 300 };
          for (const window of [seldom, often]) window.ended(now, now, call);
        }
        for (const window of [seldom, often]) window.advance(now + 1_000);
        assert.deepEqual(often.figures(), seldom.figures());
        assert.equal(often.holdsSince, seldom.holdsSince);
      }),
    );
  });

  it('counts ends that are reported afterwards, as after a restart, as if they had been reported in time', () => {
    const at = fc.array(fc.nat(3_000), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(at, (gaps) => {
        const live = new DemandWindow(60_000, () => false, true);
        const again = new DemandWindow(60_000, () => false, true);
        const ends: number[] = [];
        let now = START;
        for (const gap of gaps) {
          now += gap;
          ends.push(now);
          live.ended(now, now, { ...ended, durationMs: gap });
        }
        gaps.forEach((gap, i) => again.ended(ends[i] as number, now, { ...ended, durationMs: gap }));
        assert.deepEqual(again.figures(), live.figures());
      }),
    );
  });
});
