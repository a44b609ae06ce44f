import { parseArgs } from 'node:util';
import { GATEWAY_ID } from '../../src/core/call.ts';
import type { Call } from '../../src/core/call.ts';
import type { CarePolicy } from '../../src/core/policy/care.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { createClock } from '../../src/files/clock.ts';
import { createGateway } from '../../src/gateway/server.ts';
import { startSimulation } from '../../src/simulation/server.ts';
import { deal, runAgents } from './agents.ts';
import type { Manners, Seen } from './agents.ts';

const HELP = `Usage: npm run bench:care -- [options]

An hour of a swarm before a serverless router that takes 2000 calls in five minutes, four times: agents that take a
refusal as a failure, agents that back off by 1, 2, 4, 8, 16 s, and agents of the first kind behind the gateway, with one
token and with several tokens of one account. Real HTTP on loopback on a clock that runs faster.

  --agents N    default 100, each with one call at a time
  --tokens N    tokens of the last run, default 64
  --factor X    times the calls of the recorded hour, default 1.4
  --scale X     clock seconds in a real second, default 60
  --seed N      default 1
  --json        print one line of JSON
`;

const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';
const LIMIT = 2_000;
const WINDOW_MS = 300_000;
const WINDOWS = 12;
const LOOK_MS = 50;

interface Row {
  readonly name: string;
  /** Calls that agents made, and those that were served. */
  readonly calls: number;
  readonly served: number;
  /** 429s that agents saw, and those that the router gave. */
  readonly refused: number;
  readonly refusedByRouter: number;
  readonly failed: number;
  /** Served calls of the windows in which more were wanted than the limit, as a share of the limit. */
  readonly throughput: number;
  /** How long served calls waited before they were taken, ms: median and 95th percentile. */
  readonly waitP50Ms: number;
  readonly waitP95Ms: number;
  /** The least that an agent was served while more was wanted than the limit, as a share of an equal part. */
  readonly leastShare: number;
  /** What was learned of the limit two windows after it was first met, and at the end. */
  readonly learned: { readonly afterTwoWindows: number | null; readonly atTheEnd: number | null };
}

