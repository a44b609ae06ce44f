import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { comparePromptTokens } from '../../../src/core/compare/prompt-tokens.ts';
import type { ComparedPair } from '../../../src/core/compare/pair.ts';
import { answered, counted, pair } from './rig.ts';

const shifted = (by: (at: number) => number, count = 30) =>
  Array.from({ length: count }, (_, at) => [100 + at, 100 + at + by(at)] as const);

const TABLE: readonly (readonly [
  title: string,
  pairs: readonly ComparedPair[],
  verdict: string,
  said: RegExp | null,
])[] = [
  [
    'the same counts',
    counted(
      'plain',
      shifted(() => 0),
    ),
    'same',
    null,
  ],
  [
    'one stray of many',
    counted(
      'plain',
      shifted((at) => (at === 3 ? 2 : 0), 100),
    ),
    'same',
    null,
  ],
  [
    'three tokens more in each',
    counted(
      'plain',
      shifted(() => 3),
    ),
    'advice',
    /^B counts 3 tokens more in each prompt/,
  ],
  [
    'one token fewer in each',
    counted(
      'plain',
      shifted(() => -1),
    ),
    'advice',
    /^B counts 1 token fewer/,
  ],
  [
    'forty more in each',
    counted(
      'plain',
      shifted(() => 40),
    ),
    'different',
    /^B counts 40 tokens more in each prompt$/,
  ],
  [
    'now this, now that',
    counted(
      'plain',
      shifted((at) => 5 + at),
    ),
    'different',
    /from \+5 to \+34 tokens in the same prompts$/,
  ],
  [
    'more with tools only',
    [
      ...counted(
        'plain',
        shifted(() => 0, 60),
      ),
      ...counted(
        'tools',
        shifted(() => 12, 20),
      ),
    ],
    'different',
    /^B counts 12 tokens more in prompts with tools, and as many in others$/,
  ],
  [
    'long prompts cut',
    [
      ...counted(
        'plain',
        shifted(() => 0),
      ),
      ...counted('long', [
        [9_100, 8_192],
        [9_204, 8_192],
      ]),
    ],
    'different',
    /^B reads at most 8192 tokens of a prompt, from 908 to 1012 fewer than A$/,
  ],
  [
    'another tokenizer',
    counted(
      'plain',
      Array.from({ length: 30 }, (_, at) => [100 + 10 * at, 120 + 12 * at] as const),
    ),
    'different',
    /^B counts 1\.20 times as many tokens/,
  ],
  [
    'a side of several hosts',
    counted(
      'plain',
      Array.from({ length: 30 }, (_, at) => [100, 100, at % 4 === 0 ? 117 : 100] as const),
    ),
    'open',
    /is it several hosts\?/,
  ],
];

describe('counts of prompt tokens', () => {
  for (const [title, pairs, verdict, said] of TABLE) {
    it(`${title}: ${verdict}`, () => {
      const found = comparePromptTokens(pairs);
      assert.ok(found);
      assert.equal(found.verdict, verdict);
      if (said === null) assert.equal(found.sentence, null);
      else assert.match(found.sentence ?? '', said);
    });
  }

  it('are not compared if a side gives none, or if one says nothing', () => {
    const none = { kind: 'answered', form: null, promptTokens: null, outputTokens: null } as const;
    const failed = { kind: 'failed', status: 500 } as const;
    assert.equal(comparePromptTokens([]), null);
    assert.equal(comparePromptTokens(Array.from({ length: 9 }, () => pair(none, answered()))), null);
    assert.equal(comparePromptTokens(Array.from({ length: 9 }, () => pair(answered(), failed))), null);
  });

  it('are the same exactly if each is, for two kinds of requests', () => {
    const count = fc.integer({ min: 1, max: 9_000 });
    fc.assert(
      fc.property(fc.array(count, { minLength: 4, maxLength: 40 }), (counts) => {
        const equal = counted(
          'plain',
          counts.map((each) => [each, each] as const),
        );
        assert.equal(comparePromptTokens(equal)?.verdict, 'same');
        const apart = counted(
          'tools',
          counts.map((each, at) => [each, each + 20 + at] as const),
        );
        assert.equal(comparePromptTokens([...equal, ...apart])?.verdict, 'different');
      }),
    );
  });
});
