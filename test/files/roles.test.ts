import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { defaultRoles } from '../../src/core/roles/roles.ts';
import { readRoles } from '../../src/files/roles.ts';

const DEFAULTS = defaultRoles(process.geteuid?.() ?? 0);
const isRoot = process.geteuid?.() === 0;

function open(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-roles-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'upshift.db.roles');
  const write = (text: string) => writeFileSync(path, text, { mode: 0o600 });
  return { folder, path, write };
}

describe('the file of roles', () => {
  it('says who may do what; without it the defaults hold', (context) => {
    const { path, write } = open(context);
    assert.deepEqual(readRoles(path, DEFAULTS), DEFAULTS);
    write('approve: [ann, "@ops", 1001] # the team\n');
    assert.deepEqual(readRoles(path, DEFAULTS), { ...DEFAULTS, approve: ['ann', '@ops', 1_001] });
  });

  it('is refused if it is wrong', (context) => {
    const { path, write } = open(context);
    for (const text of [
      '',
      'approve: [',
      'approve: ann',
      'approvers: [ann]',
      'a: &x [b]\nc: [*x]',
      'approve: []\napprove: []',
      '- a',
    ]) {
      write(text);
      assert.throws(() => readRoles(path, DEFAULTS), { name: 'AppError', code: 'invalid' }, text);
    }
    write(`# ${'x'.repeat(70_000)}\n{}`);
    assert.throws(() => readRoles(path, DEFAULTS), { code: 'invalid' });
  });

  it('is refused if somebody else could have written it', (context) => {
    const plants: readonly ((path: string) => void)[] = [
      (path) => chmodSync(path, 0o620),
      (path) => chmodSync(path, 0o602),
      (path) => {
        renameSync(path, `${path}.2`);
        symlinkSync(`${path}.2`, path);
      },
      (path) => {
        rmSync(path);
        mkdirSync(path);
      },
      ...(isRoot ? [(path: string) => chownSync(path, 12_345, 12_345)] : []),
    ];
    for (const plant of plants) {
      const { path, write } = open(context);
      write('approve: [ann]\n');
      plant(path);
      assert.throws(() => readRoles(path, DEFAULTS), { code: 'conflict', message: /cannot be trusted/ }, String(plant));
    }
  });
});
