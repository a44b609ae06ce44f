import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import Database from 'better-sqlite3';
import { parseSince } from '../../../src/cli/input/span.ts';
import { CORE_VERSION } from '../../../src/core/decide/decision.ts';
import { writeCheckpoint } from '../../../src/ledger/journal/checkpoint.ts';
import { openKey } from '../../../src/ledger/journal/key.ts';
import { ENDPOINT_POLICY, openAskingBook, upshift } from '../rig.ts';
import { namedInstance } from '../../support/named-instance.ts';

describe('audit', { concurrency: 4 }, () => {
  it('lists every decision with its reason', async (context) => {
    const { path } = await openAskingBook(context);
    const { code, out } = await upshift(['audit', '--db', path]);
    assert.equal(code, 0);
    assert.equal(
      out,
      [
        'acme/writer',
        'id  time                  action   reason              ticks',
        ' 1  2027-01-15 08:00:01Z  wait     criteria_not_met        1',
        '        0 calls, 0 agents, 0.0 % refused or delayed in 5 min; missing: calls 0 \u2026',
        ' 2  2027-01-15 08:00:02Z  propose  criteria_sustained      1',
        '        2400 calls, 60 agents, 10.0 % refused or delayed in 5 min; aws us-east-\u2026',
        ' 3  2027-01-15 08:00:03Z  ask      needs_approval          1',
        '        create aws us-east-1 nvidia-a10g x1 at $1.30/h; the endpoint costs at m\u2026',
        '',
        `next  npx upshift explain 3 --db ${path}: explains that decision`,
        '',
      ].join('\n'),
    );
  });

  it('lists as JSON lines, of one rollout, since a time, so many', async (context) => {
    const { path } = await openAskingBook(context);
    const ids = async (...args: string[]) => {
      const { out } = await upshift(['audit', '--json', '--db', path, ...args]);
      return out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { id: number }).id);
    };
    assert.deepEqual(await ids(), [1, 2, 3]);
    assert.deepEqual(await ids('--rollout', 'aaaa'), [2, 3]);
    assert.deepEqual(await ids('--since', '2027-01-15T08:00:03Z'), [3]);
    assert.deepEqual(await ids('--limit', '2'), [2, 3]);
    assert.deepEqual(await ids('--limit', '0'), [1, 2, 3]);
  });

  it('lists as CSV for a spreadsheet', async (context) => {
    const { path } = await openAskingBook(context);
    const { code, out } = await upshift(['audit', '--csv', '--limit', '1', '--db', path]);
    assert.equal(code, 0);
    const [head, row, end] = out.split('\r\n');
    assert.equal(head, 'id,time,model,rollout,action,reason,cause,detail,ticks,core_version,policy_hash');
    assert.match(
      row ?? '',
      /^3,2027-01-15T08:00:03\.000Z,acme\/writer,\w{8},ask,needs_approval,approval,"create .+",1,\d+,\w+$/,
    );
    assert.equal(end, '');
    for (const words of [['--json'], ['--verify'], ['key']]) {
      assert.equal((await upshift(['audit', '--csv', ...words, '--db', path])).code, 2);
    }
  });

  it('verifies that every decision follows from what it saw', async (context) => {
    const book = await openAskingBook(context);
    const { code, out } = await upshift(['audit', '--verify', '--db', book.path]);
    assert.equal(code, 0);
    assert.match(
      out,
      /3 decisions made again from what they saw\n[^]*\nconsistent in itself: nothing sealed was changed, removed or inserted\nhead [0-9a-f]{64}\n/,
    );
    const json = await upshift(['audit', '--verify', '--json', '--db', book.path]);
    const { head, ...report } = JSON.parse(json.out) as { head: string };
    assert.match(head, /^[0-9a-f]{64}$/);
    assert.deepEqual(report, {
      verified: false,
      consistent: true,
      against: 'itself',
      covered: {
        decision: 3,
        event: 0,
        ask: 0,
        rollout: 1,
        request: 0,
        policy: 0,
        price: 0,
        bill: 0,
        span: 0,
        endpoint: 0,
        calls: 0,
      },
      calls: { covered: 0, until: null, open: 0 },
      rollouts: 1,
      seals: 5,
      decisions: 3,
      coreVersion: CORE_VERSION,
      rerun: 3,
      notCompared: [],
      problems: [],
    });
  });

  it('names the decision in which a byte was changed, exit 1', async (context) => {
    const { path, close } = await openAskingBook(context);
    await close();
    const bytes = readFileSync(path);
    // Pages may hold what is left of older copies beside the row itself: each of them is flipped.
    const found = '"refusedShare":0.1';
    let flipped = 0;
    for (let at = bytes.indexOf(found); at >= 0; at = bytes.indexOf(found, at + 1)) {
      bytes[at + found.length - 1] = '3'.charCodeAt(0);
      flipped++;
    }
    assert.ok(flipped > 0);
    writeFileSync(path, bytes);
    const { code, out } = await upshift(['audit', '--verify', '--db', path]);
    assert.equal(code, 1);
    assert.match(out, /decision [23]: changed after it was sealed/);
    const json = await upshift(['audit', '--verify', '--json', '--db', path]);
    assert.equal(json.code, 1);
    assert.equal((JSON.parse(json.out) as { verified: boolean }).verified, false);
  });

  it('names a rollout whose state does not follow from its events', async (context) => {
    const { path, close } = await openAskingBook(context);
    await close();
    const db = new Database(path);
    db.exec("UPDATE rollouts SET snapshot = json_set(snapshot, '$.endpoint.url', 'http://127.0.0.1:1')");
    db.close();
    const { code, out } = await upshift(['audit', '--verify', '--db', path]);
    assert.equal(code, 1);
    assert.match(out, /  rollout \w+: its state does not follow from its events/);
  });

  it('verifies only against a key or a checkpoint that was kept elsewhere', async (context) => {
    const { path, close } = await openAskingBook(context);
    await close();
    const [key, checkpoint, other] = ['pub', 'note', 'other'].map((name) => `${path}.${name}`) as [
      string,
      string,
      string,
    ];
    writeFileSync(key, (await upshift(['audit', 'key', '--db', path])).out);
    const note = await upshift(['audit', 'checkpoint', '--db', path]);
    assert.match(note.out, /^upshift\/[0-9a-f]+\n5\n[\w+/=]{44}\n\n\u2014 upshift\/[0-9a-f]+ [\w+/=]+\n$/);
    writeFileSync(checkpoint, note.out);
    const verify = (...words: string[]) => upshift(['audit', '--verify', '--db', path, ...words]);
    for (const words of [
      ['--key', key],
      ['--checkpoint', checkpoint],
      ['--key', key, '--checkpoint', checkpoint],
    ]) {
      const { code, out } = await verify(...words);
      assert.equal(code, 0);
      assert.match(out, /^verified: nothing sealed was changed/m);
      const json = JSON.parse((await verify('--json', ...words)).out) as Record<string, unknown>;
      assert.deepEqual([json['verified'], json['against']], [true, 'outside']);
    }
    openKey(other);
    assert.match((await verify('--key', other)).out, /seal 1 was not signed with this key/);
    writeFileSync(checkpoint, note.out.replace('\n5\n', '\n4\n'));
    const { code, err } = await verify('--checkpoint', checkpoint);
    assert.equal(code, 2);
    assert.match(err, /the checkpoint of 4 seals was not signed with this key/);
    const longer = writeCheckpoint(
      { origin: note.out.split('\n')[0] ?? '', seals: 9, hash: 'ab'.repeat(32) },
      openKey(`${path}.key`),
    );
    // A file of several notes: all of them are looked at.
    writeFileSync(checkpoint, `${note.out}\n${note.out}`);
    assert.equal((await verify('--checkpoint', checkpoint)).code, 0);
    writeFileSync(`${path}.checkpoints`, note.out);
    assert.match((await verify('--checkpoint', `${path}.checkpoints`)).out, /^consistent in itself: /m);
    writeFileSync(checkpoint, `${longer}\n${note.out}`);
    assert.match((await verify('--checkpoint', checkpoint)).out, /seal 9, which the checkpoint names, is missing/);
  });

  it('takes spans and times, and nothing else', () => {
    assert.equal(parseSince('2h', 10_000_000), 2_800_000);
    assert.equal(parseSince('2026-11-24T12:00:00Z', 0), Date.UTC(2026, 10, 24, 12));
    assert.throws(() => parseSince('yesterday', 0), /--since "yesterday" is neither a span nor a time/);
    assert.throws(() => parseSince('5', 0), /neither/);
  });
});

