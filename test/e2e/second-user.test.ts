import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { makeAccount, makeGroup, openTo, whyNoAccounts } from '../support/accounts.ts';
import type { Account } from '../support/accounts.ts';
import { runUpshift, startDaemon } from '../support/processes.ts';
import { askedFor, assertAudited, inPhase } from '../support/rollout.ts';
import type { Stage } from '../support/stage.ts';
import { MODEL, openStage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT } from '../support/waiting.ts';

/** What another user tries, as they would type it. */
const TRIES: readonly (readonly [what: string, line: string])[] = [
  ['read the ledger', 'cat "$DB"'],
  ['read what is not in the ledger yet', 'cat "$DB-wal"'],
  ['read the key', 'cat "$DB.key"'],
  ['read the mark', 'cat "$DB.mark"'],
  ['freeze the ledger by a lock on its memory', 'exec 3<"$DB-shm"'],
  ['freeze the ledger by a lock on its file', 'exec 3<"$DB"'],
  ['hold the lock of the daemon', 'exec 3<>"$DB.lock"'],
  ['write the ledger', 'echo x >>"$DB"'],
  ['write who may do what', 'echo "admin: [$USER]" >"$DB.roles"'],
  ['put another ledger in its place', 'cp /dev/null "$DB.2" && mv -f "$DB.2" "$DB"'],
  ['plant a lock', 'ln -s /dev/null "$DB.lock.2"'],
  ['remove the lock', 'rm -f "$DB.lock"'],
  ['list the words', 'ls "$DB.words"'],
  ['write what the daemon publishes', 'echo "{}" >"$DB.open/open.json"'],
  ['put something beside what the daemon publishes', 'echo "{}" >"$DB.open/x.json"'],
  ['remove what the daemon publishes', 'rm -rf "$DB.open"'],
  ['remove the folder of words', 'rm -rf "$DB.words"'],
  [
    'plant code in the cache of the daemon',
    'mkdir -p "$THEIR_HOME/.cache/upshift" && echo x >"$THEIR_HOME/.cache/upshift/x"',
  ],
];

test(
  'another user can do nothing, and a member of the group can only approve',
  { ...PATIENT, skip: whyNoAccounts() },
  async (t) => {
    const group = makeGroup(t);
    const [owner, member, outsider] = [makeAccount(t, [group]), makeAccount(t, [group]), makeAccount(t)];
    const stage = await openStage(t, { policy: { defaults: { approvals: { provision: 2 } } } });
    execFileSync('chown', ['-R', owner.name, stage.folder]);
    openTo(stage.dbPath);
    const more = ['--group', group];
    const daemon = await startDaemon(t, { ...stage, env: { ...stage.env, ...owner.env }, as: owner.as, more });
    const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL });
    const ask = await askedFor(stage, 0);

    for (const who of [outsider, member]) {
      const name = who === member ? 'a member' : 'an outsider';
      for (const [what, line] of TRIES) assert.ok(!who.can(`${namesOf(stage, owner)}; ${line}`), `${name} can ${what}`);
      assert.ok(owner.can(`${namesOf(stage, owner)}; cat "$DB" "$DB.key"`));
    }
    assert.ok(!outsider.can(`${namesOf(stage, owner)}; echo x >"$DB.words/x"`), 'an outsider can put words');
    assert.ok(
      !outsider.can(`${namesOf(stage, owner)}; cat "$DB.open/open.json"`),
      'an outsider can read what is asked',
    );

    const run = (who: Account, words: readonly string[]) =>
      runUpshift(t, [...words, '--db', stage.dbPath], { ...stage.env, ...who.env }, who.as);
    for (const words of [['approve'], ['abort'], ['status'], ['audit'], ['explain', '1']]) {
      assert.notEqual((await run(outsider, words)).code, 0, `an outsider can ${words[0]}`);
    }
    for (const words of [['audit'], ['explain', '1'], ['cost']]) {
      assert.notEqual((await run(member, words)).code, 0, `a member can ${words[0]}`);
    }
    const shown = await run(member, ['status']);
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, new RegExp(`npx upshift approve ${ask.rolloutId} --step 0`));

    const first = await run(member, ['approve', '--step', '0', '--reason', 'fine']);
    assert.equal(first.code, 0, first.stderr);
    assert.match(
      first.stdout,
      new RegExp(`^question \\d+: step 0: create [^]*\ncounted: .* 1 of 2 approvals: ${member.name}@`),
    );
    const again = await run(member, ['approve']);
    assert.match(`${again.code} ${again.stderr}`, /^4 .*you have already approved it/);
    for (const kind of ['pause', 'abort']) {
      const { code, stderr } = await run(member, [kind]);
      assert.match(`${code} ${stderr}`, new RegExp(`^4 .*may not ${kind}: this needs the role admin`));
    }
    const told = await run(owner, ['status']);
    assert.match(told.stdout, new RegExp(`1 of 2 approvals: ${member.name}@`));
    const second = await run(owner, ['approve']);
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stdout, /^done: approve/m);
    await inPhase(stage, 'provisioning');
    await traffic.stop();
    const sql =
      "SELECT by_user FROM requests q JOIN request_outcomes o ON o.request_id = q.id WHERE result <> 'refused' ORDER BY q.id";
    assert.deepEqual(
      stage.read((db) => db.prepare(sql).pluck().all()),
      [member.name, owner.name],
    );
    assert.equal(await daemon.stop(), 0);
    assertAudited(stage);
  },
);

function namesOf({ dbPath }: Stage, { env }: Account): string {
  return `DB='${dbPath}' THEIR_HOME='${env['HOME']}'`;
}
