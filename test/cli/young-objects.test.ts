import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ENTRY = fileURLToPath(new URL('../../src/cli/upshift.js', import.meta.url));
const SAY = 'data:text/javascript,process.stderr.write(`flags ${process.execArgv.join(" ")}\\n`)';

/** The flags of Node of each process image that a command runs in, one after the other. */
function flagsOf(flags: readonly string[], words: readonly string[], options = ''): string[] {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const { status, stderr } = spawnSync(process.execPath, [...flags, '--import', SAY, ENTRY, ...words], {
    env: { ...env, NODE_OPTIONS: options },
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stderr, /Warning/);
  return [...stderr.matchAll(/^flags (.*)$/gm)].map(([, said = '']) => said);
}

test('a daemon gets room for young objects, in the process that was started', () => {
  const [before, after, ...more] = flagsOf([], ['start', '--help']);
  assert.deepEqual(more, []);
  assert.doesNotMatch(String(before), /semi-space/);
  assert.match(String(after), /^--min-semi-space-size=32 --max-semi-space-size=32 --import /);
});

test('what the user says of that room holds, and other commands get none', () => {
  const own = '--max-semi-space-size=8';
  assert.equal(flagsOf([own], ['start', '--help']).length, 1);
  assert.equal(flagsOf([], ['start', '--help'], own).length, 1);
  assert.equal(flagsOf([], ['--version']).length, 1);
});

test('a daemon starts without it if Node may not replace its process', () => {
  const may = ['--permission', '--allow-fs-read=*', '--allow-fs-write=*', '--allow-addons', '--allow-worker'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...may, ENTRY, 'start', '--help'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^upshift start/);
});