const { values: options } = parseArgs({
  options: {
    agents: { type: 'string', default: '100' },
    tokens: { type: 'string', default: '64' },
    factor: { type: 'string', default: '1.4' },
    scale: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  const given = [options.agents, options.tokens, options.factor, options.scale, options.seed];
  const [agents, tokens, factor, scale, seed] = given.map(Number);
  if (!agents || !tokens || !factor || !scale || !seed) throw new Error('expected numbers above 0; see --help');
  const hands = deal(agents, factor, seed);
  const rows: Row[] = [];
  for (const [name, manners, care, count] of [
    ['no retry', 'no retry', null, 1],
    ['fixed back-off', 'fixed back-off', null, 1],
    ['upshift', 'no retry', POLICY_DEFAULTS.care, 1],
    [`upshift, ${tokens} tokens`, 'no retry', POLICY_DEFAULTS.care, tokens],
  ] as const satisfies readonly (readonly [string, Manners, CarePolicy | null, number])[]) {
    process.stderr.write(`${name}: an hour in ${Math.round(3_600 / scale)} s ...\n`);
    rows.push(await runOnce({ name, manners, care, tokens: count }, hands, scale));
  }
  const [plain, , upshift, several] = rows as [Row, Row, Row, Row];
  const fewer = 1 - upshift.refused / plain.refused;
  if (options.json)
    process.stdout.write(`${JSON.stringify({ agents, tokens, factor, scale, seed, limit: LIMIT, fewer, rows })}\n`);
  else
    process.stdout.write(
      `${tableOf(rows)}\n\n429s seen by agents: ${percent(fewer)} fewer behind the gateway. ${times(several, upshift)}\n`,
    );
}

async function runOnce(
  { name, manners, care, tokens }: { name: string; manners: Manners; care: CarePolicy | null; tokens: number },
  hands: ReturnType<typeof deal>,
  scale: number,
): Promise<Row> {
  const clock = createClock({ scale, start: Date.now() });
  await using simulation = await startSimulation({ clock, limits: { routerCalls: LIMIT, routerWindowMs: WINDOW_MS } });
  const run = (url: string) => runAgents(url, hands, { clock, manners, model: MODEL, tokens });
  if (care === null) {
    const seen = await run(simulation.routerUrl);
    const none = { afterTwoWindows: null, atTheEnd: null };
    return rowOf(name, seen, hands, {
      refusedByRouter: seen.refused,
      waits: seen.done.map(({ lateMs }) => lateMs),
      learned: none,
    });
  }
  const waits: number[] = [];
  const note = (call: Call) => {
    const last = call.attempts.at(-1);
    if (call.finalOutcome === 'ok' && last !== undefined) waits.push(last.startedAfterUs / 1_000);
  };
  const serverless = { betweenChunksMs: 60_000, totalMs: 600_000 };
  const timeouts = { connectMs: 5_000, firstByteMs: 60_000, ...serverless, serverless };
  const gateway = createGateway({
    gatewayId: GATEWAY_ID,
    table: () => ({ generation: 1, routes: new Map(), fallback: { timeouts, care } }),
    routerUrl: simulation.routerUrl,
    token: null,
    clock,
    recorder: { record: (_, release) => release(), recordShadow: () => undefined, isDegraded: false },
    observer: {
      arrived: () => undefined,
      sent: () => undefined,
      failed: () => undefined,
      ended: note,
      shadowed: () => undefined,
    },
    agentSalt: 'bench',
  });
  const { port } = await gateway.listen(0);
  const limit = () => [...gateway.lanes()][0]?.limit ?? null;
  let [knownAtMs, afterTwoWindows]: [number | null, number | null] = [null, null];
  const looking = setInterval(() => {
    if (limit() === null) return;
    knownAtMs ??= clock.now();
    if (clock.now() - knownAtMs >= 2 * WINDOW_MS) afterTwoWindows ??= limit();
  }, LOOK_MS);
  const seen = await run(`http://127.0.0.1:${port}`);
  clearInterval(looking);
  const refusedByRouter = [...gateway.lanes()][0]?.counts.refusedByUpstream ?? 0;
  const learned = { afterTwoWindows, atTheEnd: limit() };
  await gateway.close();
  return rowOf(name, seen, hands, { refusedByRouter, waits, learned });
}

function rowOf(
  name: string,
  seen: Seen,
  hands: ReturnType<typeof deal>,
  { refusedByRouter, waits, learned }: Pick<Row, 'refusedByRouter' | 'learned'> & { waits: readonly number[] },
): Row {
  const served = seen.done.filter(({ isServed }) => isServed);
  const windowOf = (ms: number) => Math.floor(ms / WINDOW_MS);
  const wanted = Array.from({ length: WINDOWS }, () => 0);
  for (const { atMs } of hands.flat()) wanted[windowOf(atMs)] = (wanted[windowOf(atMs)] ?? 0) + 1;
  // From the first window that wants more than the limit until what was left over is made up for.
  const full: number[] = [];
  let left = 0;
  wanted.forEach((calls, window) => {
    left = Math.max(0, left + calls - LIMIT);
    if (left > 0 && calls >= LIMIT) full.push(window);
  });
  const inFull = served.filter(({ endedAtMs }) => full.includes(windowOf(endedAtMs)));
  const each = hands.map((_, agent) => inFull.filter((call) => call.agent === agent).length);
  return {
    name,
    calls: seen.done.length,
    served: served.length,
    refused: seen.refused,
    refusedByRouter,
    failed: seen.failed,
    throughput: inFull.length / (full.length * LIMIT),
    waitP50Ms: at(waits, 0.5),
    waitP95Ms: at(waits, 0.95),
    leastShare: Math.min(...each) / (inFull.length / hands.length),
    learned,
  };
}

function at(values: readonly number[], share: number): number {
  return Math.round(values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? 0);
}

function times(several: Row, one: Row): string {
  const ratio = (several.refusedByRouter / one.refusedByRouter).toFixed(2);
  return `429s by the router: ${ratio} times as many with several tokens as with one.`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function tableOf(rows: readonly Row[]): string {
  const head = [
    'agents',
    'calls',
    'served',
    '429s seen',
    '429s by router',
    'of the limit',
    'wait p50, p95',
    'least share',
  ];
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  const lines = rows.map((row) => [
    row.name,
    String(row.calls),
    String(row.served),
    String(row.refused),
    String(row.refusedByRouter),
    percent(row.throughput),
    `${seconds(row.waitP50Ms)}, ${seconds(row.waitP95Ms)}`,
    row.leastShare.toFixed(2),
  ]);
  const { afterTwoWindows, atTheEnd } = rows.at(-1)?.learned ?? { afterTwoWindows: null, atTheEnd: null };
  const table = [head, head.map(() => '-'), ...lines].map((row) => `| ${row.join(' | ')} |`).join('\n');
  return `${table}\n\nLimit ${LIMIT}; learned: ${afterTwoWindows} two windows after it was first met, ${atTheEnd} at the end.`;
}
