import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { connect } from '../../src/ledger/database.ts';
import { migrate } from '../../src/ledger/migrate.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const folder = await mkdtemp(join(tmpdir(), 'upshift-sql-'));
after(() => rm(folder, { recursive: true, force: true }));

describe('the SQL in the documentation', () => {
  it('runs on a new ledger', () => {
    const path = join(folder, 'upshift.db');
    migrate(path, 0);
    const db = connect(path, { timeout: 1_000, readonly: true });
    try {
      const pages = ['README.md', ...globSync('docs/*.md', { cwd: ROOT })];
      const queries = pages.flatMap((page) => {
        const text = readFileSync(join(ROOT, page), 'utf8');
        return [...text.matchAll(/^```sql\n([^]*?)^```$/gm)].map(([, sql = '']) => sql);
      });
      assert.ok(queries.length > 0);
      for (const sql of queries) db.prepare(sql).all();
    } finally {
      db.close();
    }
  });
});
