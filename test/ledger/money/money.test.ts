import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { BookSpan, EndpointReading } from '../../../src/core/money/books.ts';
import type { ProviderPrice } from '../../../src/core/money/price-book.ts';
import type { BookEntry } from '../../../src/ledger/money/books.ts';
import { beginOfBooks, endpointsSince, usageBetween } from '../../../src/ledger/money/costs.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { listPrices } from '../../../src/ledger/money/prices.ts';
import { makeCall, openFor, START_MS, temporaryPath } from '../rig.ts';

const MINUTE = 60_000;
/** The first minute of a day (UTC). */
const MIDNIGHT = Math.floor(START_MS / 86_400_000) * 1_440;
const ENDPOINT = {
  namespace: 'acme',
  name: 'up-model-abcdefgh',
  createdAt: MIDNIGHT * MINUTE,
  model: 'org/model',
  instance: 'aws us-east-1 nvidia-l4 x1',
};

function reading(minute: number, more: Partial<EndpointReading> = {}): EndpointReading {
  const at = minute * MINUTE;
  return { at, state: 'running', replicas: 1, priceMicros: 600_000, updatedAt: null, ...more };
}

function span(from: number, until: number, more: Partial<BookSpan> = {}): BookSpan {
  const what = { state: 'running', replicas: 1, priceMicros: 600_000, source: 'reading' as const };
  return { ...what, fromMinute: from, untilMinute: until, ...more };
}

function entry(minute: number, spans: readonly BookSpan[], more: Partial<BookEntry> = {}): BookEntry {
  return { endpoint: ENDPOINT, reading: reading(minute), at: minute * MINUTE, spans, ...more };
}

async function open(context: TestContext) {
  const path = temporaryPath(context);
  const ledger = await openFor(context, path);
  const query = <Row>(sql: string) => {
    const db = openForReading(path);
    try {
      return db.prepare<[], Row>(sql).all();
    } finally {
      db.close();
    }
  };
  return { path, ledger, query };
}

const SPANS = 'SELECT from_minute AS f, until_minute AS u, replicas AS r, source AS s FROM endpoint_spans';

test('months without a change are one row, and what is booked again replaces what was there', async (context) => {
  const { ledger, query } = await open(context);
  for (let n = 0; n < 200; n++) {
    await ledger.journal.book([entry(MIDNIGHT + n + 1, [span(MIDNIGHT + n, MIDNIGHT + n + 2)])]);
  }
  assert.deepEqual(query(SPANS), [{ f: MIDNIGHT, u: MIDNIGHT + 201, r: 1, s: 'reading' }]);
  const later = [
    span(MIDNIGHT + 100, MIDNIGHT + 150, { replicas: 2, source: 'metrics' }),
    span(MIDNIGHT + 150, MIDNIGHT + 160),
  ];
  await ledger.journal.book([entry(MIDNIGHT + 159, later)]);
  assert.deepEqual(query(SPANS), [
    { f: MIDNIGHT, u: MIDNIGHT + 100, r: 1, s: 'reading' },
    { f: MIDNIGHT + 100, u: MIDNIGHT + 150, r: 2, s: 'metrics' },
    { f: MIDNIGHT + 150, u: MIDNIGHT + 160, r: 1, s: 'reading' },
  ]);
  const [first] = query<{ minute: string; dollars: number }>('SELECT * FROM endpoint_minutes WHERE replicas = 2');
  assert.deepEqual([first?.minute, first?.dollars], ['2025-10-09T01:40Z', 0.02]);
  const [cost] = query<{ dollars: number; billed_minutes: number }>('SELECT * FROM endpoint_costs');
  assert.deepEqual([cost?.billed_minutes, cost?.dollars.toFixed(6)], [160, ((100 + 2 * 50 + 10) * 0.01).toFixed(6)]);
});

test('what was booked without a price gets it once somebody can tell', async (context) => {
  const { ledger, query } = await open(context);
  const unknown = { reading: reading(MIDNIGHT, { priceMicros: null }) };
  await ledger.journal.book([entry(MIDNIGHT, [span(MIDNIGHT, MIDNIGHT + 5, { priceMicros: null })], unknown)]);
  assert.deepEqual(query('SELECT minutes_without_price AS m, dollars AS d FROM endpoint_costs'), [{ m: 5, d: 0 }]);
  await ledger.journal.book([entry(MIDNIGHT + 5, [span(MIDNIGHT + 5, MIDNIGHT + 6)])]);
  assert.deepEqual(query('SELECT minutes_without_price AS m, dollars AS d FROM endpoint_costs'), [{ m: 0, d: 0.06 }]);
});

