import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { defaultRoles } from '../../src/core/roles/roles.ts';
import { RolesFile } from '../../src/daemon/roles.ts';
import { parsePolicyText } from '../../src/files/policy.ts';

const DEFAULTS = defaultRoles(process.geteuid?.() ?? 0);

function open(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-roles-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'upshift.db.roles');
  return { folder, path, write: (text: string) => writeFileSync(path, text, { mode: 0o600 }) };
}

describe('the roles of a running daemon', () => {
  it('are what the file says now, and while it is broken what it said before, logged once', (context) => {
    const { folder, path, write } = open(context);
    const said: string[] = [];
    const file = new RolesFile(join(folder, 'upshift.db'), null, (level, what) => said.push(`${level} ${what}`));
    assert.deepEqual(file.roles, DEFAULTS);
    write('approve: [ann]');
    file.reload();
    file.reload();
    assert.deepEqual(file.roles.approve, ['ann']);
    write('approve: [');
    for (let i = 0; i < 3; i++) file.reload();
    assert.deepEqual(file.roles.approve, ['ann']);
    rmSync(path);
    file.reload();
    assert.deepEqual(file.roles, DEFAULTS);
    assert.deepEqual(said, [
      'info roles changed',
      'error roles cannot be read: what they were before holds',
      'info roles changed',
    ]);
  });

  it('are doubted if the policy wants more people than may approve', (context) => {
    const { folder, write } = open(context);
    const wanting = (people: number) =>
      parsePolicyText(`defaults: { approvals: { promote: ${people} } }\n`, 'policy.yaml').policy;
    const cases: readonly (readonly [file: string, group: string | null, people: number, doubt: RegExp | null])[] = [
      ['{}', null, 1, null],
      ['{ admin: [0] }', null, 2, /wants 2 people to approve, and nobody may here, root aside.*--group G/],
      ['{ admin: [0, 1001] }', null, 2, /wants 2 people to approve, and only 1 may here, root aside/],
      ['{ admin: [1001], approve: [ann] }', null, 2, /wants 2 people to approve, and only 1 may here/],
      ['{ admin: [1001], approve: [ann] }', 'ops', 2, null],
      ['{ admin: [1001], approve: [ann] }', 'ops', 3, /wants 3 people to approve, and only 2 may here/],
      ['{ approve: ["@dev"] }', null, 2, /wants 2 people to approve/],
      ['{}', 'ops', 5, null],
    ];
    for (const [text, group, people, doubt] of cases) {
      write(text);
      const said: string[] = [];
      const file = new RolesFile(join(folder, 'upshift.db'), group, (level, what) => said.push(`${level} ${what}`));
      file.warnAbout(wanting(people));
      if (doubt === null) assert.deepEqual(said, [], text);
      else assert.match(said.join('\n'), doubt);
    }
  });

  it('must be readable when it starts', (context) => {
    const { folder, write } = open(context);
    write('approve: [');
    assert.throws(() => new RolesFile(join(folder, 'upshift.db'), null, () => undefined), { code: 'invalid' });
  });
});
