import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { Call } from '../../../src/core/call.ts';
import type { Usage } from '../../../src/core/usage/usage.ts';
import { makeLane, makeReport, NOON } from '../reports.ts';
import { openBook, recordCalls, upshift, watchedCall } from '../rig.ts';
import type { Book } from '../rig.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const MODEL = 'acme/writer';

/** What docs/usage.md says that the command prints. */
const PAGE = /^\$ npx upshift usage\n([^]*?)^```$/m.exec(
  readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'usage.md'), 'utf8'),
)?.[1];

function call(atMs: number, changes: Partial<Call>): Call {
  const tokens = { promptTokens: 300, outputTokens: 100 };
  return watchedCall(atMs, { durationUs: 4_000_000, model: MODEL, ...tokens, ...changes });
}

/** Three days of a call a minute, and at nine every morning 400 calls of a crawler within ten minutes, a tenth refused. */
async function threeDays(context: TestContext, hours = 72): Promise<Book> {
  const book = await openBook(context);
  const from = NOON - hours * HOUR;
  const calls: Call[] = [];
  for (let at = from, n = 0; at < NOON - MINUTE; at += MINUTE, n++) {
    calls.push(call(at, { agent: `agent-${n % 6}` }));
    if (new Date(at).getUTCHours() !== 9 || new Date(at).getUTCMinutes() >= 10) continue;
    for (let i = 0; i < 40; i++) {
      const outcome = i % 10 === 0 ? ('rate_limited' as const) : ('ok' as const);
      calls.push(call(at + 500 + i * 1_400, { agent: 'nightly-crawler', outcome }));
    }
  }
  calls.push(call(NOON - HOUR, { model: 'acme/other', agent: 'ann' }));
  await recordCalls(book, calls);
  await book.saveStatus(makeReport([], { timeScale: 60, lanes: [makeLane({ model: MODEL, limit: 120 })] }));
  return book;
}

describe('usage', { concurrency: 4 }, () => {
  it('draws days and week, and says who makes the peaks and what smoothing saves, within eighty columns', async (context) => {
    const { path } = await threeDays(context);
    const { code, out, err } = await upshift(['usage', '--db', path]);
    assert.deepEqual([code, err], [0, '']);
    assert.equal(out.replaceAll(` --db ${path}`, ''), PAGE);
    assert.ok(out.split('\n').every((line) => line.includes('npx') || line.length <= 80));
  });

  it('puts days and hours where a time zone has them, and says whose they are', async (context) => {
    const { path } = await threeDays(context);
    const { out } = await upshift(['usage', '--db', path, '--zone', 'Asia/Tokyo', '--by', 'hour']);
    assert.match(out, /all times in\s+Asia\/Tokyo/);
    const full = out.split('\n').filter((line) => line.includes('████████'));
    assert.deepEqual(
      full.map((line) => line.trim().split(/ +/)[0]),
      ['18'],
    );
    const wrong = await upshift(['usage', '--db', path, '--zone', 'Mars']);
    assert.deepEqual([wrong.code, /--zone "Mars" is not a time zone/.test(wrong.err)], [2, true]);
  });

  it('shows one table where that is asked for', async (context) => {
    const { path } = await threeDays(context);
    const [agents, days] = await Promise.all(
      ['agent', 'day'].map((by) => upshift(['usage', '--db', path, '--by', by])),
    );
    assert.match(agents?.out ?? '', /nightly-crawler +\d+\.\d % +21\.7 % +1 200 +10\.0 % +480 000\n/);
    assert.match(days?.out ?? '', /Sun 22 Nov .* 1 840 +205 +2\.2 %\n/);
    assert.doesNotMatch(days?.out ?? '', /^ peaks/m);
  });

  it('says the same as one line of JSON for each route, the busiest first', async (context) => {
    const { path } = await threeDays(context);
    const { out } = await upshift(['usage', '--db', path, '--json', '--per-replica', '8']);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      lines.map(({ model, zone }) => [model, zone]),
      [
        [MODEL, 'UTC'],
        ['acme/other', 'UTC'],
      ],
    );
    const { smoothing, replicas } = lines[0] as unknown as Usage;
    assert.deepEqual(smoothing.limit, { calls: 120, source: 'learned' });
    assert.equal(replicas?.perReplica, 8);
  });

  it('tells a young ledger by its minutes, and an empty one what to do', async (context) => {
    const young = await threeDays(context, 1);
    const { out } = await upshift(['usage', '--db', young.path]);
    assert.match(out, /less than a day of calls: a weekly pattern shows after some days/);
    assert.match(
      out,
      / time {6}\S{60}\n {11}11:00 +12:00\n {11}each sign: the busiest window that ends in those 60 s\n/,
    );
    assert.doesNotMatch(out, /^ week /m);
    assert.match(out, /No action is needed: serverless takes these peaks/);
    const { path } = await openBook(context);
    const empty = await upshift(['usage', '--db', path]);
    assert.equal(empty.code, 0);
    assert.match(empty.out, /^the ledger has no calls since 7d\nlet agents call/);
  });

  it('refuses what it cannot do, with what is expected', async (context) => {
    const { path } = await openBook(context);
    const cases = [
      { args: ['--since', '90d'], said: /31d ago at most/ },
      { args: ['--per-replica', '0'], said: /--per-replica 0 is out of range\nhint: expected 1 or more calls/ },
      { args: ['--by', 'week'], said: /hour/ },
    ];
    for (const { args, said } of cases) {
      const { code, err } = await upshift(['usage', '--db', path, ...args]);
      assert.equal(code, 2, args.join(' '));
      assert.match(err, said);
    }
  });
});
