import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { makeReport, makeRoute } from './reports.ts';
import { openBook, spawnUpshift, temporaryFolder, upshift } from './rig.ts';

describe('the command line', { concurrency: 4 }, () => {
  it('names the command or option that was meant, exit 2', async () => {
    const command = await upshift(['statsu']);
    assert.deepEqual(command, {
      code: 2,
      out: '',
      err: 'error: unknown command "statsu"\nhint: did you mean `npx upshift status`?\n',
    });
    const option = await upshift(['approve', '--stp', '2']);
    assert.equal(option.code, 2);
    assert.match(option.err, /unknown option --stp\nhint: did you mean --step\?/);
  });

  it('refuses values that cannot be, with the value, exit 2', async () => {
    const cases = [
      { args: ['audit', '--limit', '1.5'], said: /--limit 1\.5 is out of range/ },
      { args: ['approve', '--step', 'two'], said: /--step is not a number/ },
      { args: ['simulate', '--port', '70000'], said: /--port 70000 is out of range/ },
      { args: ['explain', 'x'], said: /"x" is not the number of a decision/ },
      { args: ['policy'], said: /a command is missing: policy check FILE/ },
      { args: ['status', 'now'], said: /unexpected argument "now"/ },
    ];
    for (const { args, said } of cases) {
      const { code, out, err } = await upshift(args);
      assert.equal(code, 2, args.join(' '));
      assert.equal(out, '');
      assert.match(err, said);
    }
  });

  it('teaches: help has examples and exit codes', async () => {
    const top = await upshift(['--help']);
    assert.equal(top.code, 0);
    assert.match(top.out, /4 refused {3}5 rolled back/);
    const bare = await upshift([]);
    assert.equal(bare.code, 2);
    assert.match(bare.err, /upshift <command>/);
    for (const command of ['status', 'approve', 'abort', 'audit', 'explain', 'endpoints', 'simulate']) {
      const { out } = await upshift([command, '--help']);
      assert.match(out, /Examples:/, command);
      assert.match(out, /--json: /, command);
    }
  });

  it('tells of errors as JSON where JSON is wanted', async (context) => {
    const db = join(temporaryFolder(context), 'none.db');
    const { code, out, err } = await upshift(['status', '--db', db, '--json']);
    assert.equal(code, 2);
    assert.equal(out, '');
    const { error } = JSON.parse(err) as { error: Record<string, string> };
    assert.equal(error['code'], 'not_found');
    assert.match(error['message'] ?? '', /there is no ledger at .*none\.db/);
    assert.ok(error['hint']);
  });

  it('leaves a database of another program as it was, exit 4', async (context) => {
    const db = join(temporaryFolder(context), 'other.db');
    const bytes = Buffer.alloc(4_096);
    bytes.write('SQLite format 3\0', 'latin1');
    writeFileSync(db, bytes);
    for (const args of [['status'], ['approve'], ['audit', '--verify']]) {
      const { code, err } = await upshift([...args, '--db', db]);
      assert.equal(code, 4, args.join(' '));
      assert.match(err, /is a database of another program/);
    }
    assert.deepEqual(readFileSync(db), bytes);
  });

  it('finds the ledger by UPSHIFT_DB', async (context) => {
    const db = join(temporaryFolder(context), 'by-environment.db');
    const { err } = await upshift(['status'], { UPSHIFT_DB: db });
    assert.match(err, /by-environment\.db/);
  });

  it('starts on its own Node where the one at hand is too old', async () => {
    const old = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.1.0' } })`;
    const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(old)}`];
    assert.match((await spawnUpshift(['--version'], { nodeArgs }).ended).out, /^\d+\.\d+\.\d+\n$/);
    assert.equal((await spawnUpshift(['statsu'], { nodeArgs }).ended).code, 2);
    const none = await spawnUpshift(['--version'], { nodeArgs, env: { UPSHIFT_OWN_NODE: '1' } }).ended;
    assert.equal(none.code, 2);
    assert.match(none.err, /upshift needs Node 24 or newer, and this is 18\.1\.0/);
  });
});

describe('status', { concurrency: 4 }, () => {
  it('shows the last figures of a daemon that does not run, exit 3', async (context) => {
    const book = await openBook(context);
    await book.saveStatus(makeReport([makeRoute()]));
    await book.close();
    const text = await upshift(['status', '--db', book.path]);
    assert.equal(text.code, 3);
    assert.match(text.out, /^upshift 0\.1\.0 {2}not running {2}figures of 12:00:00Z/);
    const json = await upshift(['status', '--db', book.path, '--json']);
    assert.equal(json.code, 3);
    const report = JSON.parse(json.out) as { running: boolean; routes: unknown[] };
    assert.equal(report.running, false);
    assert.equal(report.routes.length, 1);
  });

  it('says that no daemon has run, exit 2', async (context) => {
    const book = await openBook(context);
    await book.close();
    const { code, err } = await upshift(['status', '--db', book.path]);
    assert.equal(code, 2);
    assert.match(err, /no daemon has run on/);
  });

  it('watches through a pipe: a block whenever something changes, until Ctrl-C, exit 130', async (context) => {
    const book = await openBook(context);
    await book.saveStatus(makeReport([makeRoute()]));
    const running = spawnUpshift(['status', '--watch', '--db', book.path]);
    await running.said(/WATCHING/);
    await book.saveStatus(
      makeReport([makeRoute()], {
        gateway: {
          inFlight: 0,
          calls: 7,
          ineligible: 0,
          ineligibleBecause: {},
          withoutToken: 0,
          throughOutage: 0,
          localTrouble: null,
        },
      }),
    );
    await book.saveStatus(makeReport([makeRoute({ phase: 'draining' })]));
    await running.said(/DRAINING/);
    running.child.kill('SIGINT');
    const { code, out } = await running.ended;
    assert.equal(code, 130);
    assert.equal(out.match(/^upshift 0\.1\.0 {2}running/gm)?.length, 2);
    assert.doesNotMatch(out, /\u001b/);
  });
});
