import assert from 'node:assert/strict';
import { rmSync, statSync, truncateSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { verifyAudit } from '../../../src/ledger/journal/audit.ts';
import { Reserve, reservePath } from '../../../src/ledger/journal/reserve.ts';
import { JournalStore } from '../../../src/ledger/journal/store.ts';
import { migrate } from '../../../src/ledger/migrate.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { makeFolders } from '../../../src/ledger/words/folders.ts';
import { openDisk, whyNoDisk } from '../../support/small-disk.ts';
import { say } from '../../support/words.ts';
import { START_MS, makeCall, makeDecision, makeEntry, redecide, temporaryPath } from '../rig.ts';

const WHOLE = 1 << 20;
const PARTS = 16;

/** An error as SQLite or the file system gives it. */
const failure = (code: string) => Object.assign(new Error(code), { code });

/** Work that the disk lets through at the n-th try. */
function failing(times: number, code: string): { readonly work: () => string; readonly tries: () => number } {
  let tries = 0;
  const work = () => {
    if (++tries <= times) throw failure(code);
    return 'stored';
  };
  return { work, tries: () => tries };
}

describe('the room that is kept for decisions', () => {
  it('is a megabyte that is really there, for its owner alone', (context) => {
    const path = temporaryPath(context);
    const reserve = new Reserve(path);
    const { size, blocks, mode } = statSync(reservePath(path));
    assert.deepEqual([size, blocks * 512 >= WHOLE, mode & 0o777, reserve.isShort], [WHOLE, true, 0o600, false]);
  });

  it('is given up part by part, as many as it takes and no more, and is made again', (context) => {
    const path = temporaryPath(context);
    const full = fc.constantFrom('SQLITE_FULL', 'ENOSPC', 'EDQUOT', 'SQLITE_IOERR_WRITE');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: PARTS + 2 }), full, (times, code) => {
        rmSync(reservePath(path), { force: true });
        const reserve = new Reserve(path);
        const { work, tries } = failing(times, code);
        if (times <= PARTS) assert.equal(reserve.use(work), 'stored');
        else assert.throws(() => reserve.use(work), { code });
        assert.equal(tries(), Math.min(times, PARTS) + 1);
        assert.equal(statSync(reservePath(path)).size, WHOLE - (WHOLE / PARTS) * Math.min(times, PARTS));
        assert.equal(reserve.isShort, false, 'there is room here, so it is made again');
        assert.equal(statSync(reservePath(path)).size, WHOLE);
      }),
      { numRuns: 40 },
    );
  });

  it('is given up for nothing but want of room', (context) => {
    const path = temporaryPath(context);
    const reserve = new Reserve(path);
    for (const code of ['SQLITE_BUSY', 'SQLITE_CORRUPT', 'EACCES', 'x']) {
      assert.throws(() => reserve.use(failing(1, code).work), { code });
    }
    assert.equal(statSync(reservePath(path)).size, WHOLE);
  });

  it('is kept by half from work that only makes room', (context) => {
    const path = temporaryPath(context);
    const reserve = new Reserve(path);
    assert.throws(() => reserve.invest(failing(PARTS, 'SQLITE_FULL').work), { code: 'SQLITE_FULL' });
    assert.equal(statSync(reservePath(path)).size, WHOLE / 2);
    assert.equal(reserve.use(failing(PARTS / 2, 'SQLITE_FULL').work), 'stored');
  });

  it('is made whole at the next start', (context) => {
    const path = temporaryPath(context);
    assert.equal(new Reserve(path).isShort, false);
    truncateSync(reservePath(path), 100);
    assert.equal(new Reserve(path).isShort, false);
    assert.equal(statSync(reservePath(path)).size, WHOLE);
  });
});

describe('a disk without room for a byte', { skip: whyNoDisk() }, () => {
  it('stores decisions and what operators say, but no calls, until there is room', (context) => {
    const disk = openDisk(context, 8);
    const path = `${disk.path}/upshift.db`;
    makeFolders(path, null);
    migrate(path, START_MS);
    const store = new JournalStore(path);
    context.after(() => store.close());
    const decide = (n: number, outcomes: { requestId: number; result: 'done'; message: string; at: number }[] = []) =>
      store.commit(makeEntry(n, { decision: makeDecision(n, { coreVersion: 0 }), outcomes }));
    const rows = (from: number) =>
      Array.from({ length: 50 }, (_, n) => ({ endedAtUs: from + n, call: makeCall(from + n) }));
    decide(1);
    for (let n = 0; n < 14; n++) assert.equal(store.writeCalls(rows(100_000 + n * 50)), 0);
    disk.fill();

    const word = say(path, { kind: 'abort', rolloutId: 'abcdefgh', reason: 'it costs too much' });
    assert.match(word, /^abort\.abcdefgh\.[0-9a-f]{16}$/, 'there was room for more than a name');
    assert.throws(() => say(path, { kind: 'resume', rolloutId: 'abcdefgh' }), { code: 'unavailable' });
    const [request] = store.pendingRequests(null).requests;
    assert.equal(request?.kind, 'abort');
    for (let n = 2; n < 12; n++) {
      const outcome = { requestId: request.id, result: 'done' as const, message: 'ok', at: START_MS };
      decide(n, n === 2 ? [outcome] : []);
      assert.throws(() => store.writeCalls(rows(2_000)), { code: 'unavailable' });
    }
    assert.ok(statSync(reservePath(path)).size < WHOLE);
    assert.deepEqual(store.pendingRequests(null), { requests: [], frozen: null, notes: [], news: [] });

    // The WAL has most of the disk: its room is found before anybody else makes some.
    store.checkpoint();
    assert.equal(statSync(`${path}-wal`).size, 0);
    assert.equal(store.writeCalls(rows(3_000)), 0);
    disk.free();
    assert.equal(store.writeCalls(rows(2_000)), 0);
    assert.equal(statSync(reservePath(path)).size, WHOLE);
    const db = openForReading(path);
    const { problems, decisions } = verifyAudit(db, redecide, 1);
    assert.equal(db.prepare('SELECT count(*) FROM calls').pluck().get(), 14 * 50 + 100);
    db.close();
    assert.deepEqual([problems, decisions], [[], 11]);
  });
});
