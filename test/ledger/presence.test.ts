import assert from 'node:assert/strict';
import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { AppError } from '../../src/core/errors.ts';
import { countCalls } from '../../src/ledger/journal/rollouts.ts';
import { acquireLock } from '../../src/ledger/lock.ts';
import { openForReading } from '../../src/ledger/open.ts';
import type { Ledger } from '../../src/ledger/open.ts';
import { makeCall, makeEntry, openFor, temporaryPath, until } from './rig.ts';

async function open(context: TestContext): Promise<{ path: string; ledger: Ledger }> {
  const path = temporaryPath(context);
  const ledger = await openFor(context, path);
  await ledger.journal.commit(makeEntry(1));
  return { path, ledger };
}

function record({ calls }: Ledger, n: number): Promise<void> {
  return new Promise((resolve) => calls.record(makeCall(n), resolve));
}

function read<T>(path: string, look: (db: ReturnType<typeof openForReading>) => T): T {
  const db = openForReading(path);
  try {
    return look(db);
  } finally {
    db.close();
  }
}

const decisions = (path: string) =>
  read(path, (db) => db.prepare<[], number>('SELECT count(*) FROM decisions').pluck().get());

/** What somebody does to the files of an open ledger, and what is said of it. */
const DONE: readonly (readonly [what: string, work: (path: string) => void, kind: string, said: RegExp])[] = [
  ['deletes the file', (path) => rmSync(path), 'ledger', /upshift\.db was deleted or moved/],
  ['moves the file away', (path) => renameSync(path, `${path}.old`), 'ledger', /upshift\.db was deleted or moved/],
  [
    'puts a copy in its place',
    (path) => {
      copyFileSync(path, `${path}.copy`);
      renameSync(`${path}.copy`, path);
    },
    'ledger',
    /upshift\.db was replaced by another file/,
  ],
  ['deletes the -wal', (path) => rmSync(`${path}-wal`), 'log', /upshift\.db-wal was deleted or moved/],
  ['deletes the -shm', (path) => rmSync(`${path}-shm`), 'log', /upshift\.db-shm was deleted or moved/],
];

describe('a ledger whose files change while it is open', () => {
  for (const [what, work, kind, said] of DONE) {
    it(`stores no decision once somebody ${what}, holds no answer up, and says so`, async (context) => {
      const { path, ledger } = await open(context);
      assert.equal(ledger.fault(), null);
      work(path);
      await assert.rejects(ledger.journal.commit(makeEntry(2)), (error: AppError) => {
        assert.equal(error.code, 'unavailable');
        assert.match(error.message, said);
        return true;
      });
      assert.equal(ledger.fault()?.kind, kind);
      await assert.rejects(ledger.journal.pendingRequests(null), { code: 'unavailable' });
      await record(ledger, 1);
    });
  }

  it('goes on once the file is back, with the calls that waited', async (context) => {
    const { path, ledger } = await open(context);
    renameSync(path, `${path}.old`);
    await until(() => ledger.fault() !== null);
    await record(ledger, 1);
    assert.equal(ledger.calls.pending, 1);
    await assert.rejects(ledger.journal.commit(makeEntry(2)), { code: 'unavailable' });
    renameSync(`${path}.old`, path);
    assert.ok(await ledger.calls.flush(60_000));
    await ledger.journal.commit(makeEntry(2));
    assert.equal(ledger.fault(), null);
    assert.deepEqual([decisions(path), read(path, countCalls)], [2, 1]);
  });

  it('has all its calls in the file after a stop although its -wal was deleted', async (context) => {
    const { path, ledger } = await open(context);
    await record(ledger, 1);
    rmSync(`${path}-wal`);
    rmSync(`${path}-shm`);
    await until(() => ledger.fault() !== null);
    for (let n = 2; n <= 20; n++) {
      await record(ledger, n);
      // Whoever looks meanwhile makes files of its own in their place. What it reads may be half written.
      try {
        assert.equal(decisions(path), 1);
      } catch (error) {
        assert.match((error as { code: string }).code, /^SQLITE_IOERR/);
      }
    }
    await ledger.close();
    assert.equal(read(path, countCalls), 20);
    const db = new Database(path);
    assert.equal(db.pragma('integrity_check', { simple: true }), 'ok');
    db.close();
  });

  it('adds nothing to a file that was put in its place', async (context) => {
    const { path, ledger } = await open(context);
    const copier = new Database(path);
    copier.exec(`VACUUM INTO '${path}.copy'`);
    copier.close();
    for (let n = 1; n <= 500; n++) void record(ledger, n);
    await ledger.calls.flush();
    renameSync(`${path}.copy`, path);
    await until(() => ledger.fault() !== null);
    await ledger.journal.clearWal();
    for (let n = 501; n <= 600; n++) await record(ledger, n);
    const db = new Database(path);
    assert.equal(db.pragma('integrity_check', { simple: true }), 'ok');
    assert.equal(countCalls(db), 0);
    db.close();
  });
});

describe('the lock of an open ledger', () => {
  it('is taken again after somebody removed its file, and decisions go on', async (context) => {
    const { path, ledger } = await open(context);
    rmSync(`${path}.lock`);
    await ledger.journal.commit(makeEntry(2));
    assert.equal(ledger.fault(), null);
    assert.throws(() => acquireLock(path), { code: 'conflict' });
    await ledger.close();
    acquireLock(path).release();
  });

  it('stops decisions, but no call, while another process has it, and until that ends', async (context) => {
    const { path, ledger } = await open(context);
    rmSync(`${path}.lock`);
    const other = acquireLock(path);
    await assert.rejects(ledger.journal.commit(makeEntry(2)), /another process has taken .*\.lock meanwhile/);
    assert.equal(ledger.fault()?.kind, 'lock');
    await record(ledger, 1);
    assert.equal(ledger.calls.pending, 0);
    assert.equal(read(path, countCalls), 1);
    other.release();
    await ledger.journal.commit(makeEntry(2));
    assert.equal(ledger.fault(), null);
  });
});
