import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AppError } from '../core/errors.ts';
import { APPLICATION_ID, connect, inspect, peek, unreadable } from './database.ts';
import type { LedgerDb } from './database.ts';
import { sha256 } from './journal/chain.ts';

/** One file of `migrations/`: forward only, never edited once released. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the text. */
  readonly checksum: string;
}

interface Applied {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
}

const FOLDER = fileURLToPath(new URL('../../migrations/', import.meta.url));

/** Reads a folder of `NNNN_name.sql` files, in order. */
export function readMigrations(folder: string = FOLDER): readonly Migration[] {
  const names = readdirSync(folder).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name));
  return names.sort().map((name) => {
    const sql = readFileSync(`${folder}/${name}`, 'utf8');
    return { version: Number(name.slice(0, 4)), name, sql, checksum: sha256(sql) };
  });
}

/**
 * Brings a ledger file to the newest schema, creating it where it is absent; each migration is one transaction. Throws
 * AppError with the file's bytes untouched: `invalid` for no SQLite database, `conflict` for another program's database,
 * a newer schema, or a migration that was changed after it had been applied. `now`: epoch ms.
 */
export function migrate(path: string, now: number, migrations: readonly Migration[] = readMigrations()): void {
  checkSchema(path, migrations);
  const db = connect(path, { timeout: 5_000 });
  try {
    // A new file gets its schema through a rollback journal, so that its header says whose it is from the beginning.
    const isNew = db.pragma('page_count', { simple: true }) === 0;
    if (isNew) db.pragma('auto_vacuum = NONE');
    const applied = isNew ? [] : readApplied(db);
    refuseForeign(path, applied, migrations);
    const due = migrations.slice(applied.length);
    for (const migration of due) apply(db, migration, now);
    db.pragma('journal_mode = WAL');
    if (due.length > 0) db.pragma('wal_checkpoint(TRUNCATE)');
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    db.close();
  }
}

/** Checks that a file is a ledger of exactly this program's schema, or `behind` it, touching nothing. */
export function checkSchema(
  path: string,
  migrations: readonly Migration[] = readMigrations(),
): 'absent' | 'current' | 'behind' {
  const found = inspect(path);
  if (found.kind === 'absent') return 'absent';
  const newest = migrations.at(-1)?.version ?? 0;
  if (found.version > newest) throw newerSchema(path, found.version, newest);
  refuseForeign(path, peek(path, readApplied), migrations);
  return found.version < newest ? 'behind' : 'current';
}

function refuseForeign(path: string, applied: readonly Applied[], migrations: readonly Migration[]): void {
  const newest = migrations.at(-1)?.version ?? 0;
  applied.forEach((row, i) => {
    const known = migrations[i];
    if (known === undefined) throw newerSchema(path, row.version, newest);
    if (known.version === row.version && known.checksum === row.checksum) return;
    throw new AppError('conflict', `${path} was made with another text of migration ${row.name}`, {
      hint: 'it was not touched; restore the migration as it was released, or name another file with --db',
    });
  });
}

function newerSchema(path: string, version: number, newest: number): AppError {
  return new AppError('conflict', `${path} has schema ${version}, newer than the ${newest} that this version knows`, {
    hint: 'it was not touched; run the newer upshift, or name another file with --db',
  });
}

function readApplied(db: LedgerDb): Applied[] {
  const sql = 'SELECT version, name, checksum FROM schema_migrations ORDER BY version';
  return db.prepare<[], Applied>(sql).all();
}

function apply(db: LedgerDb, migration: Migration, now: number): void {
  db.transaction(() => {
    db.exec(
      `CREATE TABLE IF NOT EXISTS schema_migrations (
        version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL
      ) STRICT`,
    );
    db.exec(migration.sql);
    db.prepare('INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)').run(
      migration.version,
      migration.name,
      migration.checksum,
      Math.round(now),
    );
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${migration.version}`);
  }).immediate();
}
