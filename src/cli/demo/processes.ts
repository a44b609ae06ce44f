import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { AppError } from '../../core/errors.ts';

const ENTRY = new URL('../upshift.js', import.meta.url).pathname;

/** A child process that has reported its address. */
export interface Running<T> {
  readonly child: ChildProcess;
  /** The JSON line with which it reported its address. */
  readonly announced: T;
  /** Ends the process and waits; kills it if it does not end within `patienceMs`. */
  stop(patienceMs?: number): Promise<void>;
}

/** Starts `upshift <args> --json` as a separate process and waits for its first line. Its log goes to a file. */
export async function startUpshift<T>(args: string[], env: NodeJS.ProcessEnv, logPath: string): Promise<Running<T>> {
  const child = spawn(process.execPath, [ENTRY, ...args, '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    // It gets its own process group, so that Ctrl-C reaches only the demo, which then stops its children in order.
    detached: true,
  });
  let tail = '';
  const log = createWriteStream(logPath);
  child.stderr.on('data', (chunk: Buffer) => (tail = (tail + chunk.toString()).slice(-2_000)));
  child.stderr.pipe(log);
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([
    once(lines, 'line').then(([line]) => line as string),
    once(child, 'exit').then(() => null),
  ]);
  if (first === null) {
    throw new AppError('internal', `upshift ${args[0]} ended before it was ready: ${tail.trim()}`, {
      hint: `its log is ${logPath}`,
    });
  }
  return { child, announced: JSON.parse(first) as T, stop: (patienceMs = 40_000) => stop(child, patienceMs) };
}

async function stop(child: ChildProcess, patienceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  await gone;
  clearTimeout(timer);
}
