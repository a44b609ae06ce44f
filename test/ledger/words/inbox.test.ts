import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { CORE_VERSION } from '../../../src/core/decide/decision.ts';
import { defaultRoles } from '../../../src/core/roles/roles.ts';
import type { Roles } from '../../../src/core/roles/roles.ts';
import { verifyAudit } from '../../../src/ledger/journal/audit.ts';
import { requestId, replyTo } from '../../../src/ledger/journal/requests.ts';
import { JournalStore } from '../../../src/ledger/journal/store.ts';
import { migrate } from '../../../src/ledger/migrate.ts';
import { wordsPath } from '../../../src/ledger/ownership.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { askSystem } from '../../../src/ledger/words/people.ts';
import { makeFolders } from '../../../src/ledger/words/folders.ts';
import { newBareName, newName, newPlace, wordText } from '../../../src/ledger/words/word.ts';
import { writeWord } from '../../../src/ledger/words/write-word.ts';
import { say, wordOf } from '../../support/words.ts';
import { POLICY_HASH, START_MS, makeDecision, makeEntry, redecide } from '../rig.ts';

const ROLLOUT = 'abcdefgh';
const ASK = {
  rolloutId: ROLLOUT,
  step: 1,
  policyHash: POLICY_HASH,
  verdict: 'pass',
  figures: '{"detail":"p95 is 2 s"}',
};
const APPROVE = { kind: 'approve', rolloutId: ROLLOUT, askId: 1, step: 1 } as const;
const ABORT = { kind: 'abort', rolloutId: ROLLOUT } as const;
const isRoot = process.geteuid?.() === 0;

