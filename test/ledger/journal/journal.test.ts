import assert from 'node:assert/strict';
import { hostname, userInfo } from 'node:os';
import { describe, it } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import { isOver } from '../../../src/core/rollout/rollout.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { openAsks } from '../../../src/ledger/journal/asks.ts';
import { requestId, replyTo } from '../../../src/ledger/journal/requests.ts';
import { readStatus } from '../../../src/ledger/journal/status.ts';
import { decision, events, findRollout, listDecisions, measuredShares } from '../../../src/ledger/journal/rollouts.ts';
import { makeReport, makeRoute } from '../../cli/reports.ts';
import { say } from '../../support/words.ts';
import {
  POLICY_HASH,
  START_MS,
  makeCall,
  makeDecision,
  makeEntry,
  makeRollout,
  startChild,
  temporaryPath,
  openFor,
} from '../rig.ts';

const ASK = { rolloutId: 'abcdefgh', step: 1, policyHash: POLICY_HASH, verdict: 'pass', figures: '{}', at: START_MS };
const REQUEST = { kind: 'approve', rolloutId: 'abcdefgh', askId: 1, step: 1, reason: 'looks good' } as const;

/** The ids of all decisions in a ledger, oldest first. */
function decisionIds(path: string): number[] {
  const db = openForReading(path);
  try {
    return listDecisions(db).map(({ id }) => id);
  } finally {
    db.close();
  }
}

