import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { copiesPath, openPath, wordsPath } from '../../../src/ledger/ownership.ts';
import { migrate } from '../../../src/ledger/migrate.ts';
import { JournalStore } from '../../../src/ledger/journal/store.ts';
import { openForReading, openLedger } from '../../../src/ledger/open.ts';
import { openAsks } from '../../../src/ledger/journal/asks.ts';
import { copyPath } from '../../../src/ledger/copies.ts';
import { closedFolders, makeFolders } from '../../../src/ledger/words/folders.ts';
import { Publisher, readPublished, readReply } from '../../../src/ledger/words/published.ts';
import { newPlace } from '../../../src/ledger/words/word.ts';
import { writeWord } from '../../../src/ledger/words/write-word.ts';
import { PATIENT, eventually } from '../../support/waiting.ts';
import { say } from '../../support/words.ts';
import { POLICY_HASH, START_MS, clock, makeEntry, temporaryPath } from '../rig.ts';

const GROUP = execFileSync('id', ['-gn']).toString().trim();
const ASK = { rolloutId: 'abcdefgh', step: 1, policyHash: POLICY_HASH, verdict: 'pass', figures: '{"detail":"x"}' };
const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);

/** A ledger whose group may speak, as a daemon holds it. */
async function open(context: TestContext) {
  const path = temporaryPath(context);
  const ledger = await openLedger(path, { clock, group: GROUP });
  context.after(() => ledger.close());
  return { path, ...ledger };
}

describe('the folders of a group that may speak', () => {
  it('can be entered to put words, and to read what is published, and are closed again without the group', (context) => {
    const path = temporaryPath(context);
    makeFolders(path, null);
    assert.deepEqual([modeOf(wordsPath(path)), existsSync(openPath(path))], ['700', false]);
    makeFolders(path, GROUP);
    assert.deepEqual(
      [wordsPath, openPath, copiesPath].map((at) => modeOf(at(path))),
      ['3730', '2750', '2710'],
    );
    writeFileSync(join(openPath(path), 'open.json'), '{}');
    writeFileSync(join(copiesPath(path), 'x.db'), '');
    makeFolders(path, null);
    assert.deepEqual(
      [modeOf(wordsPath(path)), existsSync(openPath(path)), existsSync(copiesPath(path))],
      ['700', false, false],
    );
  });

  it('are not made for a group that does not exist, or that is an option', (context) => {
    for (const group of ['no-such-group-here', '--reference=/tmp', '', 'a b']) {
      assert.throws(() => makeFolders(temporaryPath(context), group), { name: 'AppError', code: 'invalid' }, group);
    }
  });

  it('are told where a folder above keeps the group out', (context) => {
    const path = temporaryPath(context);
    makeFolders(path, GROUP);
    const folder = dirname(path);
    chmodSync(folder, 0o700);
    const told = closedFolders(path).at(-1) ?? '';
    assert.match(told, new RegExp(`cannot pass ${folder}: chmod [go]\\+x ${folder}$`));
    chmodSync(folder, 0o711);
    assert.ok(!closedFolders(path).some((line) => line.includes(`${folder}:`)) || told.includes('g+x'));
  });
});

