import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { csv } from '../../../src/cli/terminal/csv.ts';

/** The cells of CSV, as RFC 4180 has it. */
function parse(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === '\r\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

describe('CSV', () => {
  it('has titles, numbers as they are, nothing for null, and line ends as the standard wants them', () => {
    assert.equal(
      csv(
        ['a', 'b'],
        [
          [1, 'x'],
          [-2.5, null],
        ],
      ),
      'a,b\r\n1,x\r\n-2.5,\r\n',
    );
  });

  it('quotes what would be read as more than one cell', () => {
    assert.equal(csv(['a'], [['say "yes", now'], ['two\nlines']]), 'a\r\n"say ""yes"", now"\r\n"two\nlines"\r\n');
  });

  it('makes formulas harmless', () => {
    for (const cell of ['=1+1', '+1', '-1', '@sum', '\t=1', '\r=1']) {
      assert.match(parse(csv(['a'], [[cell]]))[1]?.[0] ?? '', /^'/, JSON.stringify(cell));
    }
    assert.equal(csv(['a'], [['a=1']]), 'a\r\na=1\r\n');
  });

  it('comes back as it was from any text, but for formulas and tricks', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', '=', '\u001b', '\u202e', 'é', '-') });
    const table = fc
      .integer({ min: 1, max: 4 })
      .chain((width) =>
        fc.array(fc.array(text, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 5 }),
      );
    fc.assert(
      fc.property(table, (rows) => {
        const written = csv(['t'], rows);
        assert.doesNotMatch(written.replaceAll('\r\n', ''), /[\r\u001b\u202e]/);
        const expected = rows.map((row) =>
          row.map((cell) => (/^[=\-\r]/.test(cell) ? "'" : '') + cell.replaceAll(/[\r\u001b\u202e]/g, '\ufffd')),
        );
        assert.deepEqual(parse(written).slice(1), expected);
      }),
    );
  });
});
