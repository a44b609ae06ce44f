import assert from 'node:assert/strict';
import { chmodSync, chownSync, linkSync, mkdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { AppError } from '../../src/core/errors.ts';
import { checkOwnership, doubtOf } from '../../src/ledger/ownership.ts';
import { openForReading, openLedger } from '../../src/ledger/open.ts';
import { clock, openFor, temporaryPath } from './rig.ts';

const ME = 1_000;
const OTHER = 1_001;
const isRoot = process.geteuid?.() === 0;

/** What each file or folder is to the user `ME`: trusted, trusted with a warning, or refused. */
const FACTS: readonly (readonly [what: string, facts: object, verdict: 'fine' | 'warning' | 'refused'])[] = [
  ['a file of its own', { mode: 0o600 }, 'fine'],
  ['a file that all may read', { mode: 0o644 }, 'fine'],
  ['a file that its group may write', { mode: 0o660 }, 'warning'],
  ['a file that all may write', { mode: 0o602 }, 'refused'],
  ['a file of another user', { uid: OTHER, mode: 0o600 }, 'refused'],
  ['a file of root', { uid: 0, mode: 0o600 }, 'refused'],
  ['a file with two names', { nlink: 2 }, 'refused'],
  ['a link', { kind: 'link' }, 'refused'],
  ['a pipe', { kind: 'other' }, 'refused'],
  ['a folder of its own', { kind: 'folder', mode: 0o700, nlink: 5 }, 'fine'],
  ['a folder of root', { kind: 'folder', uid: 0, mode: 0o755 }, 'fine'],
  ['the folder for temporary files', { kind: 'folder', uid: 0, mode: 0o1777 }, 'fine'],
  ['a folder that all may write', { kind: 'folder', mode: 0o777 }, 'refused'],
  ['a folder that its group may write', { kind: 'folder', mode: 0o770 }, 'warning'],
  ['an own folder', { kind: 'own folder', mode: 0o700 }, 'fine'],
  ['an own folder into which a group may put files', { kind: 'own folder', mode: 0o3730 }, 'fine'],
  ['an own folder in which a group may remove files', { kind: 'own folder', mode: 0o2730 }, 'warning'],
  ['an own folder that belongs to root', { kind: 'own folder', uid: 0, mode: 0o700 }, 'refused'],
  ['a folder of another user', { kind: 'folder', uid: OTHER, mode: 0o755 }, 'refused'],
];

const refused = (error: unknown) => {
  assert.ok(error instanceof AppError, String(error));
  assert.equal(error.code, 'conflict');
  assert.match(error.message, /cannot be trusted/);
  return true;
};

describe('the files of a ledger', () => {
  for (const [what, facts, verdict] of FACTS) {
    it(`${what}: ${verdict}`, () => {
      const doubt = doubtOf({ uid: ME, mode: 0o600, nlink: 1, kind: 'file', ...facts }, ME);
      assert.equal(doubt === null ? 'fine' : doubt.refuses ? 'refused' : 'warning', verdict);
    });
  }

  it('are made for their owner alone, and what others may do with them is taken away', async (context) => {
    const path = temporaryPath(context);
    const mask = process.umask(0o022);
    context.after(() => process.umask(mask));
    await (await openFor(context, path)).close();
    chmodSync(path, 0o644);
    await openFor(context, path);
    for (const part of ['', '-wal', '-shm', '.lock'])
      assert.equal(statSync(path + part).mode & 0o777, part === '.lock' ? 0o600 : 0o640, part);
  });

  it('are refused if another user could have made or changed them', async (context) => {
    const plants: readonly ((path: string) => void)[] = [
      (path) => chmodSync(path, 0o666),
      (path) => linkSync(path, `${path}.2`),
      (path) => symlinkSync(path, `${path}.lock`),
      (path) => symlinkSync('/dev/null', `${path}-wal`),
      (path) => mkdirSync(`${path}.lock`),
      (path) => chmodSync(dirname(path), 0o777),
      ...(isRoot ? [(path: string) => chownSync(path, 65_534, 65_534), plantLock] : []),
    ];
    for (const plant of plants) {
      const path = temporaryPath(context);
      await (await openFor(context, path)).close();
      renameSync(`${path}.lock`, `${path}.old`);
      plant(path);
      await assert.rejects(openLedger(path, { clock }), refused, String(plant));
    }
  });

  it('may be read by root whosever they are, and by their owner', { skip: !isRoot }, async (context) => {
    const path = temporaryPath(context);
    await (await openFor(context, path)).close();
    for (const each of [path, `${path}.lock`, `${path}.key`, `${path}.words`, `${path}.reserve`, dirname(path)])
      chownSync(each, 65_534, 65_534);
    openForReading(path).close();
    await assert.rejects(openLedger(path, { clock }), refused);
    chownSync(`${path}.lock`, 65_533, 65_533);
    assert.throws(() => openForReading(path), refused);
  });

  it('warn if their group may write them', async (context) => {
    const path = temporaryPath(context);
    await (await openFor(context, path)).close();
    chmodSync(dirname(path), 0o770);
    const [warning = ''] = checkOwnership(path, 'run');
    assert.match(warning, /its group may write it/);
    assert.equal((await openFor(context, path)).warnings.length, 1);
  });

  it('are the same ledger by whatever link it is named, for one daemon', async (context) => {
    const path = temporaryPath(context);
    await openFor(context, path);
    const link = join(dirname(path), 'current.db');
    symlinkSync(path, link);
    await assert.rejects(openLedger(link, { clock }), /is in use by process/);
    const folder = `${dirname(path)}-link`;
    symlinkSync(dirname(path), folder);
    await assert.rejects(openLedger(join(folder, 'upshift.db'), { clock }), /is in use by process/);
  });
});

function plantLock(path: string): void {
  writeFileSync(`${path}.lock`, '');
  chownSync(`${path}.lock`, 65_534, 65_534);
}
