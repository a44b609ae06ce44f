import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { verifyAudit } from '../../../src/ledger/journal/audit.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { say } from '../../support/words.ts';
import { POLICY, makeDecision, makeEntry, makeRollout, redecide, temporaryPath, openFor } from '../rig.ts';

const COUNT = 12;

/** Writes a ledger with some decisions, closed, and returns its path. */
async function prepare(context: TestContext): Promise<string> {
  const path = temporaryPath(context);
  const { journal, close } = await openFor(context, path);
  for (let n = 1; n <= COUNT; n++) {
    const changes = n === 5 ? { coreVersion: 0, output: '{"detail":"made by another version"}' } : {};
    await journal.commit(makeEntry(n, { decision: makeDecision(n, changes) }));
  }
  await close();
  return path;
}

/** A ledger with one decision that carried out a request, and the events that it led to. */
async function prepareLinked(context: TestContext): Promise<string> {
  const path = temporaryPath(context);
  const { journal, close } = await openFor(context, path);
  const request = { kind: 'abort' as const, rolloutId: 'abcdefgh', askId: null, step: null, reason: 'too slow' };
  await journal.commit({ rollout: makeRollout(), events: [], outcomes: [] });
  say(path, request);
  const [{ id, by, uid } = { id: 0, by: '', uid: 0 }] = (await journal.pendingRequests(null)).requests;
  const events = [{ type: 'paused' }, { type: 'draining' }];
  const outcome = { requestId: id, result: 'done' as const, message: 'carried out' };
  const input = JSON.stringify({ observation: { request: { id, ...request, by, uid } } });
  const decision = makeDecision(1, { input, output: JSON.stringify({ events, outcome }), coreVersion: 0 });
  await journal.commit(
    makeEntry(1, {
      decision,
      events: events.map((event) => ({ rolloutId: 'abcdefgh', at: 1, type: event.type, data: JSON.stringify(event) })),
      outcomes: [{ ...outcome, at: 1 }],
    }),
  );
  await close();
  return path;
}

function verify(path: string) {
  const db = openForReading(path);
  try {
    return verifyAudit(db, redecide, 1);
  } finally {
    db.close();
  }
}

/** Changes rows behind the triggers' back, as somebody with the file would. */
function tamper(path: string, sql: string): void {
  const db = new Database(path);
  db.pragma('foreign_keys = OFF');
  const triggers = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").pluck().all() as string[];
  for (const name of triggers) db.exec(`DROP TRIGGER ${name}`);
  db.exec(sql);
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
}

