import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import Database from 'better-sqlite3';
import { OUTCOMES } from '../../src/core/call.ts';
import { AppError } from '../../src/core/errors.ts';
import { migrate, readMigrations } from '../../src/ledger/migrate.ts';
import { openForReading, openLedger } from '../../src/ledger/open.ts';
import { START_MS, clock, makeEntry, startChild, temporaryPath, openFor } from './rig.ts';

const MIGRATIONS = readMigrations();
const NEXT = MIGRATIONS.length + 1;

function refusal(code: string, pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof AppError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    assert.ok(error.hint);
    return true;
  };
}

/** Both ways in refuse the file, and nothing about it or beside it changes. */
async function refusesUntouched(path: string, code: string, pattern: RegExp): Promise<void> {
  const bytes = readFileSync(path);
  const names = readdirSync(dirname(path));
  await assert.rejects(openLedger(path, { clock }), refusal(code, pattern));
  assert.throws(() => openForReading(path), refusal(code, pattern));
  assert.deepEqual(readFileSync(path), bytes);
  assert.deepEqual(readdirSync(dirname(path)), names);
}

describe('migrate', () => {
  it('creates a ledger whose tables are all STRICT', (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const db = new Database(path, { readonly: true });
    const tables = db.pragma('table_list') as { name: string; type: string; strict: number }[];
    const lax = tables.filter(
      ({ name, type, strict }) => type === 'table' && !name.startsWith('sqlite_') && strict === 0,
    );
    assert.deepEqual(lax, []);
    assert.ok(tables.some(({ name }) => name === 'calls'));
    assert.equal(db.pragma('journal_mode', { simple: true }), 'wal');
    db.close();
  });

  it('holds the outcomes at the numbers that the core gives them', (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const db = new Database(path, { readonly: true });
    assert.deepEqual(db.prepare('SELECT name FROM outcomes ORDER BY id').pluck().all(), OUTCOMES);
    db.close();
  });

  it('does nothing to a ledger that is up to date', (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const bytes = readFileSync(path);
    migrate(path, START_MS + 1);
    assert.deepEqual(readFileSync(path), bytes);
  });

  it('applies what is new in one transaction, or nothing of it', (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const broken = {
      version: NEXT,
      name: '9999_broken.sql',
      sql: 'CREATE TABLE extra (a INTEGER) STRICT; nonsense;',
      checksum: 'x',
    };
    assert.throws(() => migrate(path, START_MS, [...MIGRATIONS, broken]));
    const good = { ...broken, sql: 'CREATE TABLE extra (a INTEGER) STRICT;' };
    migrate(path, START_MS, [...MIGRATIONS, good]);
    const db = new Database(path, { readonly: true });
    assert.equal(db.pragma('user_version', { simple: true }), NEXT);
    assert.equal(db.prepare('SELECT count(*) FROM schema_migrations').pluck().get(), NEXT);
    db.close();
  });

  it('brings a ledger of the first schema up to date, with all that is in it', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS, MIGRATIONS.slice(0, 1));
    const db = new Database(path);
    db.exec(`INSERT INTO shapes (id, name) VALUES (1, 'chat'); INSERT INTO agents (id, name, is_derived) VALUES (1, 'a', 0);
      INSERT INTO calls VALUES (5000000, 1000, NULL, 1, 1, NULL, 0, 0, 9, 200, 0, 0, 1, 1, 1, 1, 1, 1, NULL);`);
    db.close();
    assert.throws(() => openForReading(path), refusal('conflict', /older version/));
    const ledger = await openFor(context, path);
    await ledger.close();
    const reader = openForReading(path);
    assert.equal(reader.pragma('user_version', { simple: true }), MIGRATIONS.length);
    assert.equal(reader.prepare('SELECT agent FROM call_log').pluck().get(), 'a');
    assert.equal(reader.prepare('SELECT count(*) FROM shadow_log').pluck().get(), 0);
    reader.close();
  });

  it('refuses a newer schema', async (context) => {
    const path = temporaryPath(context);
    const sql = 'CREATE TABLE later (a INTEGER) STRICT;';
    const later = { version: NEXT, name: '9999_later.sql', sql, checksum: 'x' };
    migrate(path, START_MS, [...MIGRATIONS, later]);
    await refusesUntouched(path, 'conflict', new RegExp(`has schema ${NEXT}, newer than the ${NEXT - 1}`));
  });

  it('refuses a migration that was changed after it had been applied', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS, [{ ...(MIGRATIONS[0] as (typeof MIGRATIONS)[0]), checksum: 'another' }]);
    await refusesUntouched(path, 'conflict', /another text of migration 0001_ledger.sql/);
  });

  for (const mode of ['delete', 'wal']) {
    it(`refuses another program's database in ${mode} mode`, async (context) => {
      const path = temporaryPath(context);
      const db = new Database(path);
      db.pragma(`journal_mode = ${mode}`);
      db.exec('CREATE TABLE theirs (a)');
      db.close();
      await refusesUntouched(path, 'conflict', /database of another program/);
    });
  }

  it('refuses what is no database', async (context) => {
    const path = temporaryPath(context);
    writeFileSync(path, 'routes: []\n'.repeat(100));
    await refusesUntouched(path, 'invalid', /not an SQLite database/);
    writeFileSync(path, 'short');
    await refusesUntouched(path, 'invalid', /not an SQLite database/);
  });

  it('refuses a ledger cut in half', async (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    writeFileSync(path, readFileSync(path).subarray(0, 3_000));
    await refusesUntouched(path, 'invalid', /damaged/);
  });

  it('says that there is no ledger to read', (context) => {
    const path = temporaryPath(context);
    assert.throws(() => openForReading(path), refusal('not_found', /there is no ledger/));
    assert.equal(existsSync(path), false);
  });

  it('opens what a killed process left in its WAL', async (context) => {
    const path = temporaryPath(context);
    const ledger = await openFor(context, path);
    await ledger.journal.commit(makeEntry(1));
    for (const end of ['', '-wal']) copyFileSync(path + end, `${path}.copy${end}`);
    await ledger.close();
    const db = openForReading(`${path}.copy`);
    assert.equal(db.prepare('SELECT count(*) FROM decisions').pluck().get(), 1);
    db.close();
  });

  it('reads a ledger that another process has open', async (context) => {
    const path = temporaryPath(context);
    const { child, line, ended } = startChild(context, 'record', path);
    await line();
    const db = openForReading(path);
    assert.ok((db.prepare('SELECT count(*) FROM calls').pluck().get() as number) > 0);
    db.close();
    child.kill('SIGKILL');
    await ended;
  });
});
