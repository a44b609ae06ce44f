import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import type { DemandFigures } from '../../../src/core/criteria/criteria.ts';
import { DemandWindow } from '../../../src/core/criteria/demand-window.ts';
import { START } from '../../support/samples.ts';
import { arrivals } from '../../support/trace.ts';

const RECORDED = join(import.meta.dirname, '../../../../shared/data/azure_llm_2023_conv.csv.gz');
const skipTrace = existsSync(RECORDED) ? false : 'the recorded trace is not beside this checkout (../shared/data)';
const WINDOW_MS = 10_000;
const BASE_SECOND = START / 1_000;

interface Step {
  /** Ms since the step before; negative for a late report. */
  readonly afterMs: number;
  readonly what: 'arrived' | 'refused' | 'advance';
  readonly agent: number;
}

/** Mostly dense, sometimes late, sometimes a silence that is shorter than the window, about as long, or far longer. */
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    afterMs: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0, max: 700 }) },
      { weight: 1, arbitrary: fc.integer({ min: -3_000, max: 0 }) },
      { weight: 1, arbitrary: fc.integer({ min: 3_000, max: 12_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: 12_000, max: 100_000 }) },
    ),
    what: fc.constantFrom('arrived', 'arrived', 'arrived', 'refused', 'advance'),
    agent: fc.nat(8),
  }),
  { maxLength: 120 },
);

function holds({ calls, agents, refusedShare }: DemandFigures): boolean {
  return calls > 6 && agents > 3 && refusedShare > 0.05;
}

const name = (agent: number) => `agent-${agent}`;
const isDerived = (agent: number) => agent % 2 === 0;

function feed(window: DemandWindow, all: readonly Step[]): number {
  let at = START;
  for (const { afterMs, what, agent } of all) {
    at += afterMs;
    if (what === 'arrived') window.arrived(at, name(agent), isDerived(agent));
    else if (what === 'refused') window.refused(at);
    else window.advance(at);
  }
  return at;
}

/** The same window, counted again for every second from a list of all events. */
class Recount {
  readonly #arrived: { second: number; agent: number }[] = [];
  readonly #refused: number[] = [];
  #first: number | null = null;
  #second = 0;

  feed(all: readonly Step[]): this {
    let at = START;
    for (const { afterMs, what, agent } of all) {
      at += afterMs;
      // A late report counts in the current second.
      this.#second = Math.max(this.#second, Math.floor(at / 1_000));
      this.#first ??= this.#second;
      if (what === 'arrived') this.#arrived.push({ second: this.#second, agent });
      else if (what === 'refused') this.#refused.push(this.#second);
    }
    return this;
  }

  figures(second = this.#second): DemandFigures {
    const isIn = (other: number) => other > second - WINDOW_MS / 1_000 && other <= second;
    const inside = this.#arrived.filter((call) => isIn(call.second));
    const agents = [...new Set(inside.map(({ agent }) => agent))];
    const refused = this.#refused.filter(isIn).length;
    return {
      calls: inside.length,
      agents: agents.length,
      derivedAgents: agents.filter(isDerived).length,
      refused,
      refusedShare: inside.length === 0 ? 0 : Math.min(1, refused / inside.length),
    };
  }

  get holdsSince(): number | null {
    let since: number | null = null;
    for (let second = this.#first ?? BASE_SECOND; second < this.#second; second++) {
      since = holds(this.figures(second)) ? (since ?? (second + 1) * 1_000) : null;
    }
    return since;
  }
}

