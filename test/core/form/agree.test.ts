import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { agree } from '../../../src/core/form/agree.ts';
import type { Half } from '../../../src/core/form/agree.ts';
import { decodeAgreement, encodeAgreement } from '../../../src/core/form/agreement.ts';
import type { GivenCall, GivenChoice } from '../../../src/core/form/given.ts';
import { vectorsOf } from '../../../src/core/form/vectors.ts';

const PLAIN = { hasTools: false, isGreedy: false };
const GREEDY = { hasTools: false, isGreedy: true };
const WITH_TOOLS = { hasTools: true, isGreedy: false };

function half(changes: Partial<GivenChoice>): Half {
  return {
    kind: 'given',
    given: [{ finish: 'stop', text: '', calls: [], reasoningChars: 0, isRefusal: false, ...changes }],
  };
}
const calls = (...all: GivenCall[]): Half => half({ finish: 'tool_calls', calls: all });
const call = (args: string | null, name = 'a'): GivenCall => ({ name, args });

/** Calls of two answers, whether they are of the same tools, and whether their arguments are the same. */
const CALLS: readonly (readonly [one: Half, other: Half, tools: boolean, args: boolean | null])[] = [
  [calls(), calls(), true, null],
  [calls(call('{"a":1,"b":[1,{"c":2}]}')), calls(call('{ "b": [1, {"c": 2.0}], "a": 1 }')), true, true],
  [calls(call('{"a":1}')), calls(call('{"a":"1"}')), true, false],
  [calls(call('{"a":[1,2]}')), calls(call('{"a":[2,1]}')), true, false],
  [calls(call('{"a":1}')), calls(call('{"a":1}', 'b')), false, null],
  [calls(call('{}')), calls(call('{}'), call('{}')), false, null],
  [calls(call('{}')), calls(), false, null],
  [calls(call('{}'), call('{}', 'b')), calls(call('{}', 'b'), call('{}')), false, null],
  [calls(call(null)), calls(call('{}')), true, null],
  [calls(call(null), call('1')), calls(call('{}'), call('2')), true, false],
  [calls(call('{"a"')), calls(call('{"a"')), true, true],
  [calls(call('{"a"')), calls(call('{"b"')), true, false],
];

describe('two answers to the same request', () => {
  it('agree in their ends', () => {
    const finish = (one: Half, other: Half) => agree(one, other, PLAIN)?.finish;
    assert.equal(finish(half({}), half({})), true);
    assert.equal(finish(half({}), half({ finish: 'length' })), false);
    assert.equal(finish(half({}), half({ finish: null })), null);
  });

  it('agree in their tools and in the arguments of these, whatever the order of keys', () => {
    for (const [one, other, tools, args] of CALLS) {
      for (const agreed of [agree(one, other, WITH_TOOLS), agree(other, one, WITH_TOOLS)]) {
        assert.deepEqual([agreed?.tools, agreed?.args], [tools, args], JSON.stringify([one, other]));
      }
      assert.deepEqual([agree(one, other, PLAIN)?.tools], [null]);
    }
  });

  it('agree in the beginning of their texts, at temperature 0', () => {
    const part = (one: string | null, other: string | null, asked = GREEDY) =>
      agree(half({ text: one }), half({ text: other }), asked)?.text;
    assert.equal(part('same', 'same'), 1);
    assert.equal(part('abcd', 'abXX'), 0.5);
    assert.equal(part('abcd', ''), 0);
    assert.equal(part('', ''), null);
    assert.equal(part(null, 'a'), null);
    assert.equal(part('same', 'same', PLAIN), null);
  });

  it('agree as the ledger will say', () => {
    const half2 = fc
      .record({ text: fc.string(), finish: fc.constantFrom('stop' as const, 'length' as const) })
      .map(half);
    fc.assert(
      fc.property(half2, half2, (one, other) => {
        const agreed = agree(one, other, GREEDY);
        assert.ok(agreed !== null);
        assert.deepEqual(decodeAgreement(encodeAgreement(agreed)), agreed);
        assert.deepEqual(agree(other, one, GREEDY), agreed);
      }),
    );
  });
});

const base64 = (numbers: readonly number[]): string =>
  Buffer.from(Float32Array.from(numbers).buffer).toString('base64');
const embeddings = (...all: readonly unknown[]): Half => {
  const vectors = vectorsOf({ data: all.map((embedding, index) => ({ index, embedding })) });
  return vectors === null ? half({}) : { kind: 'vectors', vectors };
};
const cosine = (one: Half, other: Half) => agree(one, other, PLAIN)?.cosine ?? null;

describe('embeddings of the same texts', () => {
  it('agree as the least of their cosines, as numbers or in base64', () => {
    const [a, b] = [
      [1, 2, 3],
      [1, 2, 3.5],
    ];
    assert.ok((cosine(embeddings(a), embeddings(base64(a))) as number) > 0.999_999);
    assert.ok((cosine(embeddings(a), embeddings(a.map((each) => 2 * each))) as number) > 0.999_999);
    const [least, exact] = [cosine(embeddings(a, a), embeddings(a, b)) as number, 15.5 / Math.sqrt(14 * 17.25)];
    assert.ok(Math.abs(least - exact) < 0.04 * (1 - exact), `${least} ${exact}`);
    assert.ok((cosine(embeddings(a), embeddings([-1, -2, -3])) as number) < -0.9);
  });

  it('cannot be compared if they are not of one kind', () => {
    const a = embeddings([1, 2]);
    for (const other of [embeddings([1, 2, 3]), embeddings([1, 2], [1, 2]), embeddings([0, 0]), half({ text: 'a' })]) {
      assert.equal(agree(a, other, PLAIN), null);
    }
    for (const odd of ['###', 'AAA', '', [], ['1'], {}, Array.from({ length: 20_000 }, () => 1)]) {
      assert.equal(vectorsOf({ data: [{ embedding: odd }] }), null);
    }
    assert.equal(vectorsOf({ data: [] }), null);
    assert.equal(vectorsOf({}), null);
  });
});
