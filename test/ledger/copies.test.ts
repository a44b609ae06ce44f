import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { Copies, copyPath, lackOfRoom } from '../../src/ledger/copies.ts';
import type { Reader } from '../../src/ledger/copies.ts';
import { isCopy } from '../../src/ledger/database.ts';
import { listDecisions } from '../../src/ledger/journal/rollouts.ts';
import { openForReading, openLedger } from '../../src/ledger/open.ts';
import { copiesPath } from '../../src/ledger/ownership.ts';
import type { Reply } from '../../src/ledger/words/published.ts';
import { newPlace } from '../../src/ledger/words/word.ts';
import { PATIENT } from '../support/waiting.ts';
import { clock, makeEntry, temporaryPath } from './rig.ts';

const GROUP = execFileSync('id', ['-gn']).toString().trim();
/** A copy can be opened for a minute. */
const MINUTE_MS = 60_000;

/** A ledger with one decision, and what makes copies of it. */
async function open(context: TestContext) {
  const path = temporaryPath(context);
  const ledger = await openLedger(path, { clock, group: GROUP });
  context.after(() => ledger.close());
  await ledger.journal.commit(makeEntry(1));
  const time = { now: 0 };
  const waiting = new Map<string, (reply: Reply) => void>();
  const copies = new Copies({
    dbPath: path,
    reply: (word, reply) => waiting.get(word)?.(reply),
    now: () => time.now,
  });
  context.after(() => copies.close());
  const ask = (word: string, place = newPlace()) => {
    const { promise, resolve } = Promise.withResolvers<Reply>();
    waiting.set(word, resolve);
    copies.ask({ word, place, uid: 7, user: 'auditor' } satisfies Reader);
    return promise.then((reply) => ({ ...reply, place }));
  };
  return { path, copies, ask, time, files: () => readdirSync(copiesPath(path)) };
}

describe('a copy for who may read', PATIENT, () => {
  it('is one state of the ledger, which the group may read, and goes after a minute', async (context) => {
    const { path, copies, ask, time, files } = await open(context);
    const before = new Date().toISOString();
    const { result, message, place } = await ask('one');
    assert.equal(result, 'done', message);
    assert.ok(before <= message && message <= new Date().toISOString(), message);
    const file = copyPath(path, place);
    assert.equal(statSync(file).mode & 0o777, 0o640);
    assert.equal(statSync(file).gid, statSync(copiesPath(path)).gid);
    assert.ok(isCopy(file));
    const copy = openForReading(file);
    context.after(() => copy.close());
    assert.deepEqual(copies.sweep(), [`auditor (user 7) reads a copy of the ledger from ${message}`]);
    time.now = MINUTE_MS - 1;
    copies.sweep();
    assert.equal(files().length, 1);
    time.now = MINUTE_MS;
    assert.deepEqual([copies.sweep(), files()], [[], []]);
    assert.equal(listDecisions(copy, {}).length, 1);
  });

  it('is made for one after the other, only a few wait, and only a few are kept', async (context) => {
    const { ask, files } = await open(context);
    const replies = await Promise.all(Array.from({ length: 12 }, (_, i) => ask(`word ${i}`)));
    const results = replies.map(({ result }) => result);
    assert.deepEqual(results, [...Array<string>(9).fill('done'), ...Array<string>(3).fill('refused')]);
    assert.match(replies.at(-1)?.message ?? '', /wait for a copy/);
    const newest = replies.slice(5, 9).map(({ place }) => `${place}.db`);
    assert.deepEqual(files().toSorted(), newest.toSorted());
  });

  it('that a former daemon has left is removed', async (context) => {
    const { path, files } = await open(context);
    for (const name of [`${newPlace()}.db`, `${newPlace()}.db.0000.part`]) {
      writeFileSync(join(copiesPath(path), name), '');
    }
    new Copies({ dbPath: path, reply: () => undefined }).close();
    assert.deepEqual(files(), []);
  });

  it('is refused, and leaves nothing behind, if it cannot be made', async (context) => {
    const { path, copies, ask, files } = await open(context);
    const place = newPlace();
    const { result, message } = await ask('one', place).then(() => ask('two', place));
    assert.equal(result, 'refused');
    assert.match(message, /exists already/);
    assert.ok(!message.includes(place));
    assert.deepEqual(files(), []);
    copies.sweep();
    rmSync(copiesPath(path), { recursive: true });
    assert.equal((await ask('three')).result, 'refused');
    assert.match(copies.sweep().join(), /auditor \(user 7\) gets no copy/);
  });

  it('is made only if as much room stays free as it takes', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (bytes, free) => {
        assert.equal(lackOfRoom(bytes, free) === null, free - bytes >= bytes);
      }),
    );
    assert.match(lackOfRoom(3_000_000, 5_000_000) ?? '', /3 MB, and 5 MB are free/);
  });
});
