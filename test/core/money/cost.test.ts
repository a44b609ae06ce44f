import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EndpointUse, UsageRow } from '../../../src/core/money/cost.ts';
import { meanTokens, onServerless } from '../../../src/core/money/cost.ts';
import type { CostInput } from '../../../src/core/money/report.ts';
import { costReport } from '../../../src/core/money/report.ts';
import { forecastMonth } from '../../../src/core/money/month.ts';
import type { DatedPrice } from '../../../src/core/money/price-book.ts';
import { priceBook } from '../../../src/core/money/price-book.ts';
import { dayOf } from '../../../src/core/time.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** 2026-11-24 12:00:00Z */
const NOON = Date.UTC(2026, 10, 24, 12);

function price(provider: string, fromAt: number, input: number | null, more: Partial<DatedPrice> = {}): DatedPrice {
  const output = input === null ? null : input * 2;
  return {
    model: 'm',
    provider,
    fromAt,
    inputMicros: input,
    outputMicros: output,
    isFree: false,
    isLive: true,
    ...more,
  };
}

function row(more: Partial<UsageRow> = {}): UsageRow {
  return {
    fromAt: NOON - HOUR,
    untilAt: NOON,
    model: 'm',
    upstream: 'serverless',
    provider: 'groq',
    agent: null,
    isOverflow: false,
    hasTokens: true,
    calls: 10,
    toldCalls: 10,
    promptTokens: 1_000,
    outputTokens: 500,
    untoldRequestBytes: 0,
    untoldResponseBytes: 0,
    ...more,
  };
}

function use(fromMinute: number, length: number, more: Partial<EndpointUse> = {}): EndpointUse {
  const from = Math.floor(NOON / 60_000) + fromMinute;
  const span = { fromMinute: from, untilMinute: from + length };
  return { model: 'm', name: 'up-m', ...span, replicas: 1, priceMicros: 800_000, isEstimate: false, ...more };
}

const TOKENS = { prompt: 1_000_000, output: 1_000_000 };

const PRICES: readonly [title: string, DatedPrice[], string | null, number | null, boolean][] = [
  ['the price in force', [price('groq', 0, 50_000), price('groq', NOON, 10_000)], 'groq', 150_000, false],
  [
    'the new price from its moment on',
    [price('groq', 0, 50_000), price('groq', NOON - HOUR, 10_000)],
    'groq',
    30_000,
    false,
  ],
  ['the price of a provider whose name differs only in case', [price('groq', 0, 50_000)], 'Groq', 150_000, false],
  ['a free provider', [price('groq', 0, null, { isFree: true })], 'groq', 0, false],
  ['the first known price, for calls before it', [price('groq', NOON, 50_000)], 'groq', 150_000, true],
  ['the cheapest, if the provider is not known', [price('a', 0, 50_000), price('b', 0, 20_000)], null, 60_000, true],
  ['the cheapest that is live', [price('a', 0, 50_000), price('b', 0, 20_000, { isLive: false })], null, 150_000, true],
  [
    'the cheapest, if the price of the provider is not known',
    [price('a', 0, 50_000), price('b', 0, null)],
    'b',
    150_000,
    true,
  ],
  ['an unknown amount, if no price is known', [price('a', 0, null)], 'a', null, false],
];

for (const [title, prices, provider, micros, isEstimate] of PRICES) {
  test(`tokens cost ${title}`, () => {
    const cost = priceBook(prices).cost('m', provider, NOON - HOUR, TOKENS);
    assert.equal(cost?.micros ?? null, micros);
    if (cost !== null) assert.equal(cost.estimatedMicros > 0, isEstimate);
  });
}

test('calls without reported tokens are estimated by the mean of the others, else by their bytes', () => {
  const book = priceBook([price('groq', 0, 1_000_000)]);
  const rows = [row(), row({ calls: 5, toldCalls: 0, promptTokens: 0, outputTokens: 0, untoldRequestBytes: 400 })];
  const [reported, unreported] = rows.map((one) => onServerless(one, book, meanTokens(rows)));
  assert.deepEqual([reported?.micros, reported?.estimatedMicros], [2_000, 0]);
  assert.deepEqual([unreported?.micros, unreported?.estimatedMicros], [1_000, 1_000]);
  const alone = rows.slice(1);
  const [byBytes] = alone.map((one) => onServerless(one, book, meanTokens(alone)));
  assert.deepEqual([byBytes?.micros, byBytes?.estimatedMicros], [100, 100]);
});

function input(more: Partial<CostInput>): CostInput {
  return {
    from: NOON - DAY,
    now: NOON,
    begin: NOON - DAY,
    usage: [],
    endpoints: [],
    book: priceBook([price('groq', 0, 50_000)]),
    bills: [],
    by: 'day',
    ...more,
  };
}