describe('what a daemon publishes', () => {
  it('is what is asked, for the group alone, and what became of each word', async (context) => {
    const { path, journal } = await open(context);
    assert.equal(readPublished(path), null);
    await journal.commit(makeEntry(1, { ask: { ...ASK, at: START_MS } }));
    const word = say(path, { kind: 'approve', rolloutId: 'abcdefgh', askId: 1, step: 1 });
    const [request] = (await journal.pendingRequests(null)).requests;
    const db = openForReading(path);
    const asks = openAsks(db);
    db.close();
    const rollouts = [{ id: 'abcdefgh', model: 'org/model', phase: 'stepping', toward: 'dedicated' }];
    assert.deepEqual(readPublished(path), { pid: process.pid, rollouts, asks, hasReaders: false });
    assert.equal(modeOf(join(openPath(path), 'open.json')), '640');
    assert.equal(readReply(path, word), null);
    const id = request?.id ?? 0;
    await journal.commit({ events: [], outcomes: [{ requestId: id, at: START_MS, result: 'done', message: 'ok' }] });
    assert.deepEqual(readReply(path, word), { request: id, result: 'done', message: 'ok' });
    await journal.pendingRequests(null);
    assert.deepEqual(readPublished(path)?.asks, []);
  });

  it('says why a word was refused at once, or is about nothing', async (context) => {
    const { path, journal } = await open(context);
    await journal.commit(makeEntry(1));
    const nobody = { read: [], call: [], approve: [], admin: [] };
    const [abort, other] = [
      say(path, { kind: 'abort', rolloutId: 'abcdefgh' }),
      say(path, { kind: 'abort', rolloutId: 'unknown' }),
    ];
    await journal.pendingRequests(null, nobody);
    assert.match(readReply(path, abort)?.message ?? '', /may not abort: this needs the role admin/);
    assert.deepEqual(readReply(path, other), {
      request: null,
      result: 'refused',
      message: 'the ledger has no rollout unknown',
    });
  });

  it('keeps a thousand replies, the newest', (context) => {
    const path = temporaryPath(context);
    makeFolders(path, GROUP);
    const reply = { request: 1, result: 'done', message: '' } as const;
    for (const part of [0, 1]) {
      // The second half by the next process.
      const publisher = Publisher.open(path);
      for (let n = 0; n < 600; n++) publisher?.reply(String(part * 600 + n).padStart(4, '0'), reply);
    }
    const kept = readdirSync(openPath(path)).toSorted();
    assert.deepEqual([kept.length, kept[0], kept.at(-1)], [1_000, '0200.json', '1199.json']);
  });

  it('is nothing that another user could have written', (context) => {
    const path = temporaryPath(context);
    makeFolders(path, GROUP);
    const file = join(openPath(path), 'open.json');
    writeFileSync(file, '{}', { mode: 0o660 });
    chmodSync(file, 0o660);
    assert.throws(() => readPublished(path), { code: 'conflict' });
    rmSync(file);
    symlinkSync('/etc/hostname', file);
    assert.throws(() => readPublished(path));
  });

  it('keeps no decision waiting if it cannot be written, and says so once', (context) => {
    const path = temporaryPath(context);
    makeFolders(path, GROUP);
    const publisher = Publisher.open(path);
    rmSync(openPath(path), { recursive: true });
    const published = { pid: 1, rollouts: [], asks: [], hasReaders: false };
    publisher?.publish(published);
    assert.match(publisher?.takeNote() ?? '', /open\.json cannot be written/);
    publisher?.publish(published);
    assert.equal(publisher?.takeNote(), null);
    mkdirSync(openPath(path));
    publisher?.publish(published);
    assert.deepEqual(readPublished(path), published);
    assert.equal(Publisher.open(temporaryPath(context)), null);
  });
});

describe('a wish for a copy', PATIENT, () => {
  const nobody = { read: [], call: [], approve: [], admin: [] };

  it('is granted to who has the role read, refused to all others, and no request', async (context) => {
    const { path, journal } = await open(context);
    const place = newPlace();
    const [uid, wish] = [process.geteuid?.() ?? 0, { kind: 'copy', place } as const];
    const denied = writeWord(path, wish);
    const { notes } = await journal.pendingRequests(null, { ...nobody, approve: [uid] });
    assert.match(notes.join(), /may not read .*: this needs the role read/);
    assert.deepEqual(readReply(path, denied), { request: null, result: 'refused', message: notes[0] });
    assert.ok(!existsSync(copyPath(path, place)));

    const granted = writeWord(path, wish);
    await journal.pendingRequests(null, { ...nobody, read: [uid] });
    const { result, message } = await eventually('it is answered', () => readReply(path, granted));
    assert.equal(result, 'done');
    assert.match(
      (await journal.pendingRequests(null)).news.join(),
      new RegExp(`reads a copy of the ledger from ${message}$`),
    );
    const copy = openForReading(copyPath(path, place));
    context.after(() => copy.close());
    assert.equal(copy.prepare('SELECT count(*) FROM requests').pluck().get(), 0);
    for (const file of readdirSync(openPath(path))) {
      assert.ok(!readFileSync(join(openPath(path), file), 'utf8').includes(place), `${file} names the copy`);
    }
  });

  it('is dropped if it is so old that nobody waits for it', (context) => {
    const path = temporaryPath(context);
    makeFolders(path, GROUP);
    migrate(path, START_MS);
    const store = new JournalStore(path);
    context.after(() => store.close());
    const word = writeWord(path, { kind: 'copy', place: newPlace() });
    const later = Date.now() + 61_000;
    context.mock.method(Date, 'now', () => later);
    assert.deepEqual(store.pendingRequests(START_MS), { requests: [], frozen: null, notes: [], news: [] });
    assert.deepEqual([readdirSync(wordsPath(path)), readReply(path, word)], [[], null]);
  });

  it('is told about only if others than the daemon’s user may read', async (context) => {
    const { path, journal } = await open(context);
    const uid = process.geteuid?.() ?? 0;
    const told = async (roles: object) => {
      await journal.pendingRequests(null, { ...nobody, ...roles });
      return readPublished(path)?.hasReaders;
    };
    for (const roles of [{}, { read: [uid] }, { admin: [0, 'root'] }, { approve: ['@ops'] }])
      assert.equal(await told(roles), false);
    for (const roles of [{ read: ['@audit'] }, { read: [uid, 12_345] }, { admin: ['bob'] }])
      assert.equal(await told(roles), true);
  });
});