describe('audit', () => {
  it('finds nothing wrong with what was only written, and does not rerun other versions of the core', async (context) => {
    const path = await prepare(context);
    const { head, ...report } = verify(path);
    assert.deepEqual(report, {
      decisions: COUNT,
      rerun: COUNT - 1,
      notCompared: [{ coreVersion: 0, decisions: 1 }],
      covered: {
        decision: COUNT,
        event: 0,
        ask: 0,
        rollout: 1,
        request: 0,
        policy: 1,
        price: 0,
        bill: 0,
        span: 0,
        endpoint: 0,
        calls: 0,
      },
      calls: { covered: 0, until: null, open: 0 },
      rollouts: 0,
      seals: 2 * COUNT + 1,
      problems: [],
    });
    assert.match(head ?? '', /^[0-9a-f]{64}$/);
  });

  const changes: [string, string, number | null][] = [
    ['a changed reason', "UPDATE decisions SET reason = 'over_limits' WHERE id = 3", 3],
    ['a changed time', 'UPDATE decisions SET decided_at_ms = decided_at_ms + 1 WHERE id = 4', 4],
    ['a changed seal', "UPDATE seals SET digest = 'x' WHERE key = '[6]'", 6],
    ['a changed hash', "UPDATE seals SET hash = 'x' WHERE key = '[6]'", 6],
    ['a removed seal', "DELETE FROM seals WHERE key = '[6]'", 6],
    ['a removed decision', 'DELETE FROM decisions WHERE id = 7', 7],
    ['removed decisions at the end', 'DELETE FROM decisions WHERE id > 10', 11],
    ['a policy that was changed', "UPDATE policies SET text = text || ' '", 1],
    [
      'a policy whose values were changed together with their hash',
      "UPDATE policies SET parsed = '{}', parsed_hash = 'x'",
      1,
    ],
    ['a removed policy', 'DELETE FROM policies', 1],
  ];
  for (const [what, sql, id] of changes) {
    it(`names ${what}`, async (context) => {
      const path = await prepare(context);
      tamper(path, sql);
      const { problems } = verify(path);
      assert.ok(
        problems.some(({ decisionId }) => decisionId === id),
        JSON.stringify(problems),
      );
    });
  }

  const linked: [string, string, string][] = [
    ['an event that was removed', 'DELETE FROM events WHERE id = 2', 'the events that it led to were changed'],
    [
      'an event that was changed',
      `UPDATE events SET data = '{"type":"promoted"}'`,
      'the events that it led to were changed',
    ],
    [
      'somebody else put in the place of who asked',
      "UPDATE requests SET by_user = 'mallory'",
      'the request 1 was changed',
    ],
    ['a reason put into a mouth', "UPDATE requests SET reason = 'ordered'", 'the request 1 was changed'],
    [
      'an answer that was changed',
      "UPDATE request_outcomes SET result = 'refused'",
      'what became of the request was changed',
    ],
  ];
  for (const [what, sql, told] of linked) {
    it(`names ${what}, and that nothing guards the tables any more`, async (context) => {
      const path = await prepareLinked(context);
      assert.deepEqual(verify(path).problems, []);
      tamper(path, sql);
      const found = verify(path).problems.map(({ what: text }) => text);
      assert.ok(found.includes(told), found.join('; '));
      assert.ok(found.some((text) => text.includes('triggers')));
    });
  }

  it('notices where a decision would come out differently', async (context) => {
    const path = await prepare(context);
    const db = openForReading(path);
    const report = verifyAudit(db, (input) => (input.includes('ünlike 9') ? '{}' : redecide(input)), 1);
    db.close();
    assert.deepEqual(
      report.problems.map(({ decisionId, what }) => ({ decisionId, what })),
      [{ decisionId: 9, what: 'decided again from what it saw, it comes out differently' }],
    );
  });

  describe('with one byte of the file flipped', () => {
    let bytes: Buffer;
    let cells: { readonly id: number; readonly from: number; readonly to: number }[];
    let path: string;
    let cleanUp: (() => void)[] = [];

    before(async () => {
      const context = { after: (work: () => void) => cleanUp.push(work) } as unknown as TestContext;
      path = await prepare(context);
      bytes = readFileSync(path);
      cells = findCells(path, bytes);
      assert.equal(cells.length, COUNT);
    });

    it('names the decision, whichever byte of its values it is', () => {
      const anywhere = fc.integer({ min: 0, max: COUNT - 1 }).chain((i) => {
        const { id, from, to } = cells[i] as (typeof cells)[0];
        return fc.record({
          id: fc.constant(id),
          at: fc.integer({ min: from + 20, max: to - 1 }),
          bit: fc.integer({ min: 0, max: 7 }),
        });
      });
      fc.assert(
        fc.property(anywhere, ({ id, at, bit }) => {
          const { problems } = verifyFlipped(at, bit);
          assert.ok(
            problems.some(({ decisionId }) => decisionId === id),
            `${at}: ${JSON.stringify(problems)}`,
          );
        }),
        { numRuns: 150 },
      );
    });

    it('notices every bit of a whole row, its header included', () => {
      const { from, to } = cells[4] as (typeof cells)[0];
      for (let at = from; at < to; at += at < from + 24 ? 1 : 5) {
        for (let bit = 0; bit < 8; bit += at < from + 24 ? 1 : 3) {
          assert.notEqual(verifyFlipped(at, bit).problems.length, 0, `byte ${at - from}, bit ${bit}`);
        }
      }
    });

    it('notices a change of the policy', () => {
      const text = bytes.indexOf(POLICY.text);
      const parsed = bytes.indexOf(POLICY.parsed);
      for (const at of [text, text + 5, parsed, parsed + 8]) assert.notEqual(verifyFlipped(at, 1).problems.length, 0);
      for (const work of cleanUp) work();
      cleanUp = [];
    });

    function verifyFlipped(at: number, bit: number) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] as number) ^ (1 << bit);
      writeFileSync(path, flipped);
      const db = new Database(path, { readonly: true });
      try {
        return verifyAudit(db, redecide, 1);
      } finally {
        db.close();
      }
    }
  });
});

/** Where the rows of `decisions` lie: the cells of its index b-tree, rows whole in them (SQLite file format, 1.6). */
function findCells(path: string, bytes: Buffer): { id: number; from: number; to: number }[] {
  const db = new Database(path, { readonly: true });
  const pages = db.prepare("SELECT pageno FROM dbstat WHERE name = 'decisions'").pluck().all() as number[];
  db.close();
  const found = pages.flatMap((page) => {
    const start = (page - 1) * 4_096;
    const isLeaf = bytes[start] === 10;
    return Array.from({ length: bytes.readUInt16BE(start + 3) }, (_, i) => {
      const at = start + bytes.readUInt16BE(start + (isLeaf ? 8 : 12) + i * 2);
      const from = isLeaf ? at : at + 4;
      const [size, sizeBytes] = varint(bytes, from);
      const to = from + sizeBytes + size;
      return { id: Number(/nlike (\d+)/.exec(bytes.toString('latin1', from, to))?.[1]), from, to };
    });
  });
  return found.sort((a, b) => a.id - b.id);
}

function varint(bytes: Buffer, at: number): [value: number, length: number] {
  let value = 0;
  for (let i = 0; ; i++) {
    const byte = bytes[at + i] as number;
    value = value * 128 + (byte & 127);
    if (byte < 128) return [value, i + 1];
  }
}
