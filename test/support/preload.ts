// Loaded before each test file by `npm test`. A file passes without it too, and only takes longer.
import hooks from 'node:async_hooks';
import { existsSync, mkdirSync, readdirSync, readlinkSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { isMainThread } from 'node:worker_threads';

const MEMORY = '/dev/shm';
const ENOUGH_BYTES = 2 << 30;

if (isMainThread) {
  useMemory();
  await spareHooks();
}

/**
 * Puts the temporary folders of the tests into memory where the system offers enough of it: ledgers wait for the disk
 * after each decision, and no test is about a power cut. The runner's process does it for those of all files.
 */
function useMemory(): void {
  if (process.env['TMPDIR']?.startsWith(MEMORY) || !existsSync(MEMORY)) return;
  // A pid says whose a folder is only to processes that see the same pids. Short: tests print paths into 80 columns.
  const ours = `upsh-${Number(readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '')).toString(36)}-`;
  removeLeft(ours);
  const { bavail, bsize } = statfsSync(MEMORY);
  if (bavail * bsize < ENOUGH_BYTES) return;
  const folder = join(MEMORY, `${ours}${process.pid.toString(36)}`);
  mkdirSync(folder, { mode: 0o700 });
  process.env['TMPDIR'] = folder;
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
}

/** Removes the folders of processes that were killed. If a pid is in use again, its folder stays for now. */
function removeLeft(ours: string): void {
  for (const name of readdirSync(MEMORY).filter((one) => one.startsWith(ours))) {
    const pid = Number.parseInt(name.slice(ours.length), 36);
    if (pid !== process.pid && isAlive(pid)) continue;
    try {
      rmSync(join(MEMORY, name), { recursive: true, force: true });
    } catch {
      // It is another user's.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/**
 * Keeps the runner from following every promise to the test that made it, which takes a fifth of the processor time of
 * a file full of them. The runner uses it only to find the test that an uncaught error belongs to. Without it the test
 * could wait for ever, so that such an error ends the file.
 */
async function spareHooks(): Promise<void> {
  const { createHook } = hooks;
  const idle: hooks.AsyncHook = { enable: () => idle, disable: () => idle };
  hooks.createHook = () => idle;
  await import('node:test');
  hooks.createHook = createHook;
  process.on('uncaughtException', endFile).on('unhandledRejection', endFile);
}

function endFile(error: unknown): never {
  process.stderr.write(`nobody caught this: ${inspect(error)}\n`);
  process.exit(1);
}
