import assert from 'node:assert/strict';
import { generateKeyPairSync, sign as signBytes, verify as verifyBytes } from 'node:crypto';
import { copyFileSync, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { AppError } from '../../../src/core/errors.ts';
import { verifyAudit } from '../../../src/ledger/journal/audit.ts';
import type { BookSpan } from '../../../src/core/money/books.ts';
import type { AuditReport } from '../../../src/ledger/journal/audit.ts';
import { readCheckpoints, writeCheckpoint } from '../../../src/ledger/journal/checkpoint.ts';
import { isSignedBy, keyPathOf, openKey, readPublicKey } from '../../../src/ledger/journal/key.ts';
import { readMark } from '../../../src/ledger/journal/mark.ts';
import { SEALED_KINDS, keysOf, seal } from '../../../src/ledger/journal/seals.ts';
import { openForReading, openLedger } from '../../../src/ledger/open.ts';
import { say } from '../../support/words.ts';
import { forge } from '../../support/forge.ts';
import { POLICY_HASH, START_MS, clock, makeDecision, makeEntry, openFor, redecide, temporaryPath } from '../rig.ts';

const ROLLOUT = 'abcdefgh';
const PRICE = { model: 'org/model', provider: 'acme', inputMicros: 100_000, outputMicros: 200_000 };
const BILL = { org: 'org', day: '2026-11-24', model: 'org/model', provider: 'acme', calls: 9, micros: 900 };

/** A ledger with everything that is sealed, closed; its path. One decision carried out an approval. */
async function makeLedger(context: TestContext): Promise<string> {
  const path = temporaryPath(context);
  const { journal, close } = await openFor(context, path);
  const ask = {
    rolloutId: ROLLOUT,
    step: 1,
    policyHash: POLICY_HASH,
    verdict: 'pass',
    figures: '{"detail":"p95 is 2 s"}',
  };
  await journal.commit(makeEntry(1, { ask: { ...ask, at: START_MS } }));
  const request = { kind: 'approve' as const, rolloutId: ROLLOUT, askId: 1, step: 1, reason: 'fine' };
  say(path, request);
  const [{ id, by, uid } = { id: 0, by: '', uid: 0 }] = (await journal.pendingRequests(null)).requests;
  const event = { type: 'approved', by };
  const outcome = { requestId: id, result: 'done' as const, message: 'approved' };
  const input = JSON.stringify({ observation: { request: { id, ...request, by, uid } } });
  const output = JSON.stringify({ events: [event], outcome });
  await journal.commit(
    makeEntry(2, {
      decision: makeDecision(2, { input, output, coreVersion: 0 }),
      events: [{ rolloutId: ROLLOUT, at: START_MS + 2, type: event.type, data: JSON.stringify(event) }],
      outcomes: [{ ...outcome, at: START_MS + 2 }],
    }),
  );
  await journal.commit(makeEntry(3));
  await journal.commit({ events: [{ rolloutId: ROLLOUT, at: START_MS + 9, type: 'noted', data: '{}' }], outcomes: [] });
  await journal.bookPrices([{ ...PRICE, isFree: false, isLive: true }], START_MS);
  await journal.bookBill([BILL], START_MS);
  const span = {
    fromMinute: 10,
    untilMinute: 20,
    state: 'running',
    replicas: 1,
    priceMicros: 800_000,
    source: 'reading',
  };
  await journal.book([
    {
      endpoint: {
        namespace: 'org',
        name: 'e',
        createdAt: START_MS,
        model: 'org/model',
        instance: 'aws us-east-1 nvidia-l4 x1',
      },
      spans: [span, { ...span, fromMinute: 20, untilMinute: 21, replicas: 2 }] as BookSpan[],
      reading: { at: START_MS, state: 'running', replicas: 2, priceMicros: 800_000, updatedAt: null },
      at: START_MS,
    },
  ]);
  await close();
  return path;
}

/** What the audit finds with the key that was kept, and with the mark beside the ledger. */
function audit(path: string, publicKey = readPublicKey(keyPathOf(path))): AuditReport {
  const db = openForReading(path);
  try {
    const mark = readMark(path);
    const marks = mark === null ? [] : [{ ...mark, from: 'the mark' }];
    return verifyAudit(db, redecide, 1, { evidence: { publicKey, marks } });
  } finally {
    db.close();
  }
}

const found = (report: AuditReport) =>
  report.problems.map(({ decisionId, what }) => `${decisionId === null ? '' : `decision ${decisionId}: `}${what}`);

/** A signature of somebody who has another key. */
function foreignSign() {
  const { privateKey } = generateKeyPairSync('ed25519');
  return (text: string) => signBytes(null, Buffer.from(text), privateKey).toString('base64');
}

/** Makes the whole chain anew, as somebody does who knows how. */
function sealAnew(db: Database.Database, sign: (text: string) => string): void {
  db.exec('DELETE FROM seals');
  for (const what of SEALED_KINDS) {
    for (const key of keysOf(db, what)) seal(db, sign, START_MS, [[what, ...(JSON.parse(key) as unknown[])]]);
  }
}

const APPROVER = `${userInfo().username}@`;
const OTHER_APPROVER = `UPDATE requests SET by_user = 'cfo';
  UPDATE decisions SET input = replace(input, '${APPROVER}', 'cfo@'), output = replace(output, '${APPROVER}', 'cfo@')
  WHERE id = 2;
  UPDATE events SET data = replace(data, '${APPROVER}', 'cfo@')`;

/** What a forger does, and what names it. */
const FORGERIES: readonly (readonly [what: string, sql: string, named: RegExp])[] = [
  ['a changed reason', "UPDATE decisions SET reason = 'over_limits' WHERE id = 3", /decision 3: changed after/],
  [
    'a moved time of a decision',
    'UPDATE decisions SET decided_at_ms = decided_at_ms + 1 WHERE id = 1',
    /decision 1: changed/,
  ],
  ['a removed decision', 'DELETE FROM decisions WHERE id = 2', /decision 2: (missing|removed)/],
  [
    'an inserted decision',
    `INSERT INTO decisions SELECT 4, decided_at_ms, model, rollout_id, core_version, policy_hash, parsed_hash, action, reason,
       ticks, input, output FROM decisions WHERE id = 3`,
    /decision 4: never sealed/,
  ],
  ['a moved time of an event', 'UPDATE events SET happened_at_ms = 1 WHERE decision_id = 2', /decision 2: changed/],
  [
    'an event of another rollout',
    "UPDATE events SET rollout_id = 'ijklmnop' WHERE decision_id = 3",
    /list of events and questions of rollout ijklmnop was never sealed/,
  ],
  ['a removed event', 'DELETE FROM events WHERE decision_id = 3', /decision 3: changed/],
  [
    'an event put under a decision',
    `INSERT INTO events (decision_id, rollout_id, happened_at_ms, type, data) VALUES (1, '${ROLLOUT}', 1, 'promoted', '{}')`,
    /decision 1: changed/,
  ],
  [
    'an event that no decision led to',
    `INSERT INTO events (rollout_id, happened_at_ms, type, data) VALUES ('${ROLLOUT}', 1, 'promoted', '{}')`,
    /the event \d+ was never sealed/,
  ],
  [
    'an event taken from its decision',
    'UPDATE events SET decision_id = NULL WHERE decision_id = 3',
    /decision 3: changed/,
  ],
  ['an edited question', `UPDATE asks SET figures = '{"detail":"p95 is 9 s"}'`, /decision 1: changed/],
  ['a moved time of a question', 'UPDATE asks SET asked_at_ms = 1', /decision 1: changed/],
  ['another approver', "UPDATE requests SET by_user = 'cfo'", /the request 1 was changed/],
  ['another number of the approver', 'UPDATE requests SET by_uid = by_uid + 1', /the request 1 was changed/],
  ['another word', "UPDATE requests SET word = 'x'", /the request 1 was changed/],
  ['another approver everywhere', OTHER_APPROVER, /decision 2: changed/],
  ['a moved time of an approval', 'UPDATE requests SET requested_at_ms = 1', /the request 1 was changed/],
  ['another answer to a request', "UPDATE request_outcomes SET message = 'no'", /the request 1 was changed/],
  ['a moved time of an answer', 'UPDATE request_outcomes SET settled_at_ms = 1', /the request 1 was changed/],
  ['a removed request', 'DELETE FROM requests', /the request 1 was changed|the request 1 was removed/],
  [
    'a request that nobody said',
    `INSERT INTO requests (kind, rollout_id, by_user, by_host, by_uid, word, requested_at_ms)
       VALUES ('approve', '${ROLLOUT}', 'cfo', 'desk', 0, 'w', 1)`,
    /the request 2 was never sealed: it came from another hand/,
  ],
  ['a price of one', 'UPDATE provider_prices SET input_micros = 1', /the price org\/model acme \d+ was changed/],
  ['a removed price', 'DELETE FROM provider_prices', /the price org\/model acme \d+ was removed/],
  [
    'an older price',
    "INSERT INTO provider_prices VALUES ('org/model', 'acme', 5, 1, 1, 0, 1)",
    /the price org\/model acme 5 was never sealed/,
  ],
  [
    'a changed bill',
    'UPDATE bills SET cost_micros = 1',
    /the line of a bill org 2026-11-24 org\/model acme was changed/,
  ],
  [
    'a span at another price',
    'UPDATE endpoint_spans SET hourly_price_micros = 1 WHERE from_minute = 10',
    /the span of an endpoint 1 10 was changed/,
  ],
  ['a removed span', 'DELETE FROM endpoint_spans WHERE from_minute = 10', /the span of an endpoint 1 10 was removed/],
  [
    'an invented span',
    "INSERT INTO endpoint_spans VALUES (1, 2, 9, 'running', 9, 1, 'reading')",
    /the span of an endpoint 1 2 was never sealed/,
  ],
  ['a changed look at an endpoint', "UPDATE endpoints SET state = 'paused'", /the endpoint org e \d+ was changed/],
  ['an endpoint of another model', "UPDATE endpoints SET model = 'x'", /the endpoint org e \d+ was changed/],
  [
    'an invented endpoint',
    `INSERT INTO endpoints SELECT 2, 'org', 'f', created_at_ms, model, rollout_id, instance, first_seen_at_ms,
       last_seen_at_ms, state, replicas, hourly_price_micros, updated_at_ms, gone_at_ms FROM endpoints`,
    /the endpoint org f \d+ was never sealed/,
  ],
  ['another text of a policy', "UPDATE policies SET text = 'routes: [ ]'", /the policy \w+ was changed/],
  ['another path of a policy', "UPDATE policies SET path = 'my.yaml'", /the policy \w+ was changed/],
  ['a removed policy', 'DELETE FROM policies', /the policy \w+ was removed/],
  ['a changed digest', "UPDATE seals SET digest = 'x' WHERE id = 2", /seal 2 was changed/],
  ['a moved time of a seal', 'UPDATE seals SET sealed_at_ms = 1 WHERE id = 2', /seal 2 was changed/],
  ['a removed seal', 'DELETE FROM seals WHERE id = 2', /seal 2 is missing/],
  [
    'the last decisions and their seals cut off',
    'DELETE FROM decisions WHERE id = 3; DELETE FROM events WHERE decision_id = 3; DELETE FROM seals WHERE id > 3',
    /seal \d+, which the mark names, is missing/,
  ],
];

describe('what a forger does to a ledger', () => {
  it('a ledger that nobody touched is as it was sealed, and all of it is covered', async (context) => {
    const report = audit(await makeLedger(context));
    assert.deepEqual(found(report), []);
    assert.deepEqual(report.covered, {
      decision: 3,
      event: 1,
      ask: 0,
      rollout: 1,
      request: 1,
      policy: 1,
      price: 1,
      bill: 1,
      span: 1,
      endpoint: 1,
      calls: 0,
    });
  });

  for (const [what, sql, named] of FORGERIES) {
    it(`${what} is found and named`, async (context) => {
      const path = await makeLedger(context);
      forge(path, (db) => db.exec(sql));
      const all = found(audit(path));
      assert.ok(
        all.some((one) => named.test(one)),
        all.join('\n'),
      );
    });
  }

  it('a span that is over, goes on after all, is written anew or removed, is no forgery', async (context) => {
    const path = await makeLedger(context);
    const { journal, close } = await openFor(context, path);
    const span = (fromMinute: number, untilMinute: number, replicas: number): BookSpan => ({
      fromMinute,
      untilMinute,
      state: 'running',
      replicas,
      priceMicros: 800_000,
      source: 'reading',
    });
    const endpoint = { namespace: 'org', name: 'e', createdAt: START_MS, model: 'org/model', instance: 'x' };
    const reading = { at: START_MS, state: 'running', replicas: 1, priceMicros: 800_000, updatedAt: null };
    const days: readonly (readonly [spans: BookSpan[], isGone: boolean])[] = [
      [[span(20, 25, 1)], false],
      [[span(25, 26, 1)], false],
      [[span(26, 27, 3), span(27, 28, 1)], false],
      [[span(26, 28, 1), span(28, 29, 2)], false],
      [[], true],
      [[span(29, 30, 2)], false],
      [[span(12, 30, 4)], false],
    ];
    for (const [spans, isGone] of days) {
      await journal.book([{ endpoint, spans, reading: isGone ? null : reading, at: START_MS }]);
      assert.deepEqual(found(audit(path)), []);
    }
    await close();
  });

  it('a chain made anew shows that another key signed it, wherever the forger begins', async (context) => {
    const path = await makeLedger(context);
    const before = readMark(path);
    forge(path, (db) => {
      db.exec(OTHER_APPROVER);
      sealAnew(db, foreignSign());
    });
    const all = found(audit(path)).join('\n');
    assert.match(all, /seal 1 was not signed with this key/);
    assert.match(all, new RegExp(`seal ${before?.seal}, which the mark names, is (missing|rewritten)`));
    // Without the key and the mark, nothing is left that shows it.
    const db = openForReading(path);
    const blind = verifyAudit(db, redecide, 1).problems;
    db.close();
    assert.deepEqual(blind, []);
  });

  it('one row that another key sealed is found among those of the right one', async (context) => {
    const path = await makeLedger(context);
    forge(path, (db) => {
      db.exec('UPDATE provider_prices SET input_micros = 1');
      seal(db, foreignSign(), START_MS, [['price', PRICE.model, PRICE.provider, START_MS]]);
    });
    assert.match(found(audit(path)).join('\n'), /seal \d+ was not signed with this key/);
  });

  it('a ledger whose guards are gone is named', async (context) => {
    const path = await makeLedger(context);
    const db = new Database(path);
    db.exec('DROP TRIGGER seals_no_update; DROP TRIGGER events_no_delete');
    db.close();
    const all = found(audit(path)).join('\n');
    assert.match(all, /triggers that keep events/);
    assert.match(all, /triggers that keep seals/);
  });

  it('an older copy, or another ledger in its place, is not started', async (context) => {
    const path = await makeLedger(context);
    copyFileSync(path, `${path}.old`);
    const { journal, close } = await openFor(context, path);
    await journal.commit(makeEntry(4));
    await close();
    const other = await makeLedger(context);
    for (const [file, told] of [
      [`${path}.old`, /is not the ledger that was here last: its seal \d+ is missing/],
      [other, /is not the ledger that was here last: its seal \d+ is (missing|rewritten)/],
    ] as const) {
      for (const end of ['-wal', '-shm']) rmSync(path + end, { force: true });
      copyFileSync(file, `${path}.copy`);
      renameSync(`${path}.copy`, path);
      assert.match(found(audit(path)).join('\n'), /seal \d+, which the mark names, is (?:missing|rewritten)/);
      await assert.rejects(openLedger(path, { clock }), (error: AppError) => {
        assert.match(error.message, told);
        assert.match(error.hint ?? '', /upshift endpoints/);
        return error.code === 'conflict';
      });
    }
  });
});

describe('the key and its checkpoints', () => {
  it('is made at the first start for its owner alone, and stays', async (context) => {
    const path = await makeLedger(context);
    const file = keyPathOf(path);
    assert.ok(existsSync(file));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const { publicKey } = openKey(file);
    assert.equal(publicKey, readPublicKey(file));
    assert.equal(openKey(file).publicKey, publicKey);
  });

  it('a checkpoint is a signed note that its key alone opens, and no letter of it may change', async (context) => {
    const path = await makeLedger(context);
    const key = openKey(keyPathOf(path));
    const other = openKey(`${path}.other`);
    const mark = readMark(path);
    assert.ok(mark !== null);
    const checkpoint = { origin: 'upshift/0123abcd', seals: mark.seal, hash: mark.hash };
    const note = writeCheckpoint(checkpoint, key);
    assert.deepEqual(readCheckpoints(note, key.publicKey), [checkpoint]);
    assert.deepEqual(readCheckpoints(note, null), [checkpoint]);
    assert.throws(() => readCheckpoints(note, other.publicKey), /not signed with this key/);
    const [text = '', signature = ''] = note.split('\n\n');
    for (let at = 0; at < text.length; at++) {
      const changed = `${text.slice(0, at)}${text[at] === '1' ? '2' : '1'}${text.slice(at + 1)}\n\n${signature}`;
      if (changed !== note) assert.throws(() => readCheckpoints(changed, key.publicKey), AppError);
    }
    // As another program reads it: the signature follows four bytes, and is of the text with its last line end.
    const bytes = Buffer.from(signature.trim().split(' ')[2] ?? '', 'base64').subarray(4);
    assert.ok(verifyBytes(null, Buffer.from(`${text}\n`), key.publicKey, bytes));
  });

  it('does not take for a signature what is none', async (context) => {
    const { publicKey, sign } = openKey(keyPathOf(await makeLedger(context)));
    assert.ok(isSignedBy(publicKey, 'text', sign('text')));
    for (const signature of ['', 'x', sign('other'), sign('text').slice(4)]) {
      assert.ok(!isSignedBy(publicKey, 'text', signature));
    }
    assert.ok(!isSignedBy('no key', 'text', sign('text')));
  });
});
