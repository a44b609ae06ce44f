import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CallFeature } from '../../src/core/route.ts';
import { callShape, isEligible } from '../../src/core/route.ts';

describe('callShape', () => {
  it('names the kind alone where no feature is used', () => {
    assert.equal(callShape('chat', new Set()), 'chat');
  });

  it('orders features the same way however they were found', () => {
    const found: CallFeature[] = ['tools', 'media', 'stream'];
    assert.equal(callShape('chat', new Set(found)), 'chat+stream+tools+media');
    assert.equal(callShape('chat', new Set(found.toReversed())), 'chat+stream+tools+media');
  });
});

describe('isEligible', () => {
  const cases: readonly [shape: string, shown: readonly string[], expected: boolean][] = [
    ['chat', ['chat'], true],
    ['chat', [], false],
    ['chat', ['embedding'], false],
    ['chat+stream', ['chat'], false],
    ['chat+stream', ['chat+stream'], false],
    ['chat+stream', ['chat', 'chat+stream'], true],
    ['chat+stream+tools', ['chat', 'chat+stream'], false],
    ['chat+stream+tools', ['chat', 'chat+stream', 'chat+tools'], true],
    ['chat+stream+tools', ['chat', 'embedding+stream', 'chat+tools'], false],
    ['', ['chat'], false],
  ];
  for (const [shape, shown, expected] of cases) {
    it(`${expected ? 'splits' : 'keeps'} "${shape}" where [${shown.join(', ')}] was shown`, () => {
      assert.equal(isEligible(shape, new Set(shown)), expected);
    });
  }
});
