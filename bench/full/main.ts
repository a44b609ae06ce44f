import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { WHEN_FULL } from '../../src/simulation/limits.ts';
import type { WhenFull } from '../../src/simulation/limits.ts';
import { playEngine } from './play.ts';
import type { Cell, Played } from './play.ts';

const HELP = `Usage: npm run bench:full -- [options]

A rollout to an endpoint that fills up, in each of its phases, under 1, 1.5 and 3 times the calls at once that it takes, for
engines that hold what they have no place for, refuse it with 429 or 503, or slow down. Real HTTP on loopback, a daemon in
a process of its own, a clock that runs faster. Exits with 1 if a call was lost, an endpoint that was offered enough was not
busy for nine tenths, the endpoint was left, or the books differ from the meter.

  --engine E    only one of ${WHEN_FULL.join(', ')}
  --times A,B   default 1,1.5,3
  --places N    calls that the endpoint takes at once, default 12
  --limit N     calls that serverless takes in 5 min, default 1000000
  --minutes N   clock minutes of each load, default 6
  --scale X     clock seconds in a real second, default 20
  --keep DIR    keep the ledgers there
  --json        print one line of JSON for each engine
`;

const { values } = parseArgs({
  options: {
    engine: { type: 'string' },
    times: { type: 'string', default: '1,1.5,3' },
    places: { type: 'string', default: '12' },
    limit: { type: 'string', default: '1000000' },
    minutes: { type: 'string', default: '6' },
    scale: { type: 'string', default: '20' },
    keep: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** An endpoint that is offered this many times what it takes has to be busy. At less, chance leaves places free. */
const ENOUGH = 1.5;
const LEAST_BUSY = 0.9;

if (values.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  const [places, limit, minutes, scale] = [values.places, values.limit, values.minutes, values.scale].map(Number);
  const times = values.times.split(',').map(Number);
  if (!places || !limit || !minutes || !scale || times.some((each) => !(each > 0))) {
    throw new Error('expected numbers above 0; see --help');
  }
  const engines = WHEN_FULL.filter((engine) => values.engine === undefined || engine === values.engine);
  for (const engine of engines) {
    process.stderr.write(`${engine} ...\n`);
    const played = await kept(engine, (folder) =>
      playEngine(engine, { scale, places, limit, times, cellMs: minutes * 60_000 }, folder),
    );
    report(played);
  }
}

async function kept<T>(engine: WhenFull, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(values.keep ?? tmpdir(), `upshift-full-${engine}-`));
  try {
    return await use(folder);
  } finally {
    if (values.keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

function report(played: Played): void {
  const broken = brokenPromises(played);
  if (values.json) process.stdout.write(`${JSON.stringify({ ...played, broken })}\n`);
  else {
    const { cells, retreats, bookedMicros, meterMicros, overflowCalls, isAudited } = played;
    console.log(`${cpus().length} cores, Node ${process.version}`);
    console.table(
      cells.map(({ busy, onEndpoint, ...cell }: Cell) => ({
        ...cell,
        busy: percent(busy),
        'on endpoint': percent(onEndpoint),
      })),
    );
    console.log(
      `${retreats} retreats, ${overflowCalls} calls overflowed, books ${dollars(bookedMicros)}, meter ${dollars(meterMicros)}, audit ${isAudited ? 'passed' : 'failed'}`,
    );
    for (const promise of broken) console.log(`BROKEN: ${promise}`);
  }
  if (broken.length > 0) process.exitCode = 1;
}

/** What was not kept. */
function brokenPromises(played: Played): string[] {
  const { cells, retreats, bookedMicros, meterMicros, runningMicros, isAudited } = played;
  const broken = cells.flatMap(({ engine, phase, times, lost, busy }) => {
    const at = `${engine}, ${phase}, ${times} times`;
    return [
      ...(lost > 0 ? [`${at}: ${lost} calls lost`] : []),
      ...(times >= ENOUGH && busy < LEAST_BUSY ? [`${at}: ${percent(busy)} busy`] : []),
    ];
  });
  if (retreats > 0) broken.push(`${retreats} retreats`);
  if (Math.abs(bookedMicros - meterMicros) > runningMicros)
    broken.push(`books ${dollars(bookedMicros)}, meter ${dollars(meterMicros)}`);
  if (!isAudited) broken.push('the audit failed');
  return broken;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function dollars(micros: number): string {
  return `$${(micros / 1e6).toFixed(2)}`;
}
