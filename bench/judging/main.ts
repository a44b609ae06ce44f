import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { broken, isBounded } from './bounds.ts';
import { cellOf } from './cells.ts';
import type { Cell } from './cells.ts';
import type { Ending } from './contest.ts';
import { CONTESTANTS } from './contestants.ts';
import { DISCLAIMER, markdown } from './report.ts';
import { MADE_SCENES, recordedScenes } from './scenes.ts';
import type { Scene } from './scenes.ts';
import type { Done, Job, Settings } from './worker.ts';

const HELP = `Usage: npm run bench:judging -- [options]

  --traces N   traces for each cell (default 1000; 20 with --short)
  --only TEXT  only cells whose "world/truth" contains TEXT, e.g. calm/ or /dead; may be repeated
  --form       only cells about the form of answers
  --seed N     default 1
  --data DIR   recordings of real servers (default ../shared/data); without them, made-up worlds only
  --out DIR    also write judging.md and judging.json there
  --json       print one line of JSON instead of the tables
  --short      a few traces of the cells that have bounds; exits with 1 where our judge is beyond one
`;

const JUDGES = CONTESTANTS.map(({ name }) => name);

const { values: options } = parseArgs({
  options: {
    traces: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    form: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    data: { type: 'string', default: '../shared/data' },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** Everything that has come back so far. */
class Results {
  /** By scene, by contestant. */
  readonly #endings = new Map<number, Ending[][]>();
  readonly #ms = JUDGES.map(() => 0);
  traces = 0;

  add({ job, endings, ms }: Done): void {
    job.scenes.forEach((index, s) => {
      const scene = this.#endings.get(index) ?? JUDGES.map(() => []);
      this.#endings.set(index, scene);
      endings[s]?.forEach((ending, c) => {
        if (ending !== null) scene[c]?.push(ending);
      });
    });
    ms.forEach((more, c) => (this.#ms[c] = (this.#ms[c] ?? 0) + more));
    this.traces += job.scenes.length;
  }

  cells(): readonly Cell[] {
    return [...this.#endings]
      .sort(([a], [b]) => a - b)
      .flatMap(([index, endings]) => {
        const { world, truth, right } = scenes[index] as Scene;
        return JUDGES.flatMap((judge, c) => {
          const own = endings[c] ?? [];
          return own.length === 0 ? [] : [cellOf({ judge, world, truth, right }, own)];
        });
      });
  }

  /** Mean time of each judge for one trace, ms; whoever walks a trace first also makes it. */
  msPerTrace(): Readonly<Record<string, number>> {
    const entries = JUDGES.map((judge, c) => [judge, Math.round((10 * (this.#ms[c] ?? 0)) / this.traces) / 10]);
    return Object.fromEntries(entries) as Record<string, number>;
  }
}

const startedAt = Date.now();
let toldAt = startedAt;
const results = new Results();
const recorded = recordedScenes(options.data);
const scenes = [...MADE_SCENES, ...(recorded ?? [])];

if (options.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  const traces = Number(options.traces ?? (options.short ? 20 : 1_000));
  const seed = Number(options.seed);
  if (!Number.isInteger(traces) || traces < 1 || !Number.isInteger(seed)) {
    throw new Error(`expected whole numbers, got --traces ${options.traces} --seed ${options.seed}`);
  }
  if (recorded === null && !options.short) {
    process.stderr.write(`No recordings of real servers in ${options.data}: made-up worlds only.\n`);
  }
  const jobs = jobsOf(traces);
  if (jobs.length === 0) throw new Error(`no cell matches --only ${options.only.join(' --only ')}`);
  process.once('SIGINT', () => {
    show(true);
    process.exit(130);
  });
  await runAll(jobs, { seed, folder: options.data });
  show(false);
  const failures = options.short ? broken(results.cells()) : [];
  for (const failure of failures) process.stderr.write(`${failure}\n`);
  if (failures.length > 0) process.exitCode = 1;
}

/** Every cell's first trace, then every cell's second, and so on: an early stop shows something of each. */
function jobsOf(traces: number): Job[] {
  const wanted = [...scenes.keys()].filter((index) => isWanted(scenes[index] as Scene));
  const worlds = Map.groupBy(wanted, (index) => scenes[index]?.world);
  return Array.from({ length: traces }, (_, trace) =>
    [...worlds.values()].map((own) => ({ scenes: own, trace })),
  ).flat();
}

function isWanted({ world, truth, isOfForm }: Scene): boolean {
  if (options.short) return isBounded(world, truth);
  if (options.form && !isOfForm) return false;
  return options.only.length === 0 || options.only.some((text) => `${world}/${truth}`.includes(text));
}

/** Works through the jobs on every core. */
async function runAll(jobs: Job[], settings: Settings): Promise<void> {
  const total = jobs.reduce((sum, job) => sum + job.scenes.length, 0);
  const waiting = jobs.toReversed();
  await Promise.all(
    Array.from({ length: Math.min(availableParallelism(), jobs.length) }, async () => {
      const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData: settings });
      await new Promise<void>((resolve, reject) => {
        const next = (): void => {
          const job = waiting.pop();
          if (job === undefined) resolve();
          else worker.postMessage(job);
        };
        worker.on('error', reject);
        worker.on('message', (done: Done) => {
          results.add(done);
          progress(total);
          next();
        });
        next();
      });
      await worker.terminate();
    }),
  );
  if (process.stderr.isTTY) process.stderr.write('\n');
}

function progress(total: number): void {
  const now = Date.now();
  if (now - toldAt < (process.stderr.isTTY ? 500 : 15_000)) return;
  toldAt = now;
  const leftS = Math.round((((now - startedAt) / results.traces) * (total - results.traces)) / 1_000);
  const line = `${results.traces} of ${total} traces, about ${Math.floor(leftS / 60)} min ${leftS % 60} s left`;
  process.stderr.write(process.stderr.isTTY ? `\r${line}   ` : `${line}\n`);
}

function show(isCutShort: boolean): void {
  const cells = results.cells();
  const seconds = Math.round((Date.now() - startedAt) / 1_000);
  const facts = { seed: Number(options.seed), seconds, isCutShort, msPerTrace: results.msPerTrace(), note: DISCLAIMER };
  const text = markdown(cells, JUDGES);
  if (options.out !== undefined) {
    mkdirSync(options.out, { recursive: true });
    writeFileSync(join(options.out, 'judging.md'), `${text}\n`);
    writeFileSync(join(options.out, 'judging.json'), `${JSON.stringify({ ...facts, cells }, null, 1)}\n`);
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ ...facts, cells })}\n`);
  else process.stdout.write(`${text}\n\n${results.traces} traces in ${seconds} s, seed ${facts.seed}.\n`);
}