test('a reading is found again as it was booked, until the endpoint is missed', async (context) => {
  const { ledger } = await open(context);
  await ledger.journal.book([entry(MIDNIGHT, [span(MIDNIGHT, MIDNIGHT + 1, { replicas: 2, source: 'metrics' })])]);
  const minute = { replicas: 2, priceMicros: 600_000, source: 'metrics' };
  assert.deepEqual(await ledger.journal.bookedEndpoints(), [
    { ...ENDPOINT, reading: { ...reading(MIDNIGHT), minute } },
  ]);
  await ledger.journal.book([entry(MIDNIGHT + 1, [], { reading: null })]);
  assert.deepEqual(await ledger.journal.bookedEndpoints(), []);
});

test('endpoints of all instances of a rollout are booked to it and to its model', async (context) => {
  const { ledger, query } = await open(context);
  const { journal } = ledger;
  const left = [{ endpointName: ENDPOINT.name }];
  const snapshot = JSON.stringify({ namespace: 'acme', endpointName: 'up-model-2-abcdefgh', left });
  const about = { id: 'abcdefgh', model: 'org/adapter', policyHash: 'x', toward: 'dedicated', phase: 'promoted' };
  await journal.commit({ rollout: { ...about, snapshot, createdAt: 0, updatedAt: 0 }, events: [], outcomes: [] });
  const second = { ...ENDPOINT, name: 'up-model-2-abcdefgh' };
  const other = { ...ENDPOINT, namespace: 'acme-labs' };
  for (const endpoint of [ENDPOINT, second, other]) {
    await journal.book([entry(MIDNIGHT + 9, [span(MIDNIGHT, MIDNIGHT + 10)], { endpoint })]);
  }
  assert.deepEqual(query('SELECT name, model, rollout_id AS owner FROM endpoints ORDER BY id'), [
    { name: ENDPOINT.name, model: 'org/adapter', owner: 'abcdefgh' },
    { name: second.name, model: 'org/adapter', owner: 'abcdefgh' },
    { name: ENDPOINT.name, model: 'org/model', owner: null },
  ]);
  const { rolloutMicros } = await journal.spending('org/adapter', 'abcdefgh', (MIDNIGHT + 9) * MINUTE);
  assert.equal(rolloutMicros, 200_000);
});

test('spending knows the hour, the day, the rollout and the rate, up to now', async (context) => {
  const { ledger } = await open(context);
  const { journal } = ledger;
  const ask = (minute: number, rolloutId: string | null = 'abcdefgh', model = 'org/model') =>
    journal.spending(model, rolloutId, minute * MINUTE + 30_000);
  const none = { hourMicros: 0, dayMicros: 0, rolloutMicros: 0, ratePerHourMicros: 0 };
  assert.deepEqual(await ask(MIDNIGHT), { ...none, at: MIDNIGHT * MINUTE + 30_000 });

  const snapshot = JSON.stringify({ namespace: 'acme', endpointName: ENDPOINT.name });
  const rollout = {
    id: 'abcdefgh',
    model: 'org/model',
    policyHash: 'x',
    toward: 'dedicated',
    phase: 'warming',
    snapshot,
  };
  // A way back leaves the same endpoint, and did not make it.
  const wayBack = { ...rollout, id: 'aaaaaaaa', toward: 'serverless', createdAt: 1, updatedAt: 1 };
  await journal.commit({ rollout: wayBack, events: [], outcomes: [] });
  await journal.commit({ rollout: { ...rollout, createdAt: 0, updatedAt: 0 }, events: [], outcomes: [] });
  // Two hours before midnight and half an hour after it; a cent a minute.
  await journal.book([entry(MIDNIGHT + 29, [span(MIDNIGHT - 120, MIDNIGHT + 30)])]);
  const { at: _, ...spent } = await ask(MIDNIGHT + 29);
  const expected = { hourMicros: 600_000, dayMicros: 300_000, rolloutMicros: 1_500_000, ratePerHourMicros: 600_000 };
  assert.deepEqual(spent, expected);
  // Nobody has looked for ten minutes: it runs all the same.
  const { at: __, ...unbooked } = await ask(MIDNIGHT + 39);
  assert.deepEqual(unbooked, { ...expected, dayMicros: 400_000, rolloutMicros: 1_600_000 });
  assert.equal((await ask(MIDNIGHT + 39, null)).rolloutMicros, 0);
  assert.equal((await ask(MIDNIGHT + 39, 'another')).rolloutMicros, 0);
  assert.equal((await ask(MIDNIGHT + 39, null, 'org/other')).dayMicros, 0);

  const paused = { reading: reading(MIDNIGHT + 40, { state: 'paused', replicas: 0 }) };
  await journal.book([
    entry(MIDNIGHT + 40, [span(MIDNIGHT + 40, MIDNIGHT + 41, { replicas: 0, state: 'paused' })], paused),
  ]);
  const over = await ask(MIDNIGHT + 50);
  assert.deepEqual([over.ratePerHourMicros, over.dayMicros], [0, 300_000]);
});

