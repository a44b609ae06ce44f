import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGarbled, isRepeating } from '../../../src/core/form/text-form.ts';
import { joinTexts, writeText } from '../../../src/simulation/answer/text.ts';

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

test('a text has four characters a token up to 2,000 characters, and neither repeats itself nor holds odd characters', () => {
  fc.assert(
    fc.property(
      seeds,
      seeds,
      fc.integer({ min: 1, max: 4_096 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (seed, other, tokens, share) => {
        const text = writeText(seed, tokens);
        const joined = joinTexts(text, writeText(other, tokens), share);
        assert.deepEqual([text.length, joined.length], [Math.min(2_000, tokens * 4), text.length]);
        assert.ok(joined.startsWith(text.slice(0, Math.floor(text.length * share))));
        for (const one of [text, joined]) {
          assert.match(one, /^[A-Za-z. ]+$/);
          assert.deepEqual([isRepeating(one), isGarbled(one)], [false, false]);
        }
      },
    ),
  );
});
