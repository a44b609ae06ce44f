import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import test from 'node:test';
import { atEnd } from './ending.ts';
import { exitOf } from './processes.ts';

const PRELOAD = new URL('./preload.ts', import.meta.url).href;

/** A process that has loaded what each test file loads first, and lives until it is killed. */
async function startLoaded(t: TestContext) {
  const { TMPDIR: _, ...env } = process.env;
  const script = 'console.log(process.env.TMPDIR ?? ""); setInterval(() => {}, 1000);';
  const child = spawn(process.execPath, ['--import', PRELOAD, '--eval', script], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const kill = async () => {
    child.kill('SIGKILL');
    await exitOf(child);
  };
  atEnd(t, kill);
  const [folder] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { folder, kill };
}

test('the temporary folder of a process that was killed goes when the next begins, and no other does', async (t) => {
  const dead = await startLoaded(t);
  if (!dead.folder.startsWith('/dev/shm/')) return t.skip('no memory for temporary folders');
  const alive = await startLoaded(t);
  assert.ok(existsSync(dead.folder));
  await dead.kill();
  await startLoaded(t);
  assert.deepEqual([existsSync(dead.folder), existsSync(alive.folder)], [false, true]);
});