describe('journal', () => {
  it('stores an entry as a whole, and gives it back after a restart', async (context) => {
    const path = temporaryPath(context);
    const first = await openFor(context, path);
    assert.deepEqual(await first.journal.commit(makeEntry(1, { ask: ASK })), { decisionId: 1, askId: 1 });
    assert.deepEqual(await first.journal.commit(makeEntry(2)), { decisionId: 2, askId: null });
    await first.close();
    const { journal, agentSalt, close } = await openFor(context, path);
    assert.equal(agentSalt, first.agentSalt);
    assert.match(agentSalt, /^[0-9a-f]{32}$/);
    assert.deepEqual(decisionIds(path), [1, 2]);
    assert.equal((await journal.policy(POLICY_HASH)).parsed, '{"routes":[]}');
    assert.equal((await journal.openAsk('abcdefgh'))?.id, 1);
    assert.equal((await journal.latestRollouts())[0]?.model, 'org/model');
    assert.equal((await journal.commit(makeEntry(3))).decisionId, 3);
    await close();
  });

  it('stores nothing of an entry that fails in part', async (context) => {
    const path = temporaryPath(context);
    const { journal, close } = await openFor(context, path);
    const outcomes = [{ requestId: 99, at: START_MS, result: 'done' as const, message: '' }];
    await assert.rejects(journal.commit(makeEntry(1, { outcomes })), { code: 'internal' });
    assert.deepEqual(decisionIds(path), []);
    assert.deepEqual(await journal.latestRollouts(), []);
    await close();
  });

  it('knows the active rollouts, and the newest of each route that is over', async (context) => {
    const { journal, close } = await openFor(context, temporaryPath(context));
    const commit = (id: string, phase: string, createdAt: number, model = 'org/model') =>
      journal.commit({ events: [], outcomes: [], rollout: makeRollout({ id, phase, createdAt, model }) });
    await commit('a', 'stepping', 1);
    await commit('a', 'aborted', 1);
    await commit('b', 'promoted', 3);
    await commit('d', 'returned', 2);
    await commit('e', 'proposed', 4);
    await commit('c', 'failed', 1, 'org/other');
    const brief = (rows: Awaited<ReturnType<typeof journal.latestRollouts>>) =>
      rows.map(({ id, phase }) => [id, isOver(phase)]);
    assert.deepEqual(brief(await journal.latestRollouts()), [
      ['c', true],
      ['d', true],
      ['b', false],
      ['e', false],
    ]);
    await close();
  });

  it('hands a request over until it has an outcome, and closes the ask that it answers', async (context) => {
    const path = temporaryPath(context);
    const { journal, close } = await openFor(context, path);
    const db = openForReading(path);
    await journal.commit(makeEntry(1, { ask: ASK }));
    assert.deepEqual(
      openAsks(db).map(({ id, model }) => [id, model]),
      [[1, 'org/model']],
    );
    const word = say(path, REQUEST);
    assert.throws(() => db.exec('DELETE FROM meta'), /readonly|query_only/);
    const [pending] = (await journal.pendingRequests(null)).requests;
    const id = pending?.id ?? 0;
    assert.equal(requestId(db, word), id);
    assert.equal(pending?.by, `${userInfo().username}@${hostname()}`);
    assert.equal(pending?.model, 'org/model');
    assert.equal(replyTo(db, word), null);
    await journal.commit(makeEntry(2, { outcomes: [{ requestId: id, at: START_MS, result: 'done', message: 'ok' }] }));
    assert.deepEqual(await journal.pendingRequests(null), { requests: [], frozen: null, notes: [], news: [] });
    assert.equal(replyTo(db, word)?.request, id);
    assert.deepEqual(openAsks(db), []);
    assert.equal(await journal.openAsk('abcdefgh'), null);
    const report = makeReport([makeRoute()]);
    await journal.saveStatus(JSON.stringify(report), START_MS);
    assert.deepEqual(readStatus(db), { report, problem: null, pid: process.pid, updatedAt: START_MS });
    await journal.saveStatus(JSON.stringify({ ...report, pid: 'none', more: 1 }), START_MS);
    // Nobody is kept from an abort by what is only for display.
    const unreadable = readStatus(db);
    assert.equal(unreadable?.report, null);
    assert.match(String(unreadable?.problem), /daemon_status, column status: pid: .*expected number.*; .*"more"/);
    db.close();
    await close();
  });

  it('refuses to change or remove what is append-only', async (context) => {
    const path = temporaryPath(context);
    const { journal, close } = await openFor(context, path);
    await journal.commit(makeEntry(1, { ask: ASK }));
    const db = openForReading(path);
    say(path, REQUEST);
    const id = (await journal.pendingRequests(null)).requests[0]?.id ?? 0;
    await journal.commit(makeEntry(2, { outcomes: [{ requestId: id, at: START_MS, result: 'done', message: 'ok' }] }));
    db.pragma('query_only = OFF');
    const columns = {
      decisions: 'decided_at_ms',
      events: 'happened_at_ms',
      asks: 'asked_at_ms',
      requests: 'requested_at_ms',
      request_outcomes: 'settled_at_ms',
      policies: 'first_seen_at_ms',
    };
    for (const [table, column] of Object.entries(columns)) {
      assert.throws(() => db.exec(`UPDATE ${table} SET ${column} = 1`), new RegExp(`${table} is append-only`));
      assert.throws(() => db.exec(`DELETE FROM ${table}`), new RegExp(`${table} is append-only`));
    }
    db.close();
    await close();
  });

  it('says that the file is locked, and goes on when it is not', async (context) => {
    const path = temporaryPath(context);
    const { journal, close } = await openFor(context, path);
    await journal.commit(makeEntry(1));
    const { line } = startChild(context, 'hold', path, '2500');
    await line();
    await assert.rejects(journal.commit(makeEntry(2)), (error: unknown) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, 'unavailable');
      assert.match(error.message, /locked by another program/);
      return true;
    });
    assert.deepEqual(decisionIds(path), [1]);
    await line();
    assert.equal((await journal.commit(makeEntry(3))).decisionId, 2);
    await close();
    await assert.rejects(journal.commit(makeEntry(4)), { code: 'unavailable' });
  });

  it('shows rollouts, decisions and calls as people read them', async (context) => {
    const path = temporaryPath(context);
    const ledger = await openFor(context, path);
    await ledger.journal.commit(makeEntry(1));
    await ledger.journal.commit(makeEntry(2, { decision: makeDecision(2, { rolloutId: null }) }));
    for (let n = 0; n < 400; n++) ledger.calls.record(makeCall(n, n < 200 ? {} : { unit: n % 7 }), () => undefined);
    ledger.calls.record(makeCall(400, { isEligible: false, role: null }), () => undefined);
    await ledger.calls.flush();
    const db = openForReading(path);
    assert.equal(findRollout(db, 'abc')?.id, 'abcdefgh');
    assert.equal(findRollout(db, 'b'), null);
    assert.deepEqual(
      listDecisions(db, { rollout: 'abcdefgh' }).map(({ id }) => id),
      [1],
    );
    assert.deepEqual(
      listDecisions(db, { limit: 1 }).map(({ id }) => id),
      [2],
    );
    assert.deepEqual(
      listDecisions(db, { since: START_MS + 1_500 }).map(({ id }) => id),
      [2],
    );
    assert.equal(decision(db, 1)?.input, makeDecision(1).input);
    assert.equal(decision(db, 3), null);
    assert.equal(events(db, 'abcdefgh').length, 2);
    const share = { step: 2, weight: 0.25, calls: 400, assigned: 100, measured: 0.25, served: 0.25 };
    // The second half has seven units, each call of the first half is one.
    assert.deepEqual(measuredShares(db, 'abcdefgh'), [{ ...share, units: 207 }]);
    let calls = 0;
    for await (const page of ledger.journal.stepCalls('abcdefgh')) calls += page.length;
    assert.equal(calls, 400);
    const log = db.prepare('SELECT * FROM call_log ORDER BY arrived LIMIT 1').get() as Record<string, unknown>;
    assert.match(String(log['arrived']), /^2025-10-09T08:53:20\.000Z$/);
    assert.equal(log['model'], 'org/other');
    assert.equal(log['role'], 'canary');
    assert.equal(log['served_by'], 'dedicated');
    assert.equal(log['weight'], 0.25);
    assert.equal(log['attempts'], 1);
    const told = db.prepare('SELECT * FROM decision_log').all() as Record<string, unknown>[];
    assert.match(String(told[0]?.['detail']), /^seen /);
    const line = db.prepare('SELECT * FROM rollout_timeline').all() as Record<string, unknown>[];
    assert.deepEqual(
      [line[0]?.['model'], line[0]?.['event'], line[0]?.['reason']],
      ['org/model', 'proposed', 'baking'],
    );
    db.close();
    await ledger.close();
  });
});
