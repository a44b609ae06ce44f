import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const ENTRY = fileURLToPath(new URL('../../src/cli/upshift.js', import.meta.url));

function homeOf(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'upshift-home-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

/** How many entries the cache in a home folder has. */
function entriesIn(home: string): number {
  const cache = join(home, '.cache', 'upshift');
  return existsSync(cache) ? readdirSync(cache).length : 0;
}

/** Runs a command whose user has this home folder. */
function run(home: string): void {
  const { NODE_COMPILE_CACHE: _cache, XDG_CACHE_HOME: _folder, ...env } = process.env;
  const out = execFileSync(process.execPath, [ENTRY, '--version'], { env: { ...env, HOME: home }, encoding: 'utf8' });
  assert.match(out, /^\d+\.\d+\.\d+/);
}

test('what was compiled is kept in a folder that only its user can write', (t) => {
  const home = homeOf(t);
  run(home);
  assert.ok(entriesIn(home) > 0);
  assert.equal(statSync(join(home, '.cache', 'upshift')).mode & 0o777, 0o700);
});

test('nothing is kept or run from where another user could have written', (t) => {
  const plants: readonly ((home: string, cache: string) => void)[] = [
    (home) => chmodSync(home, 0o777),
    (home) => chmodSync(join(home, '.cache'), 0o770),
    (_, cache) => {
      mkdirSync(cache);
      chmodSync(cache, 0o777);
    },
    (home, cache) => symlinkSync(home, cache),
    ...(process.geteuid?.() === 0 ? [(home: string) => chownSync(home, 65_534, 65_534)] : []),
  ];
  for (const plant of plants) {
    const home = homeOf(t);
    mkdirSync(join(home, '.cache'), { mode: 0o700 });
    plant(home, join(home, '.cache', 'upshift'));
    const before = entriesIn(home);
    run(home);
    assert.equal(entriesIn(home), before, String(plant));
  }
});
