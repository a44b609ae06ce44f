import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { CostReport } from '../../src/core/money/cost.ts';
import { openForReading } from '../../src/ledger/open.ts';
import { officeHours } from './load.ts';
import { brokenPromises, readWeek, weekText } from './report.ts';
import { ENTRY, playWeek } from './run.ts';

const HELP = `Usage: npm run bench:week -- [options]

A week of agents that work in office hours, against the simulation: a daemon that decides by cost alone goes to an endpoint
when that is cheaper and comes back when it is not. Real HTTP on loopback, a daemon in a process of its own, a clock that
runs faster. Exits with 1 where a call failed, a day saw more than two migrations, or the books differ from the meter.

  --days N      default 7, from a Monday on
  --scale X     clock seconds in a real second, default 350
  --day N       calls a minute at the height of a working day, default 42
  --night N     calls a minute at night and on the weekend, default 1
  --seed N      default 1
  --keep DIR    keep the ledger there
  --json        print one line of JSON
`;

const { values: options } = parseArgs({
  options: {
    days: { type: 'string', default: '7' },
    scale: { type: 'string', default: '350' },
    day: { type: 'string', default: '42' },
    night: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  const [days, scale, day, night, seed] = [options.days, options.scale, options.day, options.night, options.seed].map(
    Number,
  );
  if (!days || !scale || !day || !night || !seed) throw new Error('expected numbers above 0; see --help');
  const folder = options.keep ?? mkdtempSync(join(tmpdir(), 'upshift-week-'));
  const dbPath = join(folder, 'upshift.db');
  try {
    const trace = officeHours(days, { day, night }, seed);
    process.stderr.write(`${trace.length} calls of ${days} days in ${Math.round((days * 1_440) / scale)} min ...\n`);
    let told = 0;
    const run = await playWeek(trace, {
      scale,
      days,
      dbPath,
      onProgress: (share) => {
        if (share < told) return;
        process.stderr.write(`${Math.round(share * 100)} %\n`);
        told = share + 0.05;
      },
    });
    const { spentMicroDollars: meterMicros, endpoints } = run.simulation.state();
    const perHour = endpoints.reduce(
      (sum, { state, pricePerHour }) => sum + (state === 'running' ? pricePerHour : 0),
      0,
    );
    const runningMicros = Math.round((perHour * 1_000_000 * 3) / 60);
    const said = execFileSync(process.execPath, [ENTRY, 'cost', '--db', dbPath, '--since', `${days + 1}d`, '--json']);
    const cost = JSON.parse(String(said)) as CostReport;
    const db = openForReading(dbPath);
    const { clientFailures, failures } = run.swarm;
    const week = readWeek(db, cost, { startedAt: run.startedAt, days, clientFailures, meterMicros, runningMicros });
    db.close();
    await run.simulation.close();
    const broken = brokenPromises(week);
    for (const failure of failures) process.stderr.write(`${JSON.stringify(failure)}\n`);
    if (options.json) process.stdout.write(`${JSON.stringify({ ...week, broken })}\n`);
    else process.stdout.write(`${weekText(week)}\n${broken.map((promise) => `BROKEN: ${promise}\n`).join('')}`);
    process.exitCode = broken.length > 0 ? 1 : 0;
  } finally {
    if (options.keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}
