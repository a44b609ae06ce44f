import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { AppError } from '../../src/core/errors.ts';
import { copyLedger } from '../../src/ledger/copy.ts';
import { connect, isCopy } from '../../src/ledger/database.ts';
import { listDecisions } from '../../src/ledger/journal/rollouts.ts';
import { openForReading, openLedger } from '../../src/ledger/open.ts';
import { clock, makeEntry, openFor, temporaryPath } from './rig.ts';

const isRoot = process.geteuid?.() === 0;

const says = (code: string) => (error: unknown) => error instanceof AppError && error.code === code;

describe('a copy of a ledger', () => {
  it('holds one state of it, while a writer is in the middle of the next one', async (context) => {
    const path = temporaryPath(context);
    const { journal } = await openFor(context, path);
    await journal.commit(makeEntry(1));
    const writer = connect(path, { timeout: 1_000 });
    context.after(() => writer.close());
    writer.exec('BEGIN IMMEDIATE; DELETE FROM meta');
    const source = openForReading(path);
    context.after(() => source.close());
    const target = join(dirname(path), 'copy.db');
    copyLedger(source, target);
    writer.exec('ROLLBACK');
    const copy = openForReading(target);
    context.after(() => copy.close());
    assert.deepEqual(listDecisions(copy, {}), listDecisions(source, {}));
    assert.deepEqual(copy.prepare('SELECT * FROM meta').all(), source.prepare('SELECT * FROM meta').all());
    assert.deepEqual(copy.prepare('SELECT * FROM seals').all(), source.prepare('SELECT * FROM seals').all());
    assert.equal(statSync(target).mode & 0o777, 0o600);
    assert.ok(isCopy(target));
    assert.ok(!isCopy(path));
  });

  it('is never written over a file, and leaves nothing behind if it cannot be written', async (context) => {
    const path = temporaryPath(context);
    await openFor(context, path);
    const source = openForReading(path);
    context.after(() => source.close());
    const before = readdirSync(dirname(path)).sort();
    assert.throws(() => copyLedger(source, path), says('conflict'));
    assert.throws(() => copyLedger(source, join(dirname(path), 'none', 'copy.db')), says('invalid'));
    assert.throws(() => copyLedger(source, join(dirname(path), 'copy.db'), 'no-such-group'), says('invalid'));
    assert.deepEqual(readdirSync(dirname(path)).sort(), before);
  });

  it('is no ledger that a daemon runs on', async (context) => {
    const path = temporaryPath(context);
    await openFor(context, path);
    const source = openForReading(path);
    context.after(() => source.close());
    const target = join(dirname(path), 'copy.db');
    copyLedger(source, target);
    await assert.rejects(openLedger(target, { clock }), says('conflict'));
    assert.ok(!existsSync(`${target}.lock`));
  });

  it(
    'is read by the members of its group, who may not read the ledger',
    { skip: !isRoot && 'needs root' },
    async (context) => {
      const path = temporaryPath(context);
      await openFor(context, path);
      const source = openForReading(path);
      context.after(() => source.close());
      const folder = dirname(path);
      for (const each of [folder, dirname(folder)]) chmodSync(each, 0o711);
      const target = join(folder, 'copy.db');
      copyLedger(source, target, 'nogroup');
      assert.equal(statSync(target).mode & 0o777, 0o640);
      const { gid } = statSync(target);
      asUser(12_345, gid, () => {
        openForReading(target).close();
        assert.throws(() => openForReading(path), says('conflict'));
      });
      asUser(12_345, 12_345, () => assert.throws(() => openForReading(target), says('unauthorized')));
    },
  );
});

/** Does something as another user. The group must be one that this process may take. */
function asUser(uid: number, gid: number, work: () => void): void {
  const groups = process.getgroups?.() ?? [];
  process.setgroups?.([]);
  process.setegid?.(gid);
  process.seteuid?.(uid);
  try {
    work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
    process.setgroups?.(groups);
  }
}
