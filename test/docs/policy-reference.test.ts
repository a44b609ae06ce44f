import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { findProblems, policyPage, readEntries, schemaForms } from '../../scripts/policy-reference.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const policy = await readFile(join(ROOT, 'policies', 'default.yaml'), 'utf8');

function problemsWith(from: string | RegExp, to: string): string[] {
  const edited = policy.replace(from, to);
  assert.notEqual(edited, policy);
  return findProblems(readEntries(edited), schemaForms());
}

describe('the policy reference', () => {
  it('in docs/policy.md is what "npm run docs:policy" writes', async () => {
    const page = await readFile(join(ROOT, 'docs', 'policy.md'), 'utf8');
    assert.equal(await policyPage(page, policy), page);
  });

  it('finds that default.yaml lacks a setting, those that are not set and those of a route included', () => {
    assert.deepEqual(problemsWith('    bake: 5m\n', ''), ['limits.bake is missing']);
    assert.deepEqual(problemsWith('    #refused: 5%\n', ''), ['back.refused is missing']);
    assert.deepEqual(problemsWith('    #  calls: 10\n', ''), ['scaling.sleep.calls is missing']);
    assert.deepEqual(problemsWith('#      env: {}\n', ''), ['endpoint.env is missing']);
    assert.deepEqual(problemsWith('empty: { margin: 1%,', 'empty: {'), ['judge.empty.margin is missing']);
  });

  it('finds a setting without a sentence, and one that the schema does not know', () => {
    assert.deepEqual(problemsWith(/# [^\n]*\n( +bake: 5m)/, '\n$1'), ['limits.bake has no comment']);
    assert.deepEqual(problemsWith('    bake: 5m\n', '    bake: 5m\n    # More.\n    more: 1\n'), [
      'limits.more is not in the schema',
    ]);
  });

  it('tells form, range and default of a setting', () => {
    const forms = schemaForms();
    const form = (path: string) => forms.get(path)?.form;
    assert.equal(form('criteria.window'), 'span from 1s up to 1d');
    assert.equal(form('care.retries.most'), 'whole number from 0 up to 20');
    assert.equal(form('approval'), '`manual`, `automatic`');
    assert.equal(form('back.slo.p95'), 'span from 1ms, or off');
    assert.deepEqual(forms.get('endpoint.minReplica'), {
      form: 'whole number from 1 up to 64',
      standard: '1',
      isRequired: false,
    });
    assert.equal(forms.get('endpoint.namespace')?.isRequired, true);
  });
});
