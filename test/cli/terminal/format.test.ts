import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { offsetText } from '../../../src/cli/terminal/format.ts';

test('a time since a beginning is in minutes only if it is whole minutes', () => {
  const texts = [0, 30_000, 90_000, 300_000, 6_300_000].map(offsetText);
  assert.deepEqual(texts, ['0 s', '30 s', '90 s', '5 min', '105 min']);
});

test('the beginnings of windows of a second or more never read the same', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1_000, max: 3_600_000 }), (windowMs) => {
      const texts = Array.from({ length: 60 }, (_, i) => offsetText(i * windowMs));
      assert.equal(new Set(texts).size, texts.length);
    }),
  );
});
