import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { causeMeaning, CAUSES } from '../../src/core/cause.ts';

const page = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'causes.md'), 'utf8');

describe('the page of causes', () => {
  it('says of every cause what the list says, and names no other', () => {
    const rows = [...page.matchAll(/^\| `(\w+)` +\| (.*?) +\| (.*?) +\|$/gm)].map(([, ...cells]) => cells);
    const list = CAUSES.map((cause) => {
      const { means, answer } = causeMeaning(cause);
      return [cause, means, answer ?? 'Nothing: it passes by itself.'];
    });
    assert.deepEqual(rows, list);
  });
});
