import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { INELIGIBLE_REASONS } from '../../src/core/eligibility.ts';
import { OUTCOMES } from '../../src/core/outcome.ts';
import { AppError } from '../../src/core/errors.ts';
import { checkSchema, migrate, readMigrations } from '../../src/ledger/migrate.ts';
import type { Migration } from '../../src/ledger/migrate.ts';
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

/**
 * Both ways in refuse the file, and nothing about it or beside it changes. A ledger is read by SQLite, which leaves its
 * own two files beside it; what is no ledger is not.
 */
async function refusesUntouched(path: string, code: string, pattern: RegExp, isLedger = false): Promise<void> {
  const bytes = readFileSync(path);
  const names = readdirSync(dirname(path));
  if (isLedger) names.push(...['-shm', '-wal'].map((end) => basename(path) + end));
  await assert.rejects(openLedger(path, { clock }), refusal(code, pattern));
  assert.throws(() => openForReading(path), refusal(code, pattern));
  assert.deepEqual(readFileSync(path), bytes);
  assert.deepEqual(readdirSync(dirname(path)), names);
}

/** A ledger of more than 3 MB. */
function largeLedger(context: TestContext): string {
  const path = temporaryPath(context);
  migrate(path, START_MS);
  const db = new Database(path);
  db.exec(`INSERT INTO meta WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 3000)
    SELECT 'filler ' || n, hex(zeroblob(600)) FROM k; PRAGMA wal_checkpoint(TRUNCATE)`);
  db.close();
  assert.ok(statSync(path).size > 3_000_000);
  return path;
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

  it('holds the outcomes and the reasons of ineligible calls at the numbers that the core gives them', (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const db = new Database(path, { readonly: true });
    assert.deepEqual(db.prepare('SELECT name FROM outcomes ORDER BY id').pluck().all(), OUTCOMES);
    const reasons = db.prepare('SELECT name FROM ineligible_reasons ORDER BY id').pluck().all();
    assert.deepEqual(reasons, INELIGIBLE_REASONS);
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

  it('says that a ledger is behind while a migration is due', (context) => {
    const path = temporaryPath(context);
    assert.equal(checkSchema(path), 'absent');
    migrate(path, START_MS);
    assert.equal(checkSchema(path), 'current');
    const later = { version: NEXT, name: '9999_later.sql', sql: '', checksum: 'x' };
    assert.equal(checkSchema(path, [...MIGRATIONS, later]), 'behind');
  });

  it('lets a ledger give single pages back to the disk', (context) => {
    const path = temporaryPath(context);
    migrate(path, START_MS);
    const db = new Database(path, { readonly: true });
    const incremental = 2;
    assert.equal(db.pragma('auto_vacuum', { simple: true }), incremental);
    db.close();
  });

  it('refuses a newer schema', async (context) => {
    const path = temporaryPath(context);
    const sql = 'CREATE TABLE later (a INTEGER) STRICT;';
    const later = { version: NEXT, name: '9999_later.sql', sql, checksum: 'x' };
    migrate(path, START_MS, [...MIGRATIONS, later]);
    await refusesUntouched(path, 'conflict', new RegExp(`has schema ${NEXT}, newer than the ${NEXT - 1}`), true);
  });

  it('refuses a ledger of another build, names both schemas, and says what to do about its endpoints', async (context) => {
    const path = temporaryPath(context);
    const other = { ...(MIGRATIONS[0] as Migration), checksum: '0123456789abcdef' };
    const further = { version: NEXT, name: '0002_shadow.sql', sql: '', checksum: 'x' };
    // A build before there was one migration had several: that does not make its schema a newer one.
    migrate(path, START_MS, [other, further]);
    const ours = MIGRATIONS[0]?.checksum.slice(0, 8);
    const says = `another build of upshift made ${path}: it has schema 0001_ledger.sql 01234567, this build 0001_ledger.sql ${ours}`;
    await refusesUntouched(path, 'conflict', new RegExp(says.replaceAll('.', String.raw`\.`)), true);
    assert.throws(
      () => openForReading(path),
      ({ hint }: AppError) =>
        hint?.includes('`upshift endpoints`') === true && !/(delete|remove) (it|the)\b/.test(hint),
    );
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
    await refusesUntouched(path, 'invalid', /damaged/, true);
    const large = largeLedger(context);
    writeFileSync(large, readFileSync(large).subarray(0, 1_200_000));
    await refusesUntouched(large, 'invalid', /damaged/, true);
  });

  it('opens a large ledger wherever its schema stands in the file', async (context) => {
    for (const rebuild of ['', 'VACUUM; DELETE FROM meta; PRAGMA incremental_vacuum;']) {
      const path = largeLedger(context);
      const db = new Database(path);
      // What is made last stands at the end of the file.
      for (let n = 0; n < 200; n++) db.exec(`CREATE VIEW later_${n} AS SELECT '${'x'.repeat(100)}'`);
      db.exec(`${rebuild}; PRAGMA wal_checkpoint(TRUNCATE)`);
      db.close();
      assert.equal(checkSchema(path), 'current', rebuild);
      const ledger = await openFor(context, path);
      await ledger.close();
      openForReading(path).close();
    }
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
