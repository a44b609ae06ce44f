import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { DAY_MS, HOUR_MS } from '../../src/core/time.ts';
import { CallWriter } from '../../src/ledger/calls/call-writer.ts';
import { connect } from '../../src/ledger/database.ts';
import { verifyAudit } from '../../src/ledger/journal/audit.ts';
import { openJournal } from '../../src/ledger/journal/journal.ts';
import { keyPathOf } from '../../src/ledger/journal/key.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { openForReading } from '../../src/ledger/open.ts';
import { START_MS, makeCall, makeDecision, redecide } from '../../test/ledger/rig.ts';

const HELP = `Usage: npm run bench:audit -- [options]

A day of calls: how long it takes to close it, how long decisions wait meanwhile, and how long the audit of it takes.

  --calls N     default 1000000, each with one attempt
  --json        print one line of JSON
`;

/** How many decisions are stored before the day is closed, for comparison. */
const COMMITS_BEFORE = 500;

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '1000000' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(HELP);
else {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-bench-'));
  try {
    const figures = await measure(join(folder, 'upshift.db'), Number(values.calls));
    process.stdout.write(values.json ? `${JSON.stringify(figures)}\n` : table(figures));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(path: string, calls: number): Promise<Record<string, number>> {
  const day = Math.floor(START_MS / DAY_MS) * DAY_MS;
  migrate(path, START_MS);
  writeDay(path, calls, day);
  const closing = await closeDay(path, day + DAY_MS + HOUR_MS);
  const db = openForReading(path);
  const startedAt = performance.now();
  const report = verifyAudit(db, redecide, 1);
  const verifyMs = performance.now() - startedAt;
  db.close();
  if (report.problems.length > 0 || report.calls.covered !== calls) throw new Error(JSON.stringify(report));
  return { calls, ...closing, verifyMs, memoryMb: process.memoryUsage.rss() / 1e6 };
}

function writeDay(path: string, calls: number, day: number): void {
  const db = connect(path, { timeout: 1_000 });
  const writer = new CallWriter(db);
  const apartUs = Math.floor((DAY_MS * 1_000) / calls);
  const row = (n: number) => {
    const call = makeCall(n);
    const endedAtUs = day * 1_000 + n * apartUs;
    return { endedAtUs, call: { ...call, arrivedAtUs: endedAtUs - call.durationUs } };
  };
  for (let n = 0; n < calls; n += 1_000) {
    writer.write(Array.from({ length: Math.min(1_000, calls - n) }, (_, i) => row(n + i)));
  }
  db.close();
}

/** Closes the day in the journal's thread, with a decision every few milliseconds, after some without a closing. */
async function closeDay(path: string, now: number): Promise<Record<string, number>> {
  const journal = await openJournal({ path, keyPath: keyPathOf(path) });
  let n = 0;
  const commit = async (): Promise<number> => {
    const askedAt = performance.now();
    await journal.commit({ decision: makeDecision(++n), events: [], outcomes: [] });
    const tookMs = performance.now() - askedAt;
    await pause(20);
    return tookMs;
  };
  await commit();
  const before: number[] = [];
  while (before.length < COMMITS_BEFORE) before.push(await commit());
  const ended = new AbortController();
  const startedAt = performance.now();
  const closing = (async () => {
    while (await journal.closeCalls(now)) await pause(2);
    ended.abort();
  })();
  const during: number[] = [];
  while (!ended.signal.aborted) during.push(await commit());
  await closing;
  const closeMs = performance.now() - startedAt;
  await journal.close();
  return { ...waitsOf('before', before), ...waitsOf('meanwhile', during), closeMs };
}

function waitsOf(when: string, waits: readonly number[]): Record<string, number> {
  const sorted = waits.toSorted((one, other) => one - other);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { [`${when} p50 ms`]: at(0.5), [`${when} p99 ms`]: at(0.99), [`${when} longest`]: at(1) };
}

function table(figures: Record<string, number>): string {
  const lines = Object.entries(figures).map(([name, value]) => `${name.padEnd(18)}${value.toFixed(1).padStart(12)}`);
  return `${lines.join('\n')}\n`;
}
