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

/** Closes the day in the journal's thread, with a decision every few milliseconds. */
async function closeDay(
  path: string,
  now: number,
): Promise<{ closeMs: number; waitMs: number; longestWaitMs: number }> {
  const journal = await openJournal({ path, keyPath: keyPathOf(path) });
  const waits: number[] = [];
  const ended = new AbortController();
  const startedAt = performance.now();
  const closing = (async () => {
    while (await journal.closeCalls(now)) await pause(2);
    ended.abort();
  })();
  for (let n = 1; !ended.signal.aborted; n++) {
    const askedAt = performance.now();
    await journal.commit({ decision: makeDecision(n), events: [], outcomes: [] });
    waits.push(performance.now() - askedAt);
    await pause(20);
  }
  await closing;
  const closeMs = performance.now() - startedAt;
  await journal.close();
  waits.sort((one, other) => one - other);
  return { closeMs, waitMs: waits[waits.length >> 1] ?? 0, longestWaitMs: waits.at(-1) ?? 0 };
}

function table(figures: Record<string, number>): string {
  const lines = Object.entries(figures).map(([name, value]) => `${name.padEnd(14)}${value.toFixed(1).padStart(12)}`);
  return `${lines.join('\n')}\n`;
}