/** A ledger as a daemon's journal has it, whose one rollout asks about step 1. */
class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'upshift-words-'));
  readonly path = join(this.folder, 'upshift.db');
  readonly words = wordsPath(this.path);
  store: JournalStore;

  constructor() {
    makeFolders(this.path, null);
    migrate(this.path, START_MS);
    this.store = this.#open();
    this.store.commit(makeEntry(1, { decision: makeDecision(1, { coreVersion: 0 }), ask: { ...ASK, at: START_MS } }));
  }

  #open(): JournalStore {
    const personOf = (uid: number) => ({ user: `user${uid}`, host: 'desk' });
    return new JournalStore(this.path, { personOf, groupsOf: (uid) => [`group${uid}`] });
  }

  /** Another process in the place of the one before, which was killed. */
  restart(): void {
    this.store.close();
    this.store = this.#open();
  }

  look() {
    return this.store.pendingRequests(START_MS);
  }

  /** The requests that wait, and what was noted, once every file was read. */
  lookAll() {
    const notes: string[] = [];
    for (let i = 0; i < 100; i++) {
      const found = this.look();
      notes.push(...found.notes);
      if (i > 0 && readdirSync(this.words).length === 0) return { requests: found.requests, notes };
    }
    throw new Error(`files stay: ${readdirSync(this.words).join(' ')}`);
  }

  read<T>(look: (db: ReturnType<typeof openForReading>) => T): T {
    const db = openForReading(this.path);
    try {
      return look(db);
    } finally {
      db.close();
    }
  }

  /** Changes the ledger as somebody does who can write the file. */
  forge(sql: string): void {
    const db = new Database(this.path);
    db.pragma('foreign_keys = OFF');
    for (const name of db.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").pluck().all() as string[]) {
      db.exec(`DROP TRIGGER ${name}`);
    }
    db.exec(sql);
    db.close();
  }

  rows(): number {
    return this.read((db) => db.prepare<[], number>('SELECT count(*) FROM requests').pluck().get() ?? 0);
  }

  answer(id: number): void {
    const outcome = { requestId: id, at: START_MS, result: 'done' as const, message: 'ok' };
    this.store.commit({ events: [], outcomes: [outcome] });
  }

  end(): void {
    this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function open(context: TestContext): Scene {
  const scene = new Scene();
  context.after(() => scene.end());
  return scene;
}

describe('words on their way into the ledger', () => {
  it('become requests in the order in which they were said, and their files go', (context) => {
    const scene = open(context);
    const said = ['pause', 'resume', 'abort'].map((kind) =>
      say(scene.path, { kind, rolloutId: ROLLOUT } as typeof ABORT),
    );
    const { requests, notes } = scene.look();
    assert.deepEqual(notes, []);
    assert.deepEqual(
      requests.map(({ kind, by }) => [kind, by]),
      ['pause', 'resume', 'abort'].map((kind) => [kind, `user${process.getuid?.()}@desk`]),
    );
    assert.deepEqual(
      said.map((word) => scene.read((db) => requestId(db, word))),
      requests.map(({ id }) => id),
    );
    assert.deepEqual(readdirSync(scene.words), []);
    assert.deepEqual(scene.look().requests, requests);
    const { problems, covered } = scene.read((db) => verifyAudit(db, redecide, CORE_VERSION));
    assert.deepEqual([problems, covered.request], [[], 3]);
  });

  it(
    'say who by the owner of the file, and when by the file system, whatever else is claimed',
    { skip: !isRoot && 'only root can give a file to another user' },
    (context) => {
      const scene = open(context);
      const word = say(scene.path, APPROVE);
      const file = join(scene.words, `${word}.word`);
      chownSync(file, 12_345, 12_345);
      utimesSync(file, 1, 1);
      const before = Date.now();
      const roles = { ...defaultRoles(0), approve: [12_345] };
      const [request] = scene.store.pendingRequests(null, roles).requests;
      assert.equal(request?.by, 'user12345@desk');
      assert.ok(Math.abs((request?.at ?? 0) - before) < 60_000);
      assert.equal(
        scene.read((db) => db.prepare('SELECT by_uid FROM requests').pluck().get()),
        12_345,
      );
    },
  );

  it('are refused, with a row that says why, if who says them lacks the role', (context) => {
    const scene = open(context);
    const me = process.getuid?.() ?? 0;
    const nobody = { read: [], call: [], approve: [], admin: [] };
    const cases: readonly (readonly [kind: 'approve' | 'abort', Partial<Roles>, isAllowed: boolean])[] = [
      ['approve', {}, false],
      ['approve', { read: [me], call: [me] }, false],
      ['approve', { approve: [`user${me}`] }, true],
      ['approve', { approve: [`@group${me}`] }, true],
      ['approve', { admin: [me] }, true],
      ['abort', { approve: [me] }, false],
      ['abort', { admin: [`@group${me}`] }, true],
    ];
    for (const [kind, roles, isAllowed] of cases) {
      const word = say(scene.path, kind === 'approve' ? APPROVE : ABORT);
      const { requests } = scene.store.pendingRequests(START_MS, { ...nobody, ...roles });
      const id = scene.read((db) => requestId(db, word));
      assert.equal(
        requests.some((request) => request.id === id),
        isAllowed,
        `${kind} ${JSON.stringify(roles)}`,
      );
      const outcome = scene.read((db) => replyTo(db, word));
      if (isAllowed) assert.equal(outcome, null);
      else
        assert.match(
          outcome?.message ?? '',
          kind === 'abort' ? /may not abort.* role admin/ : /may not approve.* role approve/,
        );
    }
    assert.deepEqual(scene.read((db) => verifyAudit(db, redecide, CORE_VERSION)).problems, []);
  });

  it('are for their sender alone, in a folder for the daemon’s user alone', (context) => {
    const scene = open(context);
    const word = say(scene.path, ABORT);
    assert.equal(statSync(scene.words).mode & 0o7777, 0o700);
    assert.equal(statSync(join(scene.words, `${word}.word`)).mode & 0o7777, 0o600);
  });

  it('wait where no daemon ever ran, and where the folder is gone', (context) => {
    const scene = open(context);
    rmSync(scene.words, { recursive: true });
    assert.deepEqual(scene.look(), { requests: [], frozen: null, notes: [], news: [] });
    say(scene.path, ABORT);
    assert.equal(scene.look().requests.length, 1);
  });

  it('that wish for a copy are nothing where nobody else may speak', (context) => {
    const scene = open(context);
    writeWord(scene.path, { kind: 'copy', place: newPlace() });
    assert.deepEqual(scene.look(), { requests: [], frozen: null, notes: [], news: [] });
    assert.deepEqual([readdirSync(scene.words), scene.rows()], [[], 0]);
  });

  it(
    'of root reach the daemon of another user',
    { skip: !isRoot && 'only root can have files of another user' },
    (context) => {
      const scene = open(context);
      const owned = ['', '-wal', '-shm', '.key', '.mark', '.reserve'].map((part) => scene.path + part);
      for (const each of [scene.folder, ...owned]) chownSync(each, 12_345, 12_345);
      rmSync(scene.words, { recursive: true });
      const word = say(scene.path, ABORT);
      assert.equal(statSync(scene.words).uid, 12_345);
      const file = join(scene.words, `${word}.word`);
      assert.deepEqual([statSync(file).uid, statSync(file).mode & 0o777], [0, 0o644]);
      for (const each of [scene.folder, ...owned]) chownSync(each, 0, 0);
    },
  );

  it('are refused where another user could remove them', (context) => {
    const scene = open(context);
    const word = wordOf(scene.path, ABORT);
    chmodSync(scene.words, 0o777);
    assert.throws(() => writeWord(scene.path, word), { code: 'conflict' });
    rmSync(scene.words, { recursive: true });
    symlinkSync(scene.folder, scene.words);
    assert.throws(() => writeWord(scene.path, word), { code: 'conflict' });
  });

  it('are rows once, also if the process dies before it removes the file', (context) => {
    const scene = open(context);
    const word = say(scene.path, ABORT);
    const file = join(scene.words, `${word}.word`);
    copyFileSync(file, join(scene.folder, 'kept'));
    const [request] = scene.look().requests;
    // As it is found after the death: the row is there, and the file too.
    copyFileSync(join(scene.folder, 'kept'), file);
    scene.restart();
    assert.deepEqual(scene.look(), { requests: [request], frozen: null, notes: [], news: [] });
    scene.answer(request?.id ?? 0);
    copyFileSync(join(scene.folder, 'kept'), file);
    scene.restart();
    assert.deepEqual(scene.look(), { requests: [], frozen: null, notes: [], news: [] });
    assert.deepEqual([scene.rows(), readdirSync(scene.words)], [1, []]);
  });

  it('are no words if they are links, pipes, folders, too large, half, or said by nobody; the others come through', (context) => {
    const scene = open(context);
    const secret = join(scene.folder, 'secret');
    writeFileSync(secret, 'secret');
    const plants: readonly ((path: string, name: string) => void)[] = [
      (path) => symlinkSync(secret, path),
      (path) => symlinkSync(path, path),
      (path) => linkSync(secret, path),
      (path) => mkdirSync(path),
      (path) => execFileSync('/usr/bin/env', ['mkfifo', path]),
      (path) => writeFileSync(path, ''),
      (path) => writeFileSync(path, 'x'.repeat(100_000)),
      (path) => writeFileSync(path, Buffer.from([0xff, 0xfe])),
      (path, name) => writeFileSync(path, wordText(name, { ...wordOf(scene.path, ABORT) }).slice(0, -5)),
      (path, name) => writeFileSync(path, wordText(name, { ...wordOf(scene.path, ABORT), rolloutId: 'unknown' })),
      (path, name) => writeFileSync(path, wordText(name, { ...wordOf(scene.path, APPROVE), askId: 99 })),
      (path, name) => {
        writeFileSync(path, wordText(name, wordOf(scene.path, ABORT)));
        chmodSync(path, 0o622);
      },
    ];
    for (const plant of plants) {
      const name = newName(1);
      plant(join(scene.words, `${name}.word`), name);
    }
    writeFileSync(join(scene.words, 'notes.txt'), 'x');
    say(scene.path, ABORT);
    const { requests, notes } = scene.lookAll();
    assert.equal(requests.length, 1);
    assert.equal(notes.length, plants.length + 1, notes.join('\n'));
    assert.deepEqual(scene.look().notes, []);
    assert.equal(readFileSync(secret, 'utf8'), 'secret');
  });

  it('that cannot be removed are said once, and hinder nobody', (context) => {
    const scene = open(context);
    const stuck = join(scene.words, `${newName(1)}.word`);
    mkdirSync(join(stuck, 'full'), { recursive: true });
    const { notes } = scene.look();
    assert.match(notes.join('\n'), /is no word, and cannot be removed: /);
    say(scene.path, ABORT);
    assert.deepEqual([scene.look().notes, scene.rows()], [[], 1]);
  });

  it('are said by the name of an empty file where there is no room, and only abort and pause', (context) => {
    const scene = open(context);
    const [abort, pause] = ['abort', 'pause'].map((kind) => `${kind}.${ROLLOUT}.0123456789abcdef`);
    for (const name of [abort, pause]) writeFileSync(join(scene.words, name ?? ''), '');
    const wrong = [
      `approve.${ROLLOUT}.0123456789abcdef`,
      `abort.${ROLLOUT}.x`,
      'abort',
      `abort.${ROLLOUT}.1123456789abcdef`,
    ];
    wrong.forEach((name, i) => writeFileSync(join(scene.words, name), i === 3 ? '{}' : ''));
    const { requests, notes } = scene.lookAll();
    assert.deepEqual(requests.map(({ kind, rolloutId }) => `${kind} ${rolloutId}`).toSorted(), [
      `abort ${ROLLOUT}`,
      `pause ${ROLLOUT}`,
    ]);
    assert.equal(notes.length, wrong.length, notes.join('\n'));
    assert.ok(scene.read((db) => requestId(db, abort ?? '')) !== null);
    assert.equal(newBareName({ ...wordOf(scene.path, ABORT), kind: 'resume' }), null);
    assert.equal(newBareName({ ...wordOf(scene.path, ABORT), rolloutId: '../x' }), null);
  });

  it('that are still being written are left alone', (context) => {
    const scene = open(context);
    const part = join(scene.words, `${newName(1)}.part`);
    writeFileSync(part, '{');
    assert.deepEqual(scene.look(), { requests: [], frozen: null, notes: [], news: [] });
    assert.ok(statSync(part).isFile());
  });

  it('come before what is no word, of which a look removes only some', (context) => {
    const scene = open(context);
    for (let i = 0; i < 500; i++) writeFileSync(join(scene.words, `junk ${i}`), '');
    say(scene.path, ABORT);
    const { requests, notes } = scene.look();
    assert.deepEqual([requests.length, notes.length, readdirSync(scene.words).length], [1, 16, 484]);
    assert.equal(scene.lookAll().notes.length, 484);
  });

  it('come through a crowd of others in bounded time', (context) => {
    const scene = open(context);
    for (let i = 0; i < 3_000; i++) writeFileSync(join(scene.words, `${newName(i)}.part`), '');
    say(scene.path, ABORT);
    let looks = 0;
    while (scene.look().requests.length === 0) assert.ok(++looks < 5);
  });

  it('each become one row at most, whatever is in the folder and whenever the process dies', () => {
    const anyAct = fc.oneof(
      fc.constantFrom('pause', 'resume', 'abort', 'approve').map((kind) => ({ act: 'say' as const, kind })),
      fc.constantFrom('look', 'restart', 'repeat', 'answer').map((act) => ({ act: act as 'look', kind: '' })),
      fc.string({ maxLength: 12 }).map((kind) => ({ act: 'junk' as const, kind })),
    );
    fc.assert(
      fc.property(fc.array(anyAct, { maxLength: 20 }), (acts) => {
        const scene = new Scene();
        try {
          const said = new Map<string, Buffer>();
          for (const { act, kind } of acts) {
            if (act === 'say') {
              const word = say(scene.path, kind === 'approve' ? APPROVE : { kind, rolloutId: ROLLOUT });
              said.set(word, readFileSync(join(scene.words, `${word}.word`)));
            } else if (act === 'junk') writeFileSync(join(scene.words, `${newName(2)}.word`), kind);
            else if ((act as string) === 'restart') scene.restart();
            else if ((act as string) === 'repeat') {
              for (const [word, text] of said) writeFileSync(join(scene.words, `${word}.word`), text);
            } else {
              const [first] = scene.look().requests;
              if ((act as string) === 'answer' && first !== undefined) scene.answer(first.id);
            }
          }
          scene.lookAll();
          const rows = scene.read((db) =>
            db.prepare<[], string>('SELECT word FROM requests ORDER BY word').pluck().all(),
          );
          assert.deepEqual(rows, [...said.keys()].toSorted());
          assert.deepEqual(scene.read((db) => verifyAudit(db, redecide, CORE_VERSION)).problems, []);
        } finally {
          scene.end();
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe('what is no word of anybody', () => {
  const INSERT = `INSERT INTO requests (kind, rollout_id, ask_id, step, by_user, by_host, by_uid, word, requested_at_ms)
    VALUES ('approve', '${ROLLOUT}', 1, 1, 'cfo', 'desk', 0, 'forged', ${START_MS})`;

  const forgeries: readonly (readonly [what: string, sql: (id: number) => string])[] = [
    ['a row inserted by hand', () => INSERT],
    [
      'one with the seal of another',
      (id) => `${INSERT}; INSERT INTO seals
      SELECT (SELECT max(id) + 1 FROM seals), what, json_array(${id + 1}), digest, sealed_at_ms, hash, signature FROM seals
      WHERE what = 'request'`,
    ],
    ['a waiting row that is another now', () => "UPDATE requests SET kind = 'approve', ask_id = 1"],
    ['an answered row whose answer is gone', () => 'DELETE FROM request_outcomes'],
    [
      'an answered row whose answer and its seal are gone',
      () =>
        "DELETE FROM request_outcomes; DELETE FROM seals WHERE what = 'request' AND id = (SELECT max(id) FROM seals)",
    ],
  ];
  for (const [what, sql] of forgeries) {
    it(`${what} never acts, before and after a restart, and is noted once`, (context) => {
      const scene = open(context);
      say(scene.path, ABORT);
      const id = scene.look().requests[0]?.id ?? 0;
      if (what.startsWith('an answered')) scene.answer(id);
      scene.forge(sql(id));
      for (const isRestarted of [false, true]) {
        if (isRestarted) scene.restart();
        const { requests, notes } = scene.look();
        assert.deepEqual(
          requests.map(({ kind }) => kind).filter((kind) => what.startsWith('an answered') || kind !== 'abort'),
          [],
        );
        assert.match(notes.join('\n'), /^request \d came from another hand/);
        assert.deepEqual(scene.look().notes, []);
      }
      const { problems } = scene.read((db) => verifyAudit(db, redecide, CORE_VERSION));
      assert.ok(problems.length > 0);
    });
  }

  it('an answer to a question that somebody changed is refused, and says so', (context) => {
    const scene = open(context);
    scene.forge(`UPDATE asks SET figures = '{"detail":"p95 is 1 s"}'`);
    const word = say(scene.path, APPROVE);
    assert.deepEqual(scene.look().requests, []);
    const outcome = scene.read((db) => replyTo(db, word));
    assert.equal(outcome?.result, 'refused');
    assert.match(outcome?.message ?? '', /is not what the daemon asked.*audit --verify/);
  });

  it('an answer to what the daemon did not ask is refused, also if the question was put back', (context) => {
    const scene = open(context);
    scene.forge(`UPDATE asks SET figures = '{"detail":"p95 is 1 s"}'`);
    const word = say(scene.path, APPROVE);
    scene.forge(`UPDATE asks SET figures = '${ASK.figures}'`);
    assert.deepEqual(scene.look().requests, []);
    assert.match(scene.read((db) => replyTo(db, word))?.message ?? '', /is not what you saw: look again/);
    const { problems } = scene.read((db) => verifyAudit(db, redecide, CORE_VERSION));
    assert.ok(problems.every(({ what }) => what.includes('triggers')));
    assert.equal(scene.rows(), 1);
  });
});

describe('who has said a word', () => {
  it('is called as the operating system calls them, or by their number', () => {
    const { personOf, groupsOf } = askSystem();
    const me = process.getuid?.() ?? 0;
    assert.deepEqual(personOf(me), { user: userInfo().username, host: hostname() });
    assert.equal(personOf(0).user, 'root');
    assert.equal(personOf(3_999_999_999).user, '3999999999');
    const ids = process.getgroups?.() ?? [];
    assert.equal(groupsOf(me).length, new Set([...ids, process.getgid?.()]).size);
    assert.deepEqual(groupsOf(3_999_999_999), []);
  });
});
