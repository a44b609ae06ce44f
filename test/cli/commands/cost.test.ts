import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { Call } from '../../../src/core/call.ts';
import type { CostReport } from '../../../src/core/money/cost.ts';
import { makeCall } from '../../ledger/rig.ts';
import { makeReport, NOON } from '../reports.ts';
import { openBook, upshift } from '../rig.ts';
import type { Book } from '../rig.ts';

const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';
const HOUR = 3_600_000;

function call(at: number, n: number, servedBy: 'serverless' | 'dedicated'): Call {
  return makeCall(1, {
    arrivedAtUs: at * 1_000 + n,
    durationUs: 0,
    model: MODEL,
    shape: 'chat',
    agent: `agent-${n % 3}`,
    servedBy,
    provider: servedBy === 'serverless' ? 'groq' : null,
    promptTokens: 1_000_000,
    outputTokens: 500_000,
  });
}

/** Two days: 30 calls on serverless on the first, 60 on an endpoint on the second, which ran for four hours. */
async function moneyBook(context: TestContext): Promise<Book> {
  const book = await openBook(context);
  const { journal, calls } = book.ledger;
  await journal.bookPrices(
    [{ model: MODEL, provider: 'groq', inputMicros: 50_000, outputMicros: 80_000, isFree: false, isLive: true }],
    NOON - 60 * HOUR,
  );
  const rows = Array.from({ length: 90 }, (_, n) => {
    const isLate = n >= 30;
    return call(NOON - (isLate ? 2 : 26) * HOUR + n, n, isLate ? 'dedicated' : 'serverless');
  });
  await Promise.all(rows.map((row) => new Promise<void>((done) => calls.record(row, done))));
  const minute = NOON / 60_000;
  const endpoint = {
    namespace: 'acme',
    name: 'up-llama',
    createdAt: NOON - 5 * HOUR,
    model: MODEL,
    instance: 'aws x l4 x1',
  };
  const span = { state: 'running', replicas: 1, priceMicros: 800_000, source: 'reading' as const };
  const spans = [{ ...span, fromMinute: minute - 239, untilMinute: minute + 1 }];
  const reading = { at: NOON, state: 'running', replicas: 1, priceMicros: 800_000, updatedAt: null };
  await journal.book([{ endpoint, reading, at: NOON, spans }]);
  await journal.bookBill(
    [{ org: 'acme', day: '2026-11-23', model: MODEL, provider: 'groq', calls: 31, micros: 2_800_000 }],
    NOON,
  );
  await book.saveStatus(makeReport([], { timeScale: 60, at: NOON + 30_000 }));
  return book;
}

const PAGE = `
2026-11-22 12:00:30Z to 2026-11-24 12:00:30Z: $5.90 in all

            calls  tokens  spent  per 1 000 calls  per million tokens
serverless     30  45.0 M  $2.70           $90.00             $0.0600
endpoints      60  90.0 M  $3.20           $53.33             $0.0356

day         calls  serverless  endpoints  total
2026-11-23     30       $2.70      $0.00  $2.70  ████████░░
2026-11-24     60       $0.00      $3.20  $3.20  ██████████

meta-llama/Llama-3.1-8B-Instruct
  an endpoint at $0.80 an hour is cheaper from 0.74 calls in 5 min on, with
  serverless at $90.00 for 1 000 calls; there were 0.29 on average
  spent $5.90; the same calls, by estimate: all on serverless $8.10, all on an
  endpoint that always runs $20.81
month  $41.29 by the end of 2026-11, if it continues as in the last 26.0 h
       ($5.44 a day); $5.90 so far
bill   Hugging Face reports $2.80 for 31 serverless calls of all callers of
       acme, 2026-11-23 to 2026-11-23. Counted here: $2.70
note   endpoints are counted by minutes at list price; only the invoice of
       Hugging Face has the real amount

next   serverless would be cheaper for meta-llama/Llama-3.1-8B-Instruct with
       this traffic: see npx upshift status, and npx upshift endpoints for what
       still runs
`;

