import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { comparePairs } from '../../../src/core/compare/compare.ts';
import type { Sides } from '../../../src/core/compare/compare.ts';
import type { ComparedPair, Ended } from '../../../src/core/compare/pair.ts';
import { ALIKE, answered, CALLED, pair } from './rig.ts';

const SIDES: Sides = {
  a: { model: 'Qwen/Qwen2.5-7B-Instruct', engine: null, args: null },
  b: { model: 'Qwen/Qwen2.5-7B-Instruct', engine: 'vLLM', args: null },
};
const PARSER = /is a tool parser set\? \(--enable-auto-tool-choice --tool-call-parser hermes\)$/;

const tools = (more: Partial<typeof CALLED> = {}) => answered({ finish: 'tool_calls', tools: { ...CALLED, ...more } });
const many = (count: number, make: (at: number) => ComparedPair) => Array.from({ length: count }, (_, at) => make(at));
const refused: Ended = { kind: 'failed', status: 400 };
const bad = tools({ schema: 'bad' });

const TABLE: readonly (readonly [title: string, pairs: ComparedPair[], verdict: string, said: readonly RegExp[]])[] = [
  ['equal sides', many(120, () => pair(tools(), tools())), 'same', []],
  [
    'too few',
    many(12, () => pair(tools(), tools())),
    'open',
    [/^could not tell for not answered, tool.* and garbled or repeating: about \d+ requests would tell$/],
  ],
  ['nothing at all', [], 'open', []],
  ['everything left out', many(40, () => pair({ kind: 'left' }, answered())), 'open', []],
  [
    'broken arguments',
    many(100, (at) => pair(tools(), at % 4 === 0 ? bad : tools())),
    'different',
    [/^tool calls broken: 25\.0 % at B and 0\.0 % at A, of 100: is a tool parser set\?/],
  ],
  [
    'broken arguments of A, which is the worse one then',
    many(100, (at) => pair(at % 4 === 0 ? bad : tools(), tools())),
    'different',
    [/^tool calls broken: 25\.0 % at A and 0\.0 % at B/],
  ],
  [
    'calls that stay in the text, with one hint for one cause',
    many(80, () => pair(tools(), answered({ hasLeak: true, tools: { ...CALLED, called: 0, schema: null } }))),
    'different',
    [PARSER, /^template in text: 100\.0 % at B and 0\.0 % at A, of 80$/],
  ],
  [
    'calls with tools that B refuses',
    [...many(80, () => pair(tools(), refused, { kind: 'tools' })), ...many(80, () => pair(answered(), answered()))],
    'different',
    [/^not answered \(with tools\): 50\.0 % at B and 0\.0 % at A, of 160: is a tool parser set/],
  ],
  [
    'JSON that is not as asked',
    many(80, () => pair(answered({ format: 'good' }), answered({ format: 'bad' }))),
    'different',
    [/^JSON not as asked: 100\.0 % at B.*response_format/],
  ],
  [
    'what could not be scored, which says nothing',
    many(80, () => pair(answered({ format: 'good' }), answered({ format: 'unscored' }))),
    'same',
    [],
  ],
  [
    'reasoning that B drops',
    many(80, () => pair(answered({ hasReasoning: true }), answered())),
    'different',
    [/^with reasoning: 0\.0 % at B and 100\.0 % at A/],
  ],
  [
    'answers that B cuts off',
    many(80, () => pair(answered(), answered({ finish: 'length' }))),
    'different',
    [/^cut off by length: 100\.0 % at B.*max_tokens/],
  ],
  [
    'another tokenizer in the answers',
    many(80, () => pair(answered(), answered({ charsPerToken: 3 }))),
    'different',
    [/^a token makes 3\.0 characters at B and 4\.0 at A: is it the same model/],
  ],
  [
    'other words than its own, which only advise',
    many(80, () =>
      pair(answered(), answered(), { again: answered(), agreement: { ...ALIKE, text: 0.4 }, baseline: ALIKE }),
    ),
    'same',
    [/^A's answers are 40\.0 % alike with B's and 100\.0 % with its own, by 80 requests.*quantised/],
  ],
  [
    'embeddings that are not parallel',
    many(80, () => embedded(0.93)),
    'different',
    [/^embeddings have a cosine of 0\.9300/],
  ],
  ['embeddings that are', many(80, () => embedded(0.999_99)), 'same', []],
];

function embedded(cosine: number): ComparedPair {
  const ended = { kind: 'answered', form: null, promptTokens: 9, outputTokens: null } as const;
  const agreement = { finish: null, tools: null, args: null, text: null, cosine };
  return pair(ended, ended, { kind: 'embedding', agreement, baseline: { ...agreement, cosine: 1 } });
}

describe('a comparison', () => {
  for (const [title, pairs, verdict, said] of TABLE) {
    it(`finds ${verdict}: ${title}`, () => {
      const { verdict: found, sentences } = comparePairs(pairs, 0.1, SIDES);
      assert.equal(found, verdict, sentences.join('\n'));
      assert.equal(sentences.length, said.length, sentences.join('\n'));
      said.forEach((pattern, at) => assert.match(sentences[at] ?? '', pattern));
    });
  }

  it('has the same verdict whichever side is A, though other words', () => {
    for (const [title, pairs, verdict] of TABLE) {
      const turned = pairs.map((one) => ({ ...one, a: one.b, b: one.a }));
      if (title.startsWith('other words')) continue;
      assert.equal(comparePairs(turned, 0.1, { a: SIDES.b, b: SIDES.a }).verdict, verdict, title);
    }
  });

  it('counts the pairs that say nothing, and leaves them out', () => {
    const pairs = [
      ...many(3, () => pair({ kind: 'left' }, answered())),
      ...many(80, () => pair(answered(), answered())),
    ];
    const { pairs: compared, left } = comparePairs(pairs, 0.1, SIDES);
    assert.deepEqual([compared, left], [80, 3]);
  });
});
