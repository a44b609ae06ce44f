import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { atEnd } from './ending.ts';

const ENTRY = fileURLToPath(new URL('../../src/cli/upshift.js', import.meta.url));

/** Another user of this machine. */
export interface Account {
  readonly name: string;
  /** What runs a command as this user, with all groups of theirs. */
  readonly as: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Whether a line for the shell succeeds when this user types it. */
  can(line: string): boolean;
}

/** Why this machine cannot have other users for a test; false if it can. */
export function whyNoAccounts(): string | false {
  if (process.geteuid?.() !== 0) return 'only root can make users';
  const needed = ['useradd', 'userdel', 'groupadd', 'groupdel', 'setpriv', 'id'];
  const missing = needed.filter((name) => !runs('sh', '-c', `command -v ${name}`));
  if (missing.length > 0) return `there is no ${missing.join(', ')}`;
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', 'test', '-r', ENTRY];
  return runs('setpriv', ...nobody) ? false : 'other users may not read this checkout';
}

/** Whether a program ends well. */
export function runs(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args).status === 0;
}

/** Makes a group that is gone after the test. */
export function makeGroup(t: TestContext): string {
  const name = newName();
  assert.ok(runs('groupadd', name));
  atEnd(t, () => void runs('groupdel', name));
  return name;
}

/** Makes a user that is gone after the test. */
export function makeAccount(t: TestContext, groups: readonly string[] = []): Account {
  const name = newName();
  const home = mkdtempSync(join(tmpdir(), 'upshift-home-'));
  assert.ok(runs('useradd', '--no-create-home', '--home-dir', home, '--groups', groups.join(','), name));
  atEnd(t, () => {
    runs('userdel', name);
    rmSync(home, { recursive: true, force: true });
  });
  assert.ok(runs('chown', name, home));
  openTo(home);
  const as = ['setpriv', `--reuid=${name}`, `--regid=${name}`, '--init-groups'];
  const { PATH, NODE_COMPILE_CACHE: _, ...rest } = process.env;
  const env = { ...rest, PATH, HOME: home, TMPDIR: home };
  const [setpriv = '', ...how] = as;
  return { name, as, env, can: (line) => spawnSync(setpriv, [...how, 'sh', '-c', line], { env }).status === 0 };
}

/** Lets everybody pass the folders above a path, as far as the tests have made them. */
export function openTo(path: string): void {
  for (let folder = dirname(path); folder.startsWith(tmpdir()); folder = dirname(folder)) chmodSync(folder, 0o711);
}

function newName(): string {
  return `upsh${randomBytes(4).toString('hex')}`;
}
