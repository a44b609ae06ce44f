import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AppError } from '../core/errors.ts';
import { APPLICATION_ID, connect, inspect, peek, unreadable } from './database.ts';
import type { LedgerDb } from './database.ts';
import { sha256 } from './sha256.ts';

/** One file of `migrations/`. Migrations only go forward, and a released one is never edited. */
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
 * Brings a ledger file to the newest schema, and creates it if it is absent; each migration is one transaction. Throws
 * AppError and leaves the file's bytes as they are: `invalid` for no SQLite database, `conflict` for another program's
 * database, a newer schema, or a ledger that another build made. `now`: epoch ms.
 */
export function migrate(path: string, now: number, migrations: readonly Migration[] = readMigrations()): void {
  checkSchema(path, migrations);
  const db = connect(path, { timeout: 5_000 });
  try {
    // A new file gets its schema in rollback mode, so that the file itself, not a -wal file, says that it is a ledger.
    const isNew = db.pragma('page_count', { simple: true }) === 0;
    // Retention will give pages back to the disk. SQLite takes this setting only before the first table.
    if (isNew) db.pragma('auto_vacuum = INCREMENTAL');
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

/** Whether a file is a ledger of exactly this program's schema, or of an earlier one (`behind`). Changes nothing. */
export function checkSchema(
  path: string,
  migrations: readonly Migration[] = readMigrations(),
): 'absent' | 'current' | 'behind' {
  const found = inspect(path);
  if (found.kind === 'absent') return 'absent';
  const applied = peek(path, readApplied);
  refuseForeign(path, applied, migrations);
  return applied.length < migrations.length ? 'behind' : 'current';
}

function refuseForeign(path: string, applied: readonly Applied[], migrations: readonly Migration[]): void {
  applied.forEach((row, i) => {
    const known = migrations[i];
    if (known === undefined) throw newerSchema(path, row.version, migrations.length);
    if (known.version !== row.version || known.checksum !== row.checksum) throw anotherBuild(path, row, known);
  });
}

function newerSchema(path: string, version: number, newest: number): AppError {
  return new AppError('conflict', `${path} has schema ${version}, newer than the ${newest} that this version knows`, {
    hint: 'it was not changed; run the newer upshift, or name another file with --db',
  });
}

function anotherBuild(path: string, applied: Applied, known: Migration): AppError {
  const [theirs, ours] = [applied, known].map(({ name, checksum }) => `${name} ${checksum.slice(0, 8)}`);
  return new AppError(
    'conflict',
    `another build of upshift made ${path}: it has schema ${theirs}, this build ${ours}`,
    {
      hint:
        'it was not changed; run the build that made it, or start a new ledger with --db FILE. Before you leave the ' +
        'old one, run `upshift endpoints`: endpoints that it manages stay up and cost money until you pause or delete them',
    },
  );
}

function readApplied(db: LedgerDb): Applied[] {
  const sql = 'SELECT version, name, checksum FROM schema_migrations ORDER BY version';
  return db.prepare<[], Applied>(sql).all();
}

function apply(db: LedgerDb, migration: Migration, now: number): void {
  db.transaction(() => {
    db.exec(
      `-- Migrations that made this file.
      CREATE TABLE IF NOT EXISTS schema_migrations (
        -- Number of the migration.
        version INTEGER PRIMARY KEY,
        -- Name of its file.
        name TEXT NOT NULL,
        -- SHA-256 of its text, as hex.
        checksum TEXT NOT NULL,
        -- When it was applied.
        applied_at_ms INTEGER NOT NULL
      ) STRICT`,
    );
    db.exec(migration.sql);
    db.prepare('INSERT INTO schema_migrations (version, name, checksum, applied_at_ms) VALUES (?, ?, ?, ?)').run(
      migration.version,
      migration.name,
      migration.checksum,
      Math.round(now),
    );
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${migration.version}`);
  }).immediate();
}
