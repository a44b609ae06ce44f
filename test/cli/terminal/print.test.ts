import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clean, labelled } from '../../../src/cli/terminal/print.ts';

const LONG =
  'the policy has two mistakes, which are listed here:\n  routes.0.model: a name is needed, with an organization';
const paint = (text: string) => text;

describe('an error or a hint', () => {
  it('is wrapped on a terminal, at its width, below the end of the label', () => {
    const text = labelled('hint:', LONG, { paint, stream: { isTTY: true, columns: 40 } });
    assert.equal(
      `\n${text}`,
      `
hint: the policy has two mistakes, which
      are listed here:
  routes.0.model: a name is needed, with
  an organization
`,
    );
  });

  it('keeps its lines whole in a pipe, so that a program can search them', () => {
    assert.equal(labelled('hint:', LONG, { paint, stream: {} }), `hint: ${LONG}\n`);
  });

  it('cannot play tricks with the terminal', () => {
    assert.equal(labelled('error:', 'a\u001b[2Jb', { paint, stream: {} }), 'error: a\ufffd[2Jb\n');
  });
});

describe('what others wrote', () => {
  it('has no control characters and no marks of direction, and all letters that it had', () => {
    for (const trick of [
      '\u0000',
      '\u001b',
      '\u007f',
      '\u009b',
      '\u061c',
      '\u200f',
      '\u2028',
      '\u202e',
      '\u2066',
      '\n',
    ]) {
      assert.equal(clean(`a${trick}b`), 'a\ufffdb', JSON.stringify(trick));
    }
    for (const text of ['ünlike', 'שלום', '日本語', 'a b-c/d_e.f', '\u{1f600}', 'e\u0301'])
      assert.equal(clean(text), text);
    assert.equal(clean('a\nb\r', true), 'a\nb\ufffd');
  });
});
