import { fork, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A proxy in a process of its own. */
export interface Proxy {
  readonly port: number;
  /** The processor time that all its threads have used, in microseconds. */
  cpuUs(): number;
  end(): Promise<void>;
}

/** The bare proxy. */
export async function startBare(upstream: string, core: string): Promise<Proxy> {
  const child = startChild('./bare.ts', core, [upstream]);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return proxyOf(child, port, () => undefined);
}

/**
 * `upshift start` with policies/default.yaml, as a user types it, with a new ledger. `folder`: the checkout that is
 * started.
 */
export async function startUpshift(upstream: string, core: string, folder = ROOT): Promise<Proxy> {
  const base = mkdtempSync(join(tmpdir(), 'upshift-bench-'));
  const files = ['--policy', join(folder, 'policies/default.yaml'), '--db', join(base, 'bench.db')];
  const words = ['start', ...files, '--port', '0', '--admin-port', '0', '--json'];
  const urls = { UPSHIFT_ROUTER_URL: upstream, UPSHIFT_ENDPOINTS_URL: upstream, HF_ENDPOINT: upstream };
  const child = spawn(process.execPath, [...profileOf('upshift'), join(folder, 'src/cli/upshift.js'), ...words], {
    env: { ...process.env, HF_TOKEN: 'hf_bench', ...urls },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  bind(child, core);
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-10_000)));
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => null)]);
  if (line === null) throw new Error(`upshift ended before it served: ${log}`);
  const { gateway } = JSON.parse(line[0] as string) as { gateway: string };
  return proxyOf(child, Number(new URL(gateway).port), () => rmSync(base, { recursive: true, force: true }));
}

/** Starts a file of this folder as a process that ends with this one. */
export function startChild(file: string, core: string, words: string[] = []): ChildProcess {
  const execArgv = profileOf(file.slice(2, -3));
  const child = fork(new URL(file, import.meta.url), words, {
    execArgv,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  bind(child, core);
  return child;
}

function proxyOf(child: ChildProcess, port: number, ended: () => void): Proxy {
  return {
    port,
    cpuUs: () => cpuUsOf(child.pid as number),
    end: async () => {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      ended();
    },
  };
}

/** PROFILE=folder writes processor profiles of each process there. */
function profileOf(name: string): string[] {
  const { PROFILE } = process.env;
  return PROFILE === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${PROFILE}/${name}`];
}

/** Binds a process to one core if the system can do that, because otherwise the processes disturb each other. */
function bind(child: ChildProcess, core: string): void {
  if (cpus().length > 1) spawnSync('taskset', ['-acp', core, String(child.pid)], { stdio: 'ignore' });
}

/** Linux, Documentation/scheduler/sched-stats: the first field is the time on the processor in nanoseconds. */
function cpuUsOf(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).reduce((sum, task) => {
    const [ns = '0'] = readFileSync(join(tasks, task, 'schedstat'), 'utf8').split(' ');
    return sum + Number(ns) / 1000;
  }, 0);
}
