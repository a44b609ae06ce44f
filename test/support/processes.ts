import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { atEnd } from './ending.ts';

const ENTRY = fileURLToPath(new URL('../../src/cli/upshift.js', import.meta.url));
const HOLDER = fileURLToPath(new URL('./hold-lock.ts', import.meta.url));

/** A daemon in a process of its own. */
export interface DaemonProcess {
  readonly child: ChildProcess;
  readonly gateway: string;
  readonly admin: string;
  /** What it has written to standard error. */
  stderr(): string;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for the exit code. */
  stop(): Promise<number | null>;
}

export interface DaemonWish {
  readonly env: NodeJS.ProcessEnv;
  readonly dbPath: string;
  readonly policyPath: string;
  readonly port?: number;
  readonly adminPort?: number;
  /** Where the gateway listens; 127.0.0.1 by default. */
  readonly host?: string;
  /** Further words of the command line. */
  readonly more?: readonly string[];
  /** A command that runs another one as somebody else. */
  readonly as?: readonly string[];
}

/** Starts `upshift start` and waits until it serves. Killed after the test, however that ends. */
export async function startDaemon(t: TestContext, wish: DaemonWish): Promise<DaemonProcess> {
  const { env, dbPath, policyPath, port = 0, adminPort = 0, host = '127.0.0.1', more = [], as } = wish;
  const args = ['start', '--db', dbPath, '--policy', policyPath, '--port', `${port}`, '--admin-port', `${adminPort}`];
  const child = launch(t, [ENTRY, ...args, '--host', host, '--json', ...more], env, as);
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const line = await firstLine(child);
  if (line === null) throw new Error(`the daemon ended before it served: ${stderr}`);
  const { gateway, admin } = JSON.parse(line) as { gateway: string; admin: string };
  return {
    child,
    gateway,
    admin,
    stderr: () => stderr,
    kill: async () => {
      child.kill('SIGKILL');
      await exitOf(child);
    },
    stop: () => {
      child.kill('SIGTERM');
      return exitOf(child);
    },
  };
}

/** A simulation in a process of its own. */
export interface SimulationProcess {
  /** What points a daemon at it. */
  readonly env: NodeJS.ProcessEnv;
  readonly url: string;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
}

/** Starts `upshift simulate` on a state file and waits until it listens. Killed after the test, however that ends. */
export async function startSimulationProcess(
  t: TestContext,
  wish: { readonly statePath: string; readonly port: number; readonly scale: number },
): Promise<SimulationProcess> {
  const words = ['simulate', '--state', wish.statePath, '--port', `${wish.port}`, '--scale', `${wish.scale}`, '--json'];
  const child = launch(t, [ENTRY, ...words], process.env);
  const line = await firstLine(child);
  if (line === null) throw new Error('the simulation ended before it listened');
  const { url, env } = JSON.parse(line) as { url: string; env: Record<string, string> };
  return {
    url,
    env: { ...process.env, ...env },
    kill: async () => {
      child.kill('SIGKILL');
      await exitOf(child);
    },
  };
}

/** How one command line ended. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `upshift` with these words to its end. `as`: a command that runs another one as somebody else. */
export async function runUpshift(
  t: TestContext,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
  as?: readonly string[],
): Promise<Ran> {
  const child = launch(t, [ENTRY, ...words], env, as);
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

/** Has another process hold a write transaction on a ledger; resolves when it does, and gives how to end it. */
export async function holdLock(t: TestContext, dbPath: string): Promise<{ release(): Promise<void> }> {
  const child = launch(t, [HOLDER, dbPath], process.env);
  if ((await firstLine(child)) !== 'held') throw new Error('the lock could not be taken');
  return {
    release: async () => {
      child.kill('SIGKILL');
      await exitOf(child);
    },
  };
}

/** The exit code, also of a process that is gone already; null where a signal ended it. */
export async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

function launch(
  t: TestContext,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  as: readonly string[] = [],
): ChildProcess {
  const [command = '', ...words] = [...as, process.execPath, ...args];
  const child = spawn(command, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = () => child.kill('SIGKILL');
  // The runner ends a file that takes too long without running what stands in `after`.
  const endAll = () => process.exit(1);
  process.once('exit', end).once('SIGTERM', endAll);
  child.once('exit', () => process.off('exit', end).off('SIGTERM', endAll));
  atEnd(t, async () => {
    end();
    await exitOf(child);
  });
  return child;
}

async function firstLine(child: ChildProcess): Promise<string | null> {
  if (child.stdout === null) return null;
  const lines = createInterface({ input: child.stdout });
  return Promise.race([once(lines, 'line').then(([line]) => line as string), once(child, 'close').then(() => null)]);
}
