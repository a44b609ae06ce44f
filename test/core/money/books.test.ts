import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BookedReading, EndpointReading, ReplicaMinutes } from '../../../src/core/money/books.ts';
import { atCreation, billedReplicas, isUnsure, settle, settleGone } from '../../../src/core/money/books.ts';
import { MINUTE_MS } from '../../../src/core/time.ts';

const AT = 1_000 * MINUTE_MS;

function reading(minutes: number, replicas: number, more: Partial<EndpointReading> = {}): EndpointReading {
  const state = replicas > 0 ? 'running' : 'paused';
  return { at: AT + minutes * MINUTE_MS, state, replicas, priceMicros: 800_000, updatedAt: AT - 1, ...more };
}

function booked(seen: EndpointReading, more: Partial<BookedReading['minute']> = {}): BookedReading {
  return { ...seen, minute: { replicas: seen.replicas, priceMicros: seen.priceMicros, source: 'reading', ...more } };
}

/** Each minute's replicas and source, from the first reading's on. */
function minutes(spans: ReturnType<typeof settle>): string {
  return spans
    .flatMap(({ fromMinute, untilMinute, replicas, source }) =>
      Array.from({ length: untilMinute - fromMinute }, () => `${replicas}${source[0]}`),
    )
    .join(' ');
}

const TABLE: readonly [title: string, minutes: string, spans: () => ReturnType<typeof settle>][] = [
  ['nothing changed', '1r 1r', () => settle(booked(reading(0, 1)), reading(1, 1), null)],
  ['nothing changed for long', '1r 1r 1r 1r 1r', () => settle(booked(reading(0, 1)), reading(4, 1), null)],
  [
    'paused between two readings, with the time of the change',
    '1e 0r',
    () => settle(booked(reading(0, 1)), reading(1, 0, { updatedAt: AT + 9_000 }), null),
  ],
  [
    'paused in a gap, with the time of the change',
    '1e 1e 1e 0e 0r',
    () => settle(booked(reading(0, 1)), reading(4, 0, { updatedAt: AT + 2 * MINUTE_MS + 1 }), null),
  ],
  [
    'paused in a gap, without the time of the change',
    '1e 1e 0e 0e 0r',
    () => settle(booked(reading(0, 1)), reading(4, 0, { updatedAt: null }), null),
  ],
  [
    'the minute of a pause keeps the replicas that are already recorded',
    '1r 0r',
    () => settle(booked(reading(0, 0), { replicas: 1 }), reading(1, 0), null),
  ],
  [
    'graphs show changes between the readings',
    '1m 3m 0m 2m 1m',
    () => settle(booked(reading(0, 1)), reading(4, 1), graphs({ 0: 1, 1: 3, 3: 2 })),
  ],
  [
    'replicas that a reading saw count even if the graphs have none',
    '1m 0m 1m',
    () => settle(booked(reading(0, 1)), reading(2, 1), graphs({ 0: 0, 1: 0 })),
  ],
  [
    'minutes before the first point of the graphs are estimated',
    '1e 1e 2m 0m 1m',
    () => settle(booked(reading(0, 1)), reading(4, 1, { updatedAt: AT + 3 * MINUTE_MS }), graphs({ 2: 2, 4: 1 })),
  ],
  [
    'coarse graphs are an estimate',
    '1e 2e 1e',
    () => settle(booked(reading(0, 1)), reading(2, 1), { ...graphs({ 0: 1, 1: 2 }), isByMinute: false }),
  ],
  [
    'an endpoint that runs when first seen counts from its creation',
    '1e 1e 1e 1r',
    () => settle(atCreation(AT, reading(3, 1)), reading(3, 1, { updatedAt: AT + 2 * MINUTE_MS }), null),
  ],
  ['gone between two readings', '1r', () => settleGone(booked(reading(0, 1)), AT + MINUTE_MS)],
  [
    'gone between two readings, of which the later is a few seconds late',
    '1r',
    () => settleGone(booked(reading(0, 1)), AT + MINUTE_MS + 4_000),
  ],
  ['gone in a gap', '1r 1e 1e 1e', () => settleGone(booked(reading(0, 1)), AT + 4 * MINUTE_MS)],
  ['paused and gone in a gap', '0r', () => settleGone(booked(reading(0, 0)), AT + 4 * MINUTE_MS)],
];

function graphs(counts: Record<number, number>): ReplicaMinutes {
  const entries = Object.entries(counts).map(([minute, count]) => [1_000 + Number(minute), count] as const);
  return { minutes: new Map(entries), isByMinute: true };
}

for (const [title, expected, spans] of TABLE) {
  test(`minutes are settled: ${title}`, () => assert.equal(minutes(spans()), expected));
}

test('states with replicas that run or start are billed', () => {
  const of = (state: string) => billedReplicas(state, { ready: 1, target: 2 });
  assert.deepEqual(['initializing', 'updating', 'running'].map(of), [2, 2, 2]);
  assert.deepEqual(['pending', 'paused', 'failed', 'scaledToZero', 'unheard'].map(of), [0, 0, 0, 0, 0]);
  assert.equal(of('updateFailed'), 1);
  assert.equal(billedReplicas('initializing', { ready: 0, target: 0 }), 1);
});

test('two close readings that agree need no graphs', () => {
  assert.equal(isUnsure(reading(0, 1), reading(1, 1)), false);
  assert.equal(isUnsure(reading(0, 1), reading(1, 2)), true);
  assert.equal(isUnsure(reading(0, 1), reading(1, 1, { updatedAt: AT + 5 })), true);
  assert.equal(isUnsure(reading(0, 1), reading(3, 1)), true);
});

test('spans are consecutive, and begin and end with the readings', () => {
  const replicas = fc.integer({ min: 0, max: 3 });
  const someGraphs = fc.option(
    fc.dictionary(fc.integer({ min: 0, max: 60 }).map(String), replicas).map((counts) => graphs(counts)),
  );
  fc.assert(
    fc.property(
      replicas,
      replicas,
      fc.integer({ min: 0, max: 60 * MINUTE_MS }),
      someGraphs,
      (before, after, later, counts) => {
        const end = { ...reading(0, after), at: AT + later, updatedAt: AT + later / 2 };
        const spans = settle(booked(reading(0, before)), end, counts);
        assert.equal(spans[0]?.fromMinute, 1_000);
        assert.equal(spans.at(-1)?.untilMinute, 1_001 + Math.floor(later / MINUTE_MS));
        for (const [i, span] of spans.entries()) {
          assert.ok(span.untilMinute > span.fromMinute);
          if (i > 0) assert.equal(span.fromMinute, spans[i - 1]?.untilMinute);
        }
      },
    ),
  );
});
