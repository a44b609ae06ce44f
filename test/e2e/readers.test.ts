import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAccount, makeGroup, openTo, whyNoAccounts } from '../support/accounts.ts';
import type { Account } from '../support/accounts.ts';
import { runUpshift, startDaemon } from '../support/processes.ts';
import { askedFor } from '../support/rollout.ts';
import { openDisk, whyNoDisk } from '../support/small-disk.ts';
import { MODEL, openStage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

const COPIED = /^note: this is a copy of .* from \d{4}-\d\d-\d\dT[\d:.]+Z\n$/;

test(
  'who has the role read reads everything from copies, and nobody else does',
  { ...PATIENT, skip: whyNoAccounts() },
  async (t) => {
    const group = makeGroup(t);
    const [owner, reader, approver, outsider] = [
      makeAccount(t, [group]),
      makeAccount(t, [group]),
      makeAccount(t, [group]),
      makeAccount(t),
    ];
    const stage = await openStage(t);
    writeFileSync(`${stage.dbPath}.roles`, JSON.stringify({ read: [reader.name, outsider.name] }), { mode: 0o600 });
    execFileSync('chown', ['-R', owner.name, stage.folder]);
    openTo(stage.dbPath);
    const more = ['--group', group];
    const daemon = await startDaemon(t, { ...stage, env: { ...stage.env, ...owner.env }, as: owner.as, more });
    const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL });
    const { rolloutId } = await askedFor(stage, 0);
    const run = (who: Account, ...words: readonly string[]) =>
      runUpshift(t, [...words, '--db', stage.dbPath], { ...stage.env, ...who.env }, who.as);
    const db = `DB='${stage.dbPath}'`;

    const policy = ['--policy', stage.policyPath];
    const asked = [['status'], ['audit'], ['audit', '--verify'], ['explain', '1'], ['cost'], ['usage', ...policy]];
    for (const words of asked) {
      const { code, stdout, stderr } = await run(reader, ...words);
      assert.equal(code, 0, `${words.join(' ')}: ${stderr}`);
      assert.match(stderr, COPIED);
      assert.notEqual(stdout, '');
    }
    const judged = await run(reader, 'judge', '--replay', rolloutId);
    assert.match(judged.stderr, /note: this is a copy/);
    const shown = JSON.parse((await run(reader, 'status', '--json')).stdout) as { running: boolean; routes: unknown[] };
    assert.deepEqual([shown.running, shown.routes.length], [true, 1]);
    assert.match((await run(reader, 'status', '--watch')).stderr, /status --watch reads the ledger itself/);
    for (const line of ['cat "$DB"', 'ls "$DB.copies"', 'touch "$DB.copies/x"', 'rm -rf "$DB.copies"']) {
      assert.ok(owner.can(`${db}; test -d "$DB.copies"`));
      assert.ok(!reader.can(`${db}; ${line}`), `a reader can ${line}`);
    }
    for (const kind of ['approve', 'abort']) assert.equal((await run(outsider, kind)).code, 2);

    for (const words of [['audit'], ['explain', '1'], ['cost']]) {
      const { code, stderr } = await run(approver, ...words);
      assert.match(`${code} ${stderr}`, /^4 error: .*: this needs the role read/);
      const other = await run(outsider, ...words);
      assert.match(`${other.code} ${other.stderr}`, /^2 error: this user may not read .*\n.*role read/);
    }
    const questions = await run(approver, 'status');
    assert.equal(questions.code, 0, questions.stderr);
    assert.match(questions.stdout, new RegExp(`npx upshift approve ${rolloutId} --step 0`));
    assert.match(questions.stderr, /only what is asked: .*this needs the role read/);

    await eventually('the log tells of both', () =>
      [`${reader.name} (user `, `${approver.name} (user `].every((who) => daemon.stderr().includes(who)),
    );
    assert.equal(
      stage.read((ledger) => ledger.prepare('SELECT count(*) FROM requests').pluck().get()),
      0,
    );
    await traffic.stop();
    assert.equal(await daemon.stop(), 0);
    const late = await run(reader, 'audit');
    assert.match(`${late.code} ${late.stderr}`, /^1 error: no daemon runs on/);
  },
);

test(
  'no copy takes the last room of a disk, and the reader is told why',
  { ...PATIENT, skip: whyNoAccounts() || whyNoDisk() },
  async (t) => {
    const group = makeGroup(t);
    const [owner, reader] = [makeAccount(t, [group]), makeAccount(t, [group])];
    const disk = openDisk(t, 24);
    const dbPath = join(disk.path, 'upshift.db');
    const stage = await openStage(t);
    writeFileSync(`${dbPath}.roles`, JSON.stringify({ read: [reader.name] }), { mode: 0o600 });
    execFileSync('chown', ['-R', owner.name, disk.path, stage.folder]);
    chmodSync(disk.path, 0o711);
    const env = { ...stage.env, ...owner.env };
    const daemon = await startDaemon(t, { ...stage, dbPath, env, as: owner.as, more: ['--group', group] });
    const read = () => runUpshift(t, ['audit', '--db', dbPath], { ...stage.env, ...reader.env }, reader.as);
    const roomy = await read();
    assert.equal(roomy.code, 0, roomy.stderr);

    const filler = join(disk.path, 'large');
    const { bavail, bsize } = statfsSync(disk.path);
    writeFileSync(filler, Buffer.alloc(bavail * bsize - 200_000));
    const tight = await read();
    assert.match(`${tight.code} ${tight.stderr}`, /^4 error: the disk has no room for a copy: the ledger has \d+ MB/);
    disk.fill();
    const full = await read();
    // The daemon may have given its reserve back by then, which is room for words and not for copies.
    const nothing =
      /^(?:1 error: nothing can be written into .*\n.*check the space|4 error: the disk has no room for a copy)/;
    assert.match(`${full.code} ${full.stderr}`, nothing);

    rmSync(filler);
    disk.free();
    const again = await read();
    assert.equal(again.code, 0, again.stderr);
    assert.equal(await daemon.stop(), 0, daemon.stderr());
  },
);
