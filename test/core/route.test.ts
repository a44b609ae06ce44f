import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CallFeature } from '../../src/core/route.ts';
import { callShape, isEligible, isExcluded } from '../../src/core/route.ts';

describe('callShape', () => {
  it('is the kind alone if no feature is used', () => {
    assert.equal(callShape('chat', new Set()), 'chat');
  });

  it('has its features in one order, whatever order they were found in', () => {
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
    it(`${expected ? 'splits' : 'keeps'} "${shape}" if [${shown.join(', ')}] was shown`, () => {
      assert.equal(isEligible(shape, new Set(shown)), expected);
    });
  }
});

describe('isExcluded', () => {
  const cases: [string, string, readonly string[], boolean][] = [
    ['a', 'chat', [], false],
    ['a', 'chat', ['a'], true],
    ['a', 'chat', ['b', 'chat+tools'], false],
    ['a', 'chat+tools', ['chat+tools'], true],
    ['a', 'chat+stream+tools', ['chat+tools'], true],
    ['a', 'chat+stream', ['chat'], true],
    ['a', 'completion+stream', ['chat+stream'], false],
  ];
  for (const [agent, shape, excluded, expected] of cases) {
    it(`${expected ? 'excludes' : 'admits'} ${agent} with ${shape} if [${excluded.join(', ')}] is excluded`, () => {
      assert.equal(isExcluded(agent, shape, new Set(excluded)), expected);
    });
  }
});
