import { fork, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';

const HELP = `Usage: npm run bench:gateway -- [options]

The whole gateway with its ledger against a bare proxy of node:http and undici, under the same loads. 1 is as good.

  --rounds N   rounds of new processes (default 5)
  --seconds N  how long each proxy is measured under each load, in each round (default 3)
  --only NAME  only the load of this name, as the table prints it
  --json       one line of JSON instead of the table
`;

/** One round of one proxy under one load. */
interface Round {
  readonly perSecond: number;
  readonly cpuUs: number;
}

interface Result {
  readonly load: string;
  readonly bare: Round;
  readonly gateway: Round;
  /** The gateway against the bare proxy: 1 is as good. */
  readonly perSecondRatio: number;
  readonly cpuRatio: number;
}

const CONNECTIONS = 64;
const SLICE_MS = 500;
const WARM_UP_MS = 1000;
const CLIENTS_CORE = '0';
const PROXIES_CORE = '1';

const LOADS: readonly { name: string; body: string }[] = [
  { name: '300 B', body: bodyOf(300, false) },
  { name: '32 KB', body: bodyOf(32 * 1024, false) },
  { name: 'SSE', body: bodyOf(300, true) },
];

/** A chat of turns, as agents send them: prose with line ends and quotes, the oldest turn first. */
function bodyOf(bytes: number, isStream: boolean): string {
  const turn =
    'The build fails in its second step. I read the log from the start, and the first line that says "error" is this:\n' +
    '  const mean = total / values.length;\n  return mean > limit ? mean : limit;\n' +
    'Before anything is changed, run the tests again and name those that fail, one line for each of them.\n';
  const head = isStream ? { stream: true } : {};
  const messages = [{ role: 'system', content: 'You are a careful agent.' }];
  const make = () => JSON.stringify({ ...head, model: 'acme/tiny', messages, max_tokens: 256, temperature: 0.7 });
  while (make().length < bytes) {
    const missing = bytes - make().length - 40;
    const content = turn.repeat(20).slice(0, Math.max(1, Math.min(1500, missing)));
    messages.push({ role: messages.length % 2 === 1 ? 'user' : 'assistant', content });
  }
  return make();
}

/**
 * Starts a process, bound to one core if the system can do that, because otherwise the processes disturb each other.
 */
function start(file: string, core: string): ChildProcess {
  // PROFILE=folder writes processor profiles of each process there.
  const { PROFILE } = process.env;
  const execArgv = PROFILE === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${PROFILE}/${file.slice(2, -3)}`];
  const child = fork(new URL(file, import.meta.url), { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  if (cpus().length > 1) spawnSync('taskset', ['-acp', core, String(child.pid)], { stdio: 'ignore' });
  return child;
}

async function answer<T>(child: ChildProcess, message?: object): Promise<T> {
  const reply = once(child, 'message') as Promise<[T]>;
  if (message !== undefined) child.send(message);
  return (await reply)[0];
}

/** A proxy that listens. */
interface Proxy {
  readonly child: ChildProcess;
  readonly port: number;
}

/** What one proxy did in one slice of time. */
interface Slice {
  readonly requests: number;
  readonly elapsedMs: number;
  readonly cpuUs: number;
}

async function measure(load: ChildProcess, { child, port }: Proxy, body: string, ms: number): Promise<Slice> {
  const before = await answer<{ cpuUs: number }>(child, { ask: 'cpu' });
  const order = { port, connections: CONNECTIONS, ms, body };
  const done = await answer<{ requests: number; failures: number; elapsedMs: number }>(load, order);
  const after = await answer<{ cpuUs: number }>(child, { ask: 'cpu' });
  if (done.failures > 0) throw new Error(`${done.failures} of ${done.requests} requests failed`);
  return { requests: done.requests, elapsedMs: done.elapsedMs, cpuUs: after.cpuUs - before.cpuUs };
}

/**
 * One round. Both proxies are new processes, because two processes of the same program can differ by a tenth for as
 * long as they run. They are measured in turns of half a second, so that other work of the machine affects both alike.
 */
async function takeRound(
  load: ChildProcess,
  upstream: string,
  loads: typeof LOADS,
  ms: number,
): Promise<Map<string, readonly [Round, Round]>> {
  const children = ['./bare.ts', './whole.ts'].map((file) => start(file, PROXIES_CORE));
  try {
    const proxies: Proxy[] = [];
    for (const child of children) proxies.push({ child, ...(await answer<{ port: number }>(child, { upstream })) });
    const round = new Map<string, readonly [Round, Round]>();
    for (const { name, body } of loads) {
      for (const proxy of proxies) await measure(load, proxy, body, WARM_UP_MS);
      const slices: [Slice[], Slice[]] = [[], []];
      for (let turn = 0; turn < Math.max(1, Math.round(ms / SLICE_MS)); turn++) {
        for (const which of turn % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
          slices[which].push(await measure(load, proxies[which] as Proxy, body, SLICE_MS));
        }
      }
      round.set(name, [roundOf(slices[0]), roundOf(slices[1])]);
    }
    return round;
  } finally {
    for (const child of children) child.disconnect();
  }
}

function roundOf(slices: readonly Slice[]): Round {
  return {
    perSecond: median(slices.map((slice) => (slice.requests / slice.elapsedMs) * 1000)),
    cpuUs: median(slices.map((slice) => slice.cpuUs / slice.requests)),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

function summarise(load: string, bare: readonly Round[], gateway: readonly Round[]): Result {
  const of = (rounds: readonly Round[]) => ({
    perSecond: Math.round(median(rounds.map((round) => round.perSecond))),
    cpuUs: Math.round(median(rounds.map((round) => round.cpuUs)) * 10) / 10,
  });
  // Each round has both proxies side by side, so that the median of the rounds' ratios is least affected by noise.
  const ratio = (each: (bare: Round, gateway: Round) => number) =>
    Math.round(median(bare.map((round, i) => each(round, gateway[i] as Round))) * 1000) / 1000;
  return {
    load,
    bare: of(bare),
    gateway: of(gateway),
    perSecondRatio: ratio((b, g) => g.perSecond / b.perSecond),
    cpuRatio: ratio((b, g) => b.cpuUs / g.cpuUs),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      only: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const count = Number(values.rounds);
  const ms = Number(values.seconds) * 1000;
  const clients = ['./upstream.ts', './load.ts'].map((file) => start(file, CLIENTS_CORE));
  const [upstream, load] = clients as [ChildProcess, ChildProcess];
  try {
    const { port } = await answer<{ port: number }>(upstream);
    const chosen = LOADS.filter(({ name }) => values.only === undefined || values.only === name);
    const rounds: Map<string, readonly [Round, Round]>[] = [];
    for (let i = 0; i < count; i++) rounds.push(await takeRound(load, `http://127.0.0.1:${port}`, chosen, ms));
    const results = chosen.map(({ name }) => {
      const taken = rounds.map((round) => round.get(name) as readonly [Round, Round]);
      return summarise(
        name,
        taken.map(([bare]) => bare),
        taken.map(([, gateway]) => gateway),
      );
    });
    print(results, values.json, { rounds: count, connections: CONNECTIONS });
  } finally {
    for (const child of clients) child.disconnect();
  }
}

function print(results: readonly Result[], isJson: boolean, facts: { rounds: number; connections: number }): void {
  const machine = { cpus: cpus().length, memoryGb: Math.round(totalmem() / 2 ** 30), node: process.version };
  if (isJson) {
    console.log(JSON.stringify({ ...facts, ...machine, loads: results }));
    return;
  }
  console.log(
    `${machine.cpus} cores, ${machine.memoryGb} GB, Node ${machine.node}; ${facts.connections} connections, medians of ${facts.rounds} rounds. Ratios: 1 is as good as bare.`,
  );
  console.table(
    results.map(({ load, bare, gateway, perSecondRatio, cpuRatio }) => ({
      load,
      'bare/s': bare.perSecond,
      'gateway/s': gateway.perSecond,
      ratio: perSecondRatio,
      'bare us': bare.cpuUs,
      'gateway us': gateway.cpuUs,
      'us ratio': cpuRatio,
    })),
  );
}

await main();