describe('cost', { concurrency: 4 }, () => {
  it('says what both sides cost, when an endpoint pays, and what to do, within eighty columns', async (context) => {
    const { path } = await moneyBook(context);
    const { code, out, err } = await upshift(['cost', '--db', path, '--since', '2d']);
    assert.deepEqual([code, err], [0, '']);
    assert.equal(out, PAGE.slice(1));
    assert.ok(out.split('\n').every((line) => line.length <= 80));
  });

  it('groups by route, agent and upstream, and every table has the same total', async (context) => {
    const { path } = await moneyBook(context);
    const keys: Record<string, string[]> = {};
    for (const by of ['day', 'route', 'agent', 'upstream']) {
      const { out } = await upshift(['cost', '--db', path, '--since', '2d', '--by', by, '--json']);
      const report = JSON.parse(out) as {
        totalMicros: number;
        lines: { key: string; serverlessMicros: number; dedicatedMicros: number }[];
      };
      assert.equal(report.totalMicros, 30 * 90_000 + 3_200_000);
      const sum = report.lines.reduce((all, line) => all + line.serverlessMicros + line.dedicatedMicros, 0);
      // Each line is rounded by itself.
      assert.ok(Math.abs(sum - report.totalMicros) <= report.lines.length);
      keys[by] = report.lines.map(({ key }) => key).sort();
    }
    assert.deepEqual(keys, {
      day: ['2026-11-23', '2026-11-24'],
      route: [MODEL],
      agent: ['agent-0', 'agent-1', 'agent-2'],
      upstream: [`endpoint for ${MODEL}`, 'serverless groq'],
    });
  });

  it('has a line for what an endpoint had no room for, as a part of serverless', async (context) => {
    const { path, ledger } = await moneyBook(context);
    const rows = Array.from({ length: 5 }, (_, n) => ({
      ...call(NOON - HOUR, n, n < 4 ? 'serverless' : 'dedicated'),
      isOverflow: true,
    }));
    await Promise.all(rows.map((row) => new Promise<void>((done) => ledger.calls.record(row, done))));
    const words = ['cost', '--db', path, '--since', '2d'];
    const [page, json] = await Promise.all([upshift(words), upshift([...words, '--json'])]);
    const { serverless, overflow } = JSON.parse(json.out) as CostReport;
    assert.deepEqual([serverless.calls, serverless.micros], [34, 34 * 90_000]);
    // The fifth had to wait, and the endpoint served it.
    assert.deepEqual([overflow.calls, overflow.micros], [4, 4 * 90_000]);
    assert.match(page.out, /^serverless +34 .*\n {2}overflow +4 +6\.0 M +\$0\.36 .*\nendpoints /m);
  });

  it('gives a spreadsheet what it can read, and no formula', async (context) => {
    const { path, ledger } = await moneyBook(context);
    const strange = { ...call(NOON - HOUR, 1, 'serverless'), agent: '=1+"2"' };
    await new Promise<void>((done) => ledger.calls.record(strange, done));
    const { out } = await upshift(['cost', '--db', path, '--since', '2d', '--by', 'agent', '--csv']);
    const [head, ...lines] = out.split('\r\n');
    assert.equal(head, 'agent,calls,serverless_dollars,endpoint_dollars,estimated_dollars');
    assert.ok(lines.includes('agent-0,30,0.9,1.066667,0'));
    assert.ok(lines.some((line) => line.startsWith('"\'=1+""2""",1,0.09,')));
  });

  it('names what is wrong', async (context) => {
    const { path } = await moneyBook(context);
    const run = async (...words: string[]) => {
      const { code, err } = await upshift(['cost', '--db', path, ...words]);
      return [code, err.split('\n')[0]];
    };
    assert.deepEqual(await run('--model', 'a/b'), [2, 'error: the ledger has no call and no endpoint of a/b']);
    assert.deepEqual(await run('--since', '2027-01-01'), [2, 'error: --since 2027-01-01 is out of range']);
    assert.deepEqual(await run('--csv', '--json').then(([code]) => code), 2);
    assert.deepEqual(await run('--by', 'week').then(([code]) => code), 2);
  });

  it('says so where the ledger knows nothing yet', async (context) => {
    const { path } = await openBook(context);
    const { code, out } = await upshift(['cost', '--db', path]);
    assert.equal(code, 0);
    assert.match(out, /no call and no endpoint/);
    assert.match(out, /next {3}let agents call through upshift/);
  });
});
