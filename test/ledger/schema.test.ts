import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Database from 'better-sqlite3';
import { GATEWAY_ID } from '../../src/core/call.ts';
import { readMigrations } from '../../src/ledger/migrate.ts';

interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly isView: boolean;
}

const SQL = readMigrations()
  .map(({ sql }) => sql)
  .join('\n');

function open(): Database.Database {
  const db = new Database(':memory:');
  db.exec(SQL);
  return db;
}

function columns(): Column[] {
  const db = open();
  const tables = db.pragma('table_list') as { schema: string; name: string; type: string }[];
  const ours = tables.filter(({ schema, name }) => schema === 'main' && !name.startsWith('sqlite_'));
  const found = ours.flatMap(({ name: table, type: kind }) =>
    (db.pragma(`table_info(${table})`) as { name: string; type: string }[]).map(({ name, type }) => ({
      table,
      name,
      type,
      isView: kind === 'view',
    })),
  );
  db.close();
  return found;
}

/** The lines of a statement, from the one before it to the one that ends it. */
function linesOf(kind: string, name: string): readonly string[] {
  const lines = SQL.split('\n');
  const first = lines.findIndex((line) => line.startsWith(`CREATE ${kind} ${name} `));
  assert.ok(first > 0, name);
  return lines.slice(first - 1, lines.findIndex((line, i) => i > first && line.endsWith(';')) + 1);
}

const isComment = (line: string | undefined) => line?.trimStart().startsWith('-- ') === true;

/** Whether a comment stands beside a line or right above it. */
function isExplained(lines: readonly string[], at: number): boolean {
  return / -- \S/.test(lines[at] ?? '') || isComment(lines[at - 1]);
}

/** Whether a column of a view has a comment: its expression may take several lines, with the comment above the first. */
function isViewColumnExplained(lines: readonly string[], name: string): boolean {
  const at = lines.findIndex((line) => new RegExp(`\\bAS ${name}(,| --|$)`).test(line));
  if (/ -- \S/.test(lines[at] ?? '')) return true;
  const before = lines
    .slice(0, at)
    .findLastIndex((line) => isComment(line) || / -- \S/.test(line) || line.endsWith(','));
  return isComment(lines[before]);
}

describe('the schema', () => {
  it('has a comment on every table, view and column', () => {
    const all = columns();
    assert.ok(all.length > 200);
    const bare = all.filter(({ table, name, isView }) => {
      const lines = linesOf(isView ? 'VIEW' : 'TABLE', table);
      if (!isComment(lines[0])) return true;
      if (isView) return !isViewColumnExplained(lines, name);
      return !isExplained(
        lines,
        lines.findIndex((line) => line.startsWith(`  ${name} `)),
      );
    });
    assert.deepEqual(
      bare.map(({ table, name }) => `${table}.${name}`),
      [],
    );
  });

  it('has the unit of each time, span and amount in its name', () => {
    // Numbers that need no unit: keys, counts, bits and codes.
    const plain =
      /^(id|.*_u?id|is_.*|step|flags|status|upstream|position|pid|ticks|core_version|form|agreement|replicas|calls|.*_tokens|.*_count)$/;
    const withUnit = /(_us|_ms|_minute|_micros|_bytes|_per_10000)$/;
    const wrong = columns().filter(
      ({ name, type, isView }) => type === 'INTEGER' && !isView && !plain.test(name) && !withUnit.test(name),
    );
    assert.deepEqual(
      wrong.map(({ table, name }) => `${table}.${name}`),
      [],
    );
    const moments = columns().filter(({ name }) => /(^|_)at($|_)/.test(name));
    assert.ok(moments.length > 20);
    assert.deepEqual(
      moments.filter(({ name }) => !/_at_(us|ms)$/.test(name)).map(({ table, name }) => `${table}.${name}`),
      [],
    );
  });

  it('knows the gateway by the number that the core gives it', () => {
    const db = open();
    assert.deepEqual(db.prepare('SELECT * FROM gateways').all(), [{ id: GATEWAY_ID, name: 'gateway-1' }]);
    db.close();
  });

  it('reads calls, attempts and copies by gateway and time without a look at all rows', () => {
    const db = open();
    const plans = [
      'SELECT * FROM calls WHERE ended_at_us > 1 ORDER BY ended_at_us, gateway_id LIMIT 9',
      'SELECT * FROM calls WHERE ended_at_us = 1 AND gateway_id = 1',
      'SELECT * FROM attempts WHERE call_ended_at_us = 1 AND gateway_id = 1 ORDER BY position',
      'SELECT * FROM shadows WHERE arrived_at_us > 1 ORDER BY arrived_at_us, gateway_id LIMIT 9',
    ].map((sql) => (db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[]).map(({ detail }) => detail));
    for (const plan of plans) {
      assert.equal(plan.length, 1, plan.join());
      assert.match(String(plan[0]), /^SEARCH \w+ USING PRIMARY KEY/);
    }
    db.close();
  });
});