test('a report has both upstreams, the break-even, and what the same calls would have cost on one', () => {
  // A day: 14 400 calls on serverless at 100 micro-dollars, and as many on an endpoint that ran for ten hours.
  const calls = { calls: 14_400, toldCalls: 14_400, promptTokens: 14_400_000, outputTokens: 7_200_000 };
  const usage = [row(calls), row({ ...calls, upstream: 'dedicated', provider: null })];
  const report = costReport(input({ usage, endpoints: [use(-600, 600)], by: 'upstream' }));
  assert.equal(report.serverless.micros, 1_440_000);
  assert.equal(report.serverless.per1000CallsMicros, 100_000);
  assert.equal(report.dedicated.micros, 8_000_000);
  assert.equal(report.dedicated.billedMinutes, 600);
  assert.equal(report.totalMicros, 9_440_000);
  const [route] = report.routes;
  assert.equal(route?.allServerlessMicros, 2_880_000);
  assert.equal(route?.allDedicatedMicros, 24 * 800_000);
  assert.equal(report.savedMicros, 2_880_000 - 9_440_000);
  assert.equal(route?.breakEven?.ratePerHourMicros, 800_000);
  assert.ok(Math.abs((route?.breakEven?.callsPerMinute ?? 0) - 800_000 / 60 / 100) < 1e-9);
  assert.equal(route?.breakEven?.actualCallsPerMinute, 20);
  assert.deepEqual(
    report.lines.map(({ key, calls: count, serverlessMicros, dedicatedMicros }) => [
      key,
      count,
      serverlessMicros,
      dedicatedMicros,
    ]),
    [
      ['endpoint for m', 14_400, 0, 8_000_000],
      ['serverless groq', 14_400, 1_440_000, 0],
    ],
  );
});

test('overflow is the part of serverless that endpoints had no room for, and changes no sum', () => {
  const rows = fc.array(
    fc.record({
      upstream: fc.constantFrom('serverless' as const, 'dedicated' as const),
      isOverflow: fc.boolean(),
      calls: fc.nat(50),
      promptTokens: fc.nat(100_000),
    }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(rows, (some) => {
      const usage = some.map((one) => row({ ...one, toldCalls: one.calls }));
      const report = costReport(input({ usage }));
      const without = costReport(input({ usage: usage.map((one) => ({ ...one, isOverflow: false })) }));
      const others = costReport(input({ usage: usage.filter(({ isOverflow }) => !isOverflow) }));
      assert.deepEqual([report.serverless, report.totalMicros], [without.serverless, without.totalMicros]);
      assert.equal(without.overflow.calls, 0);
      assert.equal(report.overflow.calls, report.serverless.calls - others.serverless.calls);
      // Each sum is rounded by itself.
      assert.ok(Math.abs(report.overflow.micros - (report.serverless.micros - others.serverless.micros)) <= 1);
    }),
  );
});

test('a cost that spans midnight is divided between the two days', () => {
  const report = costReport(input({ endpoints: [use(-13 * 60, 2 * 60)] }));
  assert.deepEqual(
    report.days.map(({ key, dedicatedMicros }) => [key, dedicatedMicros]),
    [
      ['2026-11-23', 800_000],
      ['2026-11-24', 800_000],
    ],
  );
});

test('an endpoint’s cost is divided among agents by their calls on it', () => {
  const dedicated = { upstream: 'dedicated' as const, provider: null };
  const usage = [row({ ...dedicated, agent: 'a', calls: 30 }), row({ ...dedicated, agent: 'b', calls: 10 })];
  const report = costReport(input({ usage, endpoints: [use(-60, 60)], by: 'agent' }));
  assert.deepEqual(
    report.lines.map(({ key, dedicatedMicros }) => [key, dedicatedMicros]),
    [
      ['a', 600_000],
      ['b', 200_000],
    ],
  );
  const idle = costReport(input({ endpoints: [use(-60, 60)], by: 'agent' }));
  assert.deepEqual(
    idle.lines.map(({ key }) => key),
    ['(no calls) m'],
  );
});

test('calls that are not priced by tokens, and minutes without a price, are counted but in no sum', () => {
  const usage = [row({ hasTokens: false }), row({ model: 'unlisted' })];
  const report = costReport(input({ usage, endpoints: [use(-60, 60, { priceMicros: null })] }));
  assert.deepEqual([report.serverless.calls, report.serverless.unpricedCalls, report.totalMicros], [20, 20, 0]);
  assert.equal(report.dedicated.minutesWithoutPrice, 60);
  assert.equal(report.savedMicros, null);
});

test('the month is what was spent so far plus the rest at the mean of the last days', () => {
  const left = 6.5;
  const forecast = forecastMonth(NOON, 5_000_000, { from: NOON - 2 * DAY, micros: 4_000_000 });
  assert.deepEqual(forecast, {
    month: '2026-11',
    spentMicros: 5_000_000,
    micros: 5_000_000 + left * 2_000_000,
    basisMs: 2 * DAY,
    perDayMicros: 2_000_000,
  });
  assert.equal(forecastMonth(NOON, 1, { from: NOON - 60_000, micros: 1 }), null);
});

test('lines add up to the totals in every grouping', () => {
  const rows = fc.array(
    fc
      .record({
        hour: fc.integer({ min: 1, max: 24 }),
        provider: fc.constantFrom('groq', null),
        agent: fc.constantFrom('a', 'b'),
        upstream: fc.constantFrom('serverless' as const, 'dedicated' as const),
        calls: fc.integer({ min: 1, max: 1_000 }),
      })
      .map(({ hour, ...more }) => row({ ...more, toldCalls: more.calls, fromAt: NOON - hour * HOUR })),
  );
  const uses = fc.array(fc.integer({ min: 1, max: 1_400 }).map((at) => use(-at, 40)));
  fc.assert(
    fc.property(rows, uses, fc.constantFrom('day', 'route', 'agent', 'upstream'), (usage, endpoints, by) => {
      const report = costReport(input({ usage, endpoints, by }));
      const total = report.lines.reduce((sum, line) => sum + line.serverlessMicros + line.dedicatedMicros, 0);
      assert.ok(Math.abs(total - report.totalMicros) <= report.lines.length + 2);
      const calls = report.lines.reduce((sum, line) => sum + line.calls, 0);
      assert.equal(calls, report.serverless.calls + report.dedicated.calls);
      for (const { key } of report.days) assert.ok(key >= dayOf(NOON - DAY) && key <= dayOf(NOON));
    }),
  );
});
