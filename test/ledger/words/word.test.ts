import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AppError } from '../../../src/core/errors.ts';
import { LONGEST_REASON, nameOf, newName, newPlace, readWord, wordText } from '../../../src/ledger/words/word.ts';
import type { CopyWord, Word } from '../../../src/ledger/words/word.ts';

const NAME = newName(1_796_073_890_921_915);
const DIGEST = 'a'.repeat(64);
const ABORT: Word = {
  kind: 'abort',
  rolloutId: 'abcdefgh',
  model: null,
  askId: null,
  askDigest: null,
  step: null,
  reason: null,
};
const COPY: CopyWord = { kind: 'copy', place: newPlace() };
const APPROVE: Word = { ...ABORT, kind: 'approve', askId: 7, askDigest: DIGEST, step: 0, reason: 'fine' };

const members = (word: Word | CopyWord) => JSON.parse(wordText(NAME, word)) as Record<string, unknown>;

const anyWord = fc.record({
  kind: fc.constantFrom('approve', 'reject', 'pause', 'resume', 'abort', 'through_outage'),
  rolloutId: fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme' }).filter((text) => text.length <= 64),
  step: fc.option(fc.nat()),
  reason: fc.option(
    fc.string({ maxLength: LONGEST_REASON, unit: 'grapheme' }).filter((text) => text.length <= LONGEST_REASON),
  ),
  ask: fc.option(fc.record({ askId: fc.nat(), askDigest: fc.constant(DIGEST) })),
});

const FREEZE: Word = { ...ABORT, kind: 'freeze', rolloutId: null };
const LIFT: Word = { ...ABORT, kind: 'resume', rolloutId: null, model: 'acme/writer' };

describe('a word', () => {
  it('is about one rollout, about one route or about all, as its kind says', () => {
    for (const word of [FREEZE, { ...FREEZE, kind: 'thaw' as const }, LIFT]) {
      assert.deepEqual(readWord(NAME, wordText(NAME, word)), word);
    }
    const strange: readonly Word[] = [
      { ...FREEZE, rolloutId: 'abcdefgh' },
      { ...FREEZE, model: 'acme/writer' },
      { ...LIFT, model: null },
      { ...LIFT, model: '' },
      { ...LIFT, model: 'x'.repeat(501) },
      { ...LIFT, rolloutId: 'abcdefgh' },
      { ...ABORT, rolloutId: null, model: 'acme/writer' },
    ];
    for (const word of strange) assert.throws(() => readWord(NAME, wordText(NAME, word)), { code: 'invalid' });
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(anyWord, ({ ask, kind, ...rest }) => {
        const isAnswer = kind === 'approve' || kind === 'reject';
        const word = {
          ...rest,
          model: null,
          kind,
          ...((isAnswer ? ask : null) ?? { askId: null, askDigest: null }),
        } as Word;
        assert.deepEqual(readWord(NAME, wordText(NAME, word)), word);
      }),
    );
  });

  it('is nothing but what can be written: one member more, less or different, and it is none', () => {
    const strange: readonly unknown[] = [true, 1.5, -1, 2 ** 60, '', 'x', 'x'.repeat(501), '\ud800', [], {}, null];
    for (const word of [ABORT, APPROVE, COPY]) {
      const right = members(word);
      const wrong: unknown[] = [null, [], 7, 'abort', { ...right, by: 'cfo' }];
      for (const key of Object.keys(right)) {
        const { [key]: _gone, ...less } = right;
        wrong.push(less);
        for (const value of strange) {
          const isFine =
            Object.is(value, right[key]) ||
            (key === 'step' && value === null) ||
            (key === 'reason' && (value === '' || value === 'x' || value === null)) ||
            (key === 'rollout' && value === 'x');
          if (!isFine) wrong.push({ ...right, [key]: value });
        }
      }
      assert.deepEqual(readWord(NAME, JSON.stringify(right)), word);
      for (const each of wrong) {
        assert.throws(
          () => readWord(NAME, JSON.stringify(each)),
          { name: 'AppError', code: 'invalid' },
          JSON.stringify(each),
        );
      }
    }
  });

  it('is a wish for a copy only with a place that is no path', () => {
    for (const place of ['', '..', `${COPY.place}0`, COPY.place.toUpperCase() + 'A', `../${COPY.place.slice(3)}`]) {
      assert.throws(() => readWord(NAME, wordText(NAME, { kind: 'copy', place })), AppError, place);
    }
    assert.deepEqual(readWord(NAME, wordText(NAME, COPY)), COPY);
    assert.notEqual(newPlace(), newPlace());
  });

  it('is none under another name, and no name of a file but its own is that of a word', () => {
    assert.throws(() => readWord(newName(1), wordText(NAME, ABORT)), AppError);
    assert.equal(nameOf(`${NAME}.word`), NAME);
    for (const file of ['', '.word', NAME, `${NAME}.part`, `${NAME}.word.word`, `x${NAME}.word`, `../${NAME}.word`]) {
      assert.equal(nameOf(file), null, file);
    }
  });

  it('has a name that sorts behind the earlier ones', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        fc.pre(a !== b);
        assert.equal(newName(1e15 + a) < newName(1e15 + b), a < b);
      }),
    );
  });

  it('is never read from what is no word, whatever its bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.string({ unit: 'binary' })), (text) => {
        assert.throws(() => readWord(NAME, text), AppError);
      }),
    );
  });
});