function price(provider: string, inputMicros: number, more: Partial<ProviderPrice> = {}): ProviderPrice {
  return { model: 'org/model', provider, inputMicros, outputMicros: 2, isFree: false, isLive: true, ...more };
}

test('prices are kept with their history, a row a change, and one that is listed no more is not live', async (context) => {
  const { path, ledger } = await open(context);
  for (let hour = 0; hour < 5; hour++) {
    const listed = [price('a', 10), ...(hour < 3 ? [price('b', hour < 2 ? 20 : 30)] : [])];
    await ledger.journal.bookPrices(listed, START_MS + hour * 3_600_000);
  }
  const db = openForReading(path);
  const rows = listPrices(db).map(({ provider, fromAt, inputMicros, isLive }) => [
    provider,
    (fromAt - START_MS) / 3_600_000,
    inputMicros,
    isLive,
  ]);
  db.close();
  assert.deepEqual(rows, [
    ['a', 0, 10, true],
    ['b', 0, 20, true],
    ['b', 2, 30, true],
    ['b', 3, 30, false],
  ]);
});

test('what served calls used is added up by span, side and provider', async (context) => {
  const { path, ledger } = await open(context);
  const base = { durationUs: 1_000, rolloutId: null, step: 0, promptTokens: 10, outputTokens: 5 };
  const calls = [
    makeCall(1, { ...base, servedBy: 'serverless', provider: 'groq' }),
    makeCall(2, { ...base, servedBy: 'serverless', provider: 'groq' }),
    makeCall(3, { ...base, servedBy: 'serverless', promptTokens: null, outputTokens: null, requestBytes: 7 }),
    makeCall(4, { ...base, servedBy: 'dedicated' }),
    makeCall(6, { ...base, servedBy: 'serverless', status: 429, outcome: 'rate_limited' }),
    makeCall(7, { ...base, servedBy: null }),
    makeCall(600, { ...base, servedBy: 'serverless', provider: 'groq', agent: 'late' }),
  ].map((call) => ({ ...call, model: 'org/model', shape: 'chat' as const }));
  await Promise.all(calls.map((call) => new Promise<void>((done) => ledger.calls.record(call, done))));
  const db = openForReading(path);
  try {
    const times = [START_MS - 1, START_MS + 1_000, START_MS + 10_000];
    const usage = usageBetween(db, times, { byAgent: false, model: null });
    const told = usage.map((row) => [
      row.fromAt - START_MS,
      row.upstream,
      row.provider,
      row.calls,
      row.toldCalls,
      row.promptTokens,
    ]);
    assert.deepEqual(told, [
      [-1, 'serverless', null, 1, 0, 0],
      [-1, 'serverless', 'groq', 2, 2, 20],
      [-1, 'dedicated', null, 1, 1, 10],
      [1_000, 'serverless', 'groq', 1, 1, 10],
    ]);
    assert.equal(usage.find((row) => row.toldCalls === 0)?.untoldRequestBytes, 7);
    const late = usageBetween(db, times.slice(1), { byAgent: true, model: 'org/model' });
    assert.deepEqual(
      late.map(({ agent }) => agent),
      ['late'],
    );
    assert.deepEqual(usageBetween(db, times, { byAgent: false, model: 'org/none' }), []);
    assert.ok((beginOfBooks(db) ?? 0) >= START_MS);
    const [first] = db.prepare<[], { provider: string }>('SELECT provider FROM call_log ORDER BY ended_at_us').all();
    assert.equal(first?.provider, 'groq');
  } finally {
    db.close();
  }
});

test('after the last reading an endpoint goes on as it was, by estimate', async (context) => {
  const { path, ledger } = await open(context);
  await ledger.journal.book([entry(MIDNIGHT + 9, [span(MIDNIGHT, MIDNIGHT + 10)])]);
  const db = openForReading(path);
  try {
    const uses = endpointsSince(db, MIDNIGHT * MINUTE, (MIDNIGHT + 19) * MINUTE, null);
    assert.deepEqual(
      uses.map(({ fromMinute, untilMinute, isEstimate }) => [
        fromMinute - MIDNIGHT,
        untilMinute - MIDNIGHT,
        isEstimate,
      ]),
      [
        [0, 10, false],
        [10, 20, true],
      ],
    );
  } finally {
    db.close();
  }
});
