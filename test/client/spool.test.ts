import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { Spool } from '../../src/client/spool.ts';
import { eventually } from '../support/waiting.ts';
import { linesOf } from './rig.ts';

function pathFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-spool-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'deep', 'outcomes.jsonl');
}

const line = (n: number) => JSON.stringify({ n });
const numbers = (lines: readonly string[]) => lines.map((each) => (JSON.parse(each) as { n: number }).n);

test('keeps added lines in a file that only its owner can read, and removes reported lines', async (t) => {
  const path = pathFor(t);
  const spool = new Spool(path, 100);
  for (let n = 0; n < 5; n++) spool.add(line(n));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const batch = await new Spool(path, 100).read(3);
  assert.deepEqual([numbers(batch.lines), batch.dropped], [[0, 1, 2], 0]);
  spool.add(line(5));
  await spool.remove(batch);
  assert.deepEqual(numbers((await spool.read(10)).lines), [3, 4, 5]);
});

test('drops the oldest lines beyond its limit, and counts them until the count is reported', async (t) => {
  const path = pathFor(t);
  const spool = new Spool(path, 20);
  for (let n = 0; n < 25; n++) {
    spool.add(line(n));
    assert.ok(linesOf(path).filter((each) => each.includes('"n"')).length <= 20);
  }
  const batch = await new Spool(path, 20).read(100);
  assert.equal(batch.dropped + batch.lines.length, 25);
  assert.deepEqual(
    numbers(batch.lines),
    Array.from({ length: batch.lines.length }, (_, n) => n + batch.dropped),
  );
  assert.ok(batch.dropped >= 5 && batch.dropped <= 6);
  spool.add(line(25));
  await spool.remove(batch);
  assert.deepEqual(await spool.read(100), { lines: [line(25)], dropped: 0 });
});

test('keeps lines in memory, within the same limit, if the file cannot be written', async (t) => {
  const path = pathFor(t);
  mkdirSync(path, { recursive: true });
  const spool = new Spool(path, 10);
  for (let n = 0; n < 12; n++) spool.add(line(n));
  const batch = await spool.read(100);
  assert.deepEqual([numbers(batch.lines).at(-1), batch.lines.length + batch.dropped], [11, 12]);
  await spool.remove(batch);
  assert.deepEqual(await spool.read(100), { lines: [], dropped: 0 });
  assert.deepEqual(await new Spool(null, 10).read(10), { lines: [], dropped: 0 });
});

test('writes nothing where another user could read or replace it, and follows no link', async (t) => {
  const elsewhere = pathFor(t);
  mkdirSync(dirname(elsewhere), { recursive: true });
  writeFileSync(elsewhere, '');
  const plants: readonly ((path: string) => void)[] = [
    (path) => symlinkSync(elsewhere, path),
    (path) => linkSync(elsewhere, path),
    (path) => mkdirSync(path),
    (path) => chmodSync(dirname(path), 0o777),
    (path) => chmodSync(dirname(path), 0o770),
    ...(process.geteuid?.() === 0
      ? [
          (path: string) => chownSync(dirname(path), 65_534, 65_534),
          (path: string) => {
            writeFileSync(path, '');
            chownSync(path, 65_534, 65_534);
          },
        ]
      : []),
  ];
  for (const plant of plants) {
    const path = pathFor(t);
    mkdirSync(dirname(path), { mode: 0o700 });
    plant(path);
    const spool = new Spool(path, 100);
    spool.add(line(1));
    assert.equal(readFileSync(elsewhere, 'utf8'), '');
    assert.deepEqual(numbers((await spool.read(10)).lines), [1]);
    assert.ok(!existsSync(path) || !statSync(path).isFile() || statSync(path).size === 0);
  }
});

test('waits for another program that holds the lock, but not for a dead one', async (t) => {
  const path = pathFor(t);
  const spool = new Spool(path, 10);
  spool.add(line(0));
  writeFileSync(`${path}.lock`, '');
  spool.add(line(1));
  assert.equal(readFileSync(path, 'utf8'), `${line(0)}\n`);
  const longAgo = Date.now() / 1_000 - 60;
  utimesSync(`${path}.lock`, longAgo, longAgo);
  await eventually('the line', () => linesOf(path).length === 2);
});

test('programs that share a file lose no lines of each other', async (t) => {
  const path = pathFor(t);
  const module = JSON.stringify(join(import.meta.dirname, '../../src/client/spool.ts'));
  const program = `
    const { Spool } = await import(${module});
    const spool = new Spool(${JSON.stringify(path)}, 1_000);
    for (let n = 0; n < 60; n++) {
      spool.add(JSON.stringify({ n: Number(process.argv[1]) * 1_000 + n }));
      if (n % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }`;
  const children = [1, 2, 3].map((id) =>
    spawn(process.execPath, ['--input-type=module', '-e', program, `${id}`], { stdio: 'inherit' }),
  );
  const own = new Spool(path, 1_000);
  const taken = new Set<string>();
  while (children.some((child) => child.exitCode === null)) {
    const batch = await own.read(20);
    for (const each of batch.lines) taken.add(each);
    await own.remove(batch);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  for (const each of (await own.read(1_000)).lines) taken.add(each);
  assert.equal(taken.size, 180);
});
