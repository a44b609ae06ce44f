import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { priceBook } from '../../src/core/money/price-book.ts';
import { seededDice } from '../../src/simulation/dice.ts';
import { CATALOGUE, computeId } from '../../src/simulation/endpoint/catalogue.ts';
import { DEFAULT_LIMITS } from '../../src/simulation/limits.ts';
import { DEFAULT_MODELS } from '../../src/simulation/hub/models.ts';
import { peakyDays } from './load.ts';
import { play } from './play.ts';
import type { Played, Setup } from './play.ts';
import type { LoadedCall } from './sides.ts';

const HELP = `Usage: npm run bench:overflow -- [options]

Days of a load with peaks, four times: always on serverless, always on enough replicas, and on a base of replicas without
and with overflow to serverless. What do they cost, how many calls are refused, and how long do calls take? A clock that
jumps, and the classes of the gateway for what an endpoint carries, for the pace of serverless and for queues. Exits with 1
if overflow costs more than 0.9 of the cheaper of the first two, or refuses more calls than it.

  --days N      default 2
  --day N       calls a minute by day, default 45; at night a third of it
  --peak X      times as many for 40 min, three times a day, default 3
  --limit N     calls that serverless takes in 5 min, default 600
  --places N    calls that a replica takes at once, default 24
  --replicas N  the base, default 1
  --seed N      default 1
  --json        print one line of JSON
`;

const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';
const INSTANCE = 'aws-us-east-1-nvidia-l4-x1';
const AGENTS = 24;
const MOST_REPLICAS = 64;
const MOST_OF_CHEAPER = 0.9;

const { values } = parseArgs({
  options: {
    days: { type: 'string', default: '2' },
    day: { type: 'string', default: '45' },
    peak: { type: 'string', default: '3' },
    limit: { type: 'string', default: '600' },
    places: { type: 'string', default: '24' },
    replicas: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

interface Row {
  readonly run: string;
  readonly replicas: number;
  readonly dollars: number;
  readonly onServerless: number;
  readonly refused: number;
  /** Refusals of the endpoint that would have counted as faults. */
  readonly faults: number;
  readonly p50: number;
  readonly p95: number;
}

if (values.help) process.stdout.write(HELP);
else main();

function main(): void {
  const { days, day, peak, limit, places, replicas, seed } = values;
  const given = [days, day, peak, limit, places, replicas, seed].map(Number);
  if (given.some((value) => !(value > 0))) throw new Error('expected numbers above 0; see --help');
  const [of, rate, times, serverlessLimit, placesEach, base, dice] = given as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const calls = loaded(of, { day: rate, peak: times }, dice);
  const run = (name: string, setup: Setup) => {
    const played = play(calls, setup, { serverlessLimit, places: placesEach });
    return rowOf(name, setup, { played, days: of });
  };
  const rows = [
    run('always serverless', { replicas: 0, overflows: false }),
    enough((count) => run('always dedicated', { replicas: count, overflows: false })),
    run('promoted, no overflow', { replicas: base, overflows: false }),
    run('promoted, overflow', { replicas: base, overflows: true }),
  ] as const;
  report(rows, calls.length);
}

function loaded(days: number, rates: Parameters<typeof peakyDays>[1], seed: number): LoadedCall[] {
  const dice = seededDice(seed);
  return peakyDays(days, rates, dice).map((arrival) => ({
    ...arrival,
    agent: `agent-${Math.floor(dice.next() * AGENTS)}`,
    luck: dice.jitter(DEFAULT_LIMITS.routerSpeed.sigma),
  }));
}

/** The fewest replicas that refuse no call. */
function enough(run: (replicas: number) => Row): Row {
  for (let replicas = 1; replicas < MOST_REPLICAS; replicas++) {
    const row = run(replicas);
    if (row.refused === 0) return row;
  }
  return run(MOST_REPLICAS);
}

function rowOf(name: string, { replicas }: Setup, { played, days }: { played: Played; days: number }): Row {
  const sorted = Float64Array.from(played.tookMs).sort();
  const seconds = (share: number) => Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) / 100) / 10;
  return {
    run: name,
    replicas,
    dollars: Math.round((replicas * hourly() * days * 24 + onServerless(played.onServerless)) * 100) / 100,
    onServerless: played.onServerless.length,
    refused: played.refused,
    faults: played.faults,
    p50: seconds(0.5),
    p95: seconds(0.95),
  };
}

/** Dollars for a replica. */
function hourly(): number {
  return CATALOGUE.find((compute) => computeId(compute) === INSTANCE)?.pricePerHour ?? Number.NaN;
}

function onServerless(calls: readonly LoadedCall[]): number {
  const { input, output } = DEFAULT_MODELS.find(({ id }) => id === MODEL)?.pricing ?? { input: 0, output: 0 };
  const price = { model: MODEL, provider: 'one', inputMicros: input * 1e6, outputMicros: output * 1e6 };
  const book = priceBook([{ ...price, isFree: false, isLive: true, fromAt: 0 }]);
  const sum = (of: (call: LoadedCall) => number) => calls.reduce((all, call) => all + of(call), 0);
  const tokens = { prompt: sum(({ promptTokens }) => promptTokens), output: sum(({ outputTokens }) => outputTokens) };
  return (book.cost(MODEL, 'one', 0, tokens)?.micros ?? Number.NaN) / 1e6;
}

function report(rows: readonly [Row, Row, Row, Row], calls: number): void {
  const [serverless, dedicated, , overflow] = rows;
  const cheaper = serverless.dollars <= dedicated.dollars ? serverless : dedicated;
  const share = Math.round((overflow.dollars / cheaper.dollars) * 1_000) / 1_000;
  const isKept = share <= MOST_OF_CHEAPER && overflow.refused <= cheaper.refused;
  if (values.json) process.stdout.write(`${JSON.stringify({ calls, rows, share, isKept })}\n`);
  else {
    process.stdout.write(`${cpus().length} cores, Node ${process.version}, ${calls} calls of ${values.days} days\n`);
    console.table(rows);
    process.stdout.write(`with overflow: ${share} of ${cheaper.run}\n`);
  }
  process.exitCode = isKept ? 0 : 1;
}
