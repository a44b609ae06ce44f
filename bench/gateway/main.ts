import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startBare, startChild, startUpshift } from './proxy.ts';
import type { Proxy } from './proxy.ts';

const HELP = `Usage: npm run bench:gateway -- [options]

\`upshift start\` with policies/default.yaml against a bare proxy of node:http and undici, under the same loads.
Ratios: 1 is as good. Needs Linux.

  --rounds N   rounds of new processes (default 5)
  --seconds N  how long each proxy is measured under each load, in each round (default 3)
  --against F  measure the checkout in folder F in the same rounds too
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
  readonly proxy: string;
  readonly perSecond: number;
  readonly cpuUs: number;
  /** Against the bare proxy: 1 is as good. */
  readonly perSecondRatio: number;
  readonly cpuRatio: number;
}

/** What is measured. */
interface Wish {
  readonly loads: typeof LOADS;
  /** How long each proxy is measured under each load in a round. */
  readonly ms: number;
  /** The checkouts of upshift. */
  readonly folders: readonly (string | undefined)[];
}

const CONNECTIONS = 64;
const SLICE_MS = 500;
/** So long V8 goes on to compile what the first calls run. */
const WARM_UP_MS = 10_000;
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

async function answer<T>(child: ChildProcess, message?: object): Promise<T> {
  const reply = once(child, 'message') as Promise<[T]>;
  if (message !== undefined) child.send(message);
  return (await reply)[0];
}

/** What one proxy did in one slice of time. */
interface Slice {
  readonly requests: number;
  readonly elapsedMs: number;
  readonly cpuUs: number;
}

async function measure(load: ChildProcess, proxy: Proxy, body: string, ms: number): Promise<Slice> {
  const before = proxy.cpuUs();
  const order = { port: proxy.port, connections: CONNECTIONS, ms, body };
  const done = await answer<{ requests: number; failures: number; elapsedMs: number }>(load, order);
  if (done.failures > 0) throw new Error(`${done.failures} of ${done.requests} requests failed`);
  return { requests: done.requests, elapsedMs: done.elapsedMs, cpuUs: proxy.cpuUs() - before };
}

/**
 * One round. All proxies are new processes, because two processes of the same program can differ by a tenth for as
 * long as they run. They are measured in turns of half a second, so that other work of the machine affects all alike.
 */
async function takeRound(load: ChildProcess, upstream: string, wish: Wish): Promise<Map<string, Round[]>> {
  const proxies: Proxy[] = [await startBare(upstream, PROXIES_CORE)];
  try {
    for (const folder of wish.folders) proxies.push(await startUpshift(upstream, PROXIES_CORE, folder));
    const round = new Map<string, Round[]>();
    for (const { name, body } of wish.loads) {
      for (const proxy of proxies) await measure(load, proxy, body, WARM_UP_MS);
      const slices = proxies.map((): Slice[] => []);
      for (let turn = 0; turn < Math.max(1, Math.round(wish.ms / SLICE_MS)); turn++) {
        const order = [...proxies.keys()];
        for (const which of turn % 2 === 0 ? order : order.toReversed()) {
          slices[which]?.push(await measure(load, proxies[which] as Proxy, body, SLICE_MS));
        }
      }
      round.set(name, slices.map(roundOf));
    }
    return round;
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.end()));
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

/** `rounds`: of each round what each proxy did, the bare one first. */
function summarise(load: string, names: readonly string[], rounds: readonly Round[][]): Result[] {
  return names.map((proxy, which) => {
    const of = (pick: (round: Round, bare: Round) => number) =>
      median(rounds.map((round) => pick(round[which] as Round, round[0] as Round)));
    // Each round has all proxies side by side, so that the median of the rounds' ratios is least affected by noise.
    const ratio = (pick: (round: Round, bare: Round) => number) => Math.round(of(pick) * 1000) / 1000;
    return {
      load,
      proxy,
      perSecond: Math.round(of((round) => round.perSecond)),
      cpuUs: Math.round(of((round) => round.cpuUs) * 10) / 10,
      perSecondRatio: ratio((round, bare) => round.perSecond / bare.perSecond),
      cpuRatio: ratio((round, bare) => bare.cpuUs / round.cpuUs),
    };
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      only: { type: 'string' },
      against: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const count = Number(values.rounds);
  const { only, against } = values;
  const wish: Wish = {
    loads: LOADS.filter(({ name }) => only === undefined || only === name),
    ms: Number(values.seconds) * 1000,
    folders: against === undefined ? [undefined] : [undefined, resolve(against)],
  };
  const names = ['bare', 'upshift', ...(against === undefined ? [] : [against])];
  const clients = ['./upstream.ts', './load.ts'].map((file) => startChild(file, CLIENTS_CORE));
  const [upstream, load] = clients as [ChildProcess, ChildProcess];
  try {
    const { port } = await answer<{ port: number }>(upstream);
    const rounds: Map<string, Round[]>[] = [];
    for (let i = 0; i < count; i++) rounds.push(await takeRound(load, `http://127.0.0.1:${port}`, wish));
    const results = wish.loads.flatMap(({ name }) => {
      const taken = rounds.map((round) => round.get(name) as Round[]);
      return summarise(name, names, taken);
    });
    print(results, values.json, { rounds: count, connections: CONNECTIONS });
  } finally {
    for (const client of clients) client.disconnect();
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
    results.map(({ load, proxy, perSecond, cpuUs, perSecondRatio, cpuRatio }) => ({
      load,
      proxy,
      'calls/s': perSecond,
      ratio: perSecondRatio,
      'us/call': cpuUs,
      'us ratio': cpuRatio,
    })),
  );
}

await main();