describe('explain', { concurrency: 4 }, () => {
  it('tells the figures a decision saw, and why', async (context) => {
    const { path } = await openAskingBook(context);
    const { code, out } = await upshift(['explain', '2', '--db', path]);
    assert.equal(code, 0);
    assert.match(
      out,
      /^decision 2 {2}2027-01-15 08:00:02Z {2}acme\/writer\n {2}decided {5}propose, because criteria sustained\n/,
    );
    assert.match(out, /demand {6}2 400 calls \(more than 2 000\), 60 agents \(more than 50\), 10\.0 %/);
    assert.match(out, /held {8}since 07:53:20Z, 7 min; wanted 5 min/);
    assert.match(out, /it\s+comes\s+out\s+the\s+same/);
  });

  it('says of a decision that it cannot read that another core version made it, and shows the row', async (context) => {
    const { path, ledger, close } = await openAskingBook(context);
    const decision = {
      at: 1_800_000_004_000,
      model: 'acme/writer',
      rolloutId: 'aaaabbbb',
      coreVersion: CORE_VERSION + 1,
      policyHash: null,
      action: 'wait',
      reason: 'thinking_it_over',
      input: JSON.stringify({ rollout: 'aaaabbbb', observation: { mood: 'good' } }),
      output: JSON.stringify({ detail: 'something that only that version knows' }),
      ticks: 1,
    };
    await ledger.journal.commit({ decision, events: [], outcomes: [] });
    await close();
    const { code, out, err } = await upshift(['explain', '4', '--db', path]);
    assert.equal(code, 0, err);
    assert.match(
      out,
      /decided {5}wait, because thinking it over\n {2}that is {5}something that only that version knows\n/,
    );
    const core = `core {8}made by core version ${CORE_VERSION + 1}, this is ${CORE_VERSION}, which cannot read what\\s+that`;
    assert.match(out, new RegExp(core));
    const json = await upshift(['explain', '4', '--json', '--db', path]);
    assert.equal(json.code, 0);
    const { again, input } = JSON.parse(json.out) as Record<string, unknown>;
    assert.deepEqual({ again, input }, { again: 'not readable', input: JSON.parse(decision.input) as unknown });
  });

  it('tells the instance that was chosen and why, and decides the same again', async (context) => {
    const named = namedInstance(ENDPOINT_POLICY, 1);
    assert.ok(named);
    const reason = 'the cheapest of 3 that fit';
    const { path, close } = await openAskingBook(context, { ...named, instanceType: 'nvidia-l40s', reason });
    await close();
    const { out } = await upshift(['explain', '2', '--db', path]);
    assert.match(out, /that is {5}2400 calls[^]*; aws\s+us-east-1\s+nvidia-l40s\s+x1 at \$1\.30\/h/);
    assert.match(out, /survey {6}aws us-east-1 nvidia-l40s x1, the cheapest of 3 that fit; \$1\.30\/h,\s+read\s+at/);
    const verified = await upshift(['audit', '--verify', '--db', path]);
    assert.equal(verified.code, 0, verified.out + verified.err);
  });

  it('tells the events apart from their facts, however long their names, and what to look at next', async (context) => {
    const { path, tick, ledger } = await openAskingBook(context);
    await upshift(['approve', '--no-wait', '--db', path]);
    const [request] = (await ledger.journal.pendingRequests(null)).requests;
    await tick({ request: request ?? null });
    const { out: proposed } = await upshift(['explain', '2', '--db', path]);
    assert.match(proposed, /What it caused\n {2}proposed {4}rollout \w{8}, toward dedicated\n/);
    const { out: approved } = await upshift(['explain', '4', '--db', path]);
    assert.match(
      approved,
      /What it caused\n {2}approved {13}step 0, by \S+\n {2}provisioning started\n {2}answer {15}request 1 done: /,
    );
    assert.match(approved, /\n {2}next {8}npx upshift audit --rollout \w{8}\s+--db\s/);
    const tooLong = approved.split('\n').filter((line) => line.length > 80 && !line.includes(path));
    assert.deepEqual(tooLong, []);
  });

  it('prints everything as one JSON object', async (context) => {
    const { path } = await openAskingBook(context);
    const { out } = await upshift(['explain', '3', '--json', '--db', path]);
    const { id, action, again, input, events } = JSON.parse(out) as Record<string, unknown> & {
      input: { rollout: { phase: string } };
      events: { type: string }[];
    };
    assert.deepEqual({ id, action, again }, { id: 3, action: 'ask', again: 'same' });
    assert.equal(input.rollout.phase, 'proposed');
    assert.deepEqual(
      events.map(({ type }) => type),
      ['asked'],
    );
  });

  it('knows no decision that is not there, exit 2', async (context) => {
    const { path } = await openAskingBook(context);
    const { code, err } = await upshift(['explain', '99', '--db', path]);
    assert.equal(code, 2);
    assert.match(err, /there is no decision 99/);
  });
});
