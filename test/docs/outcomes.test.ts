import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { OUTCOMES, REJECTING_STATUSES, meaningOf } from '../../src/core/outcome.ts';

const page = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'outcomes.md'), 'utf8');

/** The cells of each outcome's row: when, fault of, falls back, repeated. */
const rows = new Map(
  [...page.matchAll(/^\| `(\w+)` +\|(.*)\|$/gm)].map(([, outcome, cells]) => [
    outcome,
    (cells ?? '').split('|').map((cell) => cell.trim()),
  ]),
);

const BY = {
  nobody: /^nobody$/,
  caller: /^the caller$/,
  upstream: /^the upstream$/,
  endpoint: /^(?:the endpoint|an endpoint, else the caller)$/,
  limit: /^an endpoint; see below$/,
};
const REPEATED = { yes: 'yes', if_proxy: 'if 502 or 504', no: 'no' };

describe('the page of outcomes', () => {
  for (const outcome of OUTCOMES) {
    it(`says of ${outcome} what the table says`, () => {
      const [, by = '', fallsBack, repeated] = rows.get(outcome) ?? [];
      const meaning = meaningOf(outcome);
      assert.match(by, BY[meaning.by]);
      if (outcome === 'ok') return;
      assert.deepEqual([fallsBack, repeated], [meaning.fallsBack ? 'yes' : 'no', REPEATED[meaning.repeatable]]);
    });
  }

  it('names every status by which an endpoint rejects a call', () => {
    const [, others = '', further = ''] = /any 4xx but ([\d,\s]+and \d+), or (\d+ or \d+)/.exec(page) ?? [];
    const but = new Set(others.match(/\d+/g)?.map(Number));
    const named = Array.from({ length: 100 }, (_, n) => 400 + n).filter((status) => !but.has(status));
    named.push(...(further.match(/\d+/g) ?? []).map(Number));
    assert.deepEqual(named, REJECTING_STATUSES);
  });
});