describe('DemandWindow', () => {
  it('agrees with a recount of all events on calls, agents and refusals', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const window = new DemandWindow(WINDOW_MS, holds);
        feed(window, all);
        assert.deepEqual(window.figures(), new Recount().feed(all).figures());
      }),
      { numRuns: 300 },
    );
  });

  it('holds since the same second as in a recount', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const window = new DemandWindow(WINDOW_MS, holds);
        feed(window, all);
        assert.equal(window.holdsSince, new Recount().feed(all).holdsSince);
      }),
      { numRuns: 300 },
    );
  });

  it('does not depend on when it is advanced', () => {
    const advances = fc.array(fc.nat(4), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(steps, advances, (all, counts) => {
        const seldom = new DemandWindow(WINDOW_MS, holds);
        const often = new DemandWindow(WINDOW_MS, holds);
        let at = START;
        let latest = START;
        for (const [i, step] of all.entries()) {
          const before = at;
          at += step.afterMs;
          // An advance before a late call, or to a time without a call, would make a late call even later.
          const isReported = step.afterMs > 0 && step.what !== 'advance';
          const extra = isReported ? (counts[i % counts.length] as number) : 0;
          for (let k = 1; k <= extra; k++) often.advance(before + (step.afterMs * k) / (extra + 1));
          latest = Math.max(latest, at);
          for (const window of [seldom, often]) {
            if (step.what === 'arrived') window.arrived(at, name(step.agent), isDerived(step.agent));
            if (step.what === 'refused') window.refused(at);
          }
        }
        for (const window of [seldom, often]) window.advance(latest + 1_000);
        assert.deepEqual(often.figures(), seldom.figures());
        assert.equal(often.holdsSince, seldom.holdsSince);
      }),
    );
  });

  it('counts a call that is reported long after its time as if it had been reported in time', () => {
    const choices = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(steps, choices, (all, choice) => {
        const inTime = new DemandWindow(WINDOW_MS, holds);
        const late = new DemandWindow(WINDOW_MS, holds);
        const kept: { at: number; agent: number; isRefused: boolean }[] = [];
        let at = START;
        for (const [i, { afterMs, agent, what }] of all.entries()) {
          at += Math.max(0, afterMs);
          const isRefused = what === 'refused';
          inTime.arrived(at, name(agent), isDerived(agent));
          if (isRefused) inTime.refused(at);
          if (choice[i % choice.length] === true) kept.push({ at, agent, isRefused });
          else {
            late.arrived(at, name(agent), isDerived(agent));
            if (isRefused) late.refused(at);
          }
        }
        for (const call of kept.toReversed()) {
          const agent = { agent: name(call.agent), isDerived: isDerived(call.agent) };
          const isIn = Math.floor(call.at / 1_000) > Math.floor(at / 1_000) - WINDOW_MS / 1_000;
          assert.equal(late.arrivedLate(call.at, at, agent, call.isRefused), isIn);
        }
        assert.deepEqual(late.figures(), inTime.figures());
        for (const window of [inTime, late]) window.advance(at + 4_000);
        assert.deepEqual(late.figures(), inTime.figures());
      }),
      { numRuns: 300 },
    );
  });

  it('does not count a call that is reported before its time', () => {
    const window = new DemandWindow(WINDOW_MS, () => false);
    assert.equal(window.arrivedLate(START + 5_000, START, { agent: 'a', isDerived: false }, true), false);
    assert.deepEqual(window.figures(), { calls: 0, agents: 0, derivedAgents: 0, refused: 0, refusedShare: 0 });
  });

  it('starts `holdsSince` again after missed calls, and keeps what it counted', () => {
    const window = new DemandWindow(WINDOW_MS, ({ calls }) => calls > 2);
    for (let i = 0; i < 20; i++) window.arrived(START + i * 500, 'a', false);
    assert.notEqual(window.holdsSince, null);
    const calls = window.figures().calls;
    window.interrupt(START + 10_100);
    assert.equal(window.holdsSince, null);
    assert.equal(window.figures().calls, calls - 2, 'only the oldest second has left');
    window.advance(START + 11_000);
    assert.equal(window.holdsSince, START + 11_000);
  });

  it('forgets agents that left, however many there were', () => {
    const window = new DemandWindow(1_000, () => false);
    for (let i = 0; i < 5_000; i++) window.arrived(START + i, `agent-${i}`, i % 2 === 0);
    assert.equal(window.figures().agents, 1_000);
    assert.equal(window.figures().derivedAgents, 500);
    window.advance(START + 100_000);
    assert.deepEqual(window.figures(), { calls: 0, agents: 0, derivedAgents: 0, refused: 0, refusedShare: 0 });
  });

  it('holds for long enough once in the demand of the trace', () => {
    const lengths = stretches(arrivals());
    assert.equal(lengths.filter((length) => length >= 300_000).length, 1, JSON.stringify(lengths));
  });

  it('distinguishes a long stretch from the short ones before and after it', () => {
    // Calls in the window, second by second: above 2000 for 1 s, for 673 s and for 2 s.
    const totals = [...times(2_001, 1), ...times(2_000, 3), ...times(2_003, 673), ...times(2_000, 3)];
    totals.push(...times(2_004, 2), ...times(2_000, 3));
    assert.deepEqual(stretches(arrivalsFor(totals)), [1_000, 673_000, 2_000]);
  });

  it(
    'holds for long enough once in the recorded trace, which exceeds 2000 calls three times',
    { skip: skipTrace },
    () => {
      const lengths = stretches(recordedArrivals());
      assert.equal(lengths.length, 3, JSON.stringify(lengths));
      assert.equal(lengths.filter((length) => length >= 300_000).length, 1, JSON.stringify(lengths));
    },
  );
});

describe('an outage of serverless', () => {
  const busy = (window: DemandWindow, second: number) => {
    const at = START + second * 1_000;
    for (let n = 0; n < 7; n++) window.arrived(at + n, `agent ${n}`, false);
    for (let n = 0; n < 4; n++) window.refused(at + n);
  };

  it('keeps the criteria from holding as long as the window has a part of it', () => {
    const window = new DemandWindow(WINDOW_MS, holds);
    const seen: (number | null)[] = [];
    for (let second = 0; second < 60; second++) {
      busy(window, second);
      if (second >= 20 && second < 25) window.isOut(START + second * 1_000 + 500);
      seen.push(window.holdsSince);
    }
    window.advance(START + 60_000);
    const secondsHeld = seen.flatMap((since, second) => (since === null ? [] : [second]));
    assert.ok(secondsHeld.includes(19) && secondsHeld.includes(40));
    assert.deepEqual(
      secondsHeld.filter((second) => second >= 20 && second < 34),
      [],
    );
    assert.ok((window.holdsSince as number) >= START + 34_500, String(window.holdsSince));
  });

  it('is one outage, from its first to its last sign, and is forgotten when it has left the window', () => {
    const window = new DemandWindow(WINDOW_MS, holds);
    for (const second of [1, 2, 9]) window.isOut(START + second * 1_000);
    assert.deepEqual(window.outage(START + 19_000), { since: START + 1_000, until: START + 9_000 });
    assert.equal(window.outage(START + 19_001), null);
    window.isOut(START + 30_000);
    assert.deepEqual(window.outage(START + 30_000), { since: START + 30_000, until: START + 30_000 });
  });
});

/** Each stretch in which the window had more than 2000 calls, ms. */
function stretches(all: Iterable<number>): number[] {
  const window = new DemandWindow(300_000, ({ calls }) => calls > 2_000);
  const spans: { since: number; seconds: number }[] = [];
  const read = (second: number) => {
    window.advance(START + second * 1_000);
    const since = window.holdsSince;
    if (since === null) return;
    const last = spans.at(-1);
    if (last?.since === since) last.seconds++;
    else spans.push({ since, seconds: 1 });
  };
  let second = 0;
  for (const at of all) {
    for (; second * 1_000 <= at; second++) read(second);
    window.arrived(START + at, 'a', false);
  }
  read(second);
  return spans.map(({ seconds }) => seconds * 1_000);
}

function times(total: number, seconds: number): number[] {
  return Array.from({ length: seconds }, () => total);
}

/** Arrivals (ms) that give a window of 300 s first 2000 calls and then these totals. */
function* arrivalsFor(totals: readonly number[]): Generator<number> {
  const perSecond: number[] = Array.from({ length: 300 }, (_, i) => (i % 3 === 2 ? 6 : 7));
  let before = 2_000;
  for (const total of totals) {
    perSecond.push(total - before + (perSecond.at(-300) as number));
    before = total;
  }
  for (const [second, count] of perSecond.entries()) {
    for (let i = 0; i < count; i++) yield second * 1_000 + i;
  }
}

function* recordedArrivals(): Generator<number> {
  const [, ...lines] = gunzipSync(readFileSync(RECORDED)).toString().trimEnd().split('\n');
  for (const line of lines) yield Number(line.slice(0, line.indexOf(',')));
}
