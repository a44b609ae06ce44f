import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { satisfies } from '../../../src/core/form/json-schema.ts';
import { sampleJson, spoilJson } from '../../../src/simulation/answer/samples.ts';

type Schema = Readonly<Record<string, unknown>>;

const text = { type: 'string' };
const tree = {
  type: 'object',
  properties: { name: text, parts: { type: 'array', items: { $ref: '#' }, minItems: 0 } },
  required: ['name'],
};
const named = { $defs: { place: { type: 'object', properties: { city: text } } }, $ref: '#/$defs/place' };

/** A schema, and every value that a sample of it may have with short texts. */
const samples: readonly (readonly [what: string, schema: Schema, values: readonly unknown[]])[] = [
  ['a text', text, ['text']],
  ['a text of a least length', { type: 'string', minLength: 6 }, ['text a']],
  ['a text of a greatest length', { type: 'string', maxLength: 2 }, ['te']],
  ['a date', { type: 'string', format: 'date' }, ['2026-01-31']],
  ['a whole number', { type: 'integer' }, [1]],
  ['a whole number within bounds', { type: 'integer', minimum: 3, maximum: 9 }, [3]],
  ['a number below a bound', { type: 'number', exclusiveMaximum: 0.25 }, [-0.25]],
  ['a whole number above a bound', { type: 'integer', exclusiveMinimum: 3 }, [4]],
  ['a multiple', { type: 'integer', multipleOf: 5, minimum: 7 }, [10]],
  ['a multiple below a bound', { type: 'integer', multipleOf: 5, maximum: -1 }, [-5]],
  ['true or false', { type: 'boolean' }, [true]],
  ['nothing', { type: 'null' }, [null]],
  ['a text or nothing', { type: ['null', 'string'] }, ['text']],
  ['one of a list', { enum: ['a', 2, null] }, ['a', 2, null]],
  ['a constant', { const: { a: 1 } }, [{ a: 1 }]],
  ['one of two schemas', { anyOf: [text, { type: 'integer' }] }, ['text', 1]],
  ['one of two schemas with a common part', { type: 'object', oneOf: [{ properties: { a: text } }] }, [{ a: 'text' }]],
  [
    'both of two schemas',
    { allOf: [{ properties: { a: text } }, { properties: { b: text } }] },
    [{ a: 'text', b: 'text' }],
  ],
  ['a list', { type: 'array', items: text, minItems: 2 }, [['text', 'text']]],
  ['a list of places', { type: 'array', prefixItems: [text, { type: 'integer' }] }, [['text', 1]]],
  ['an object', { type: 'object', properties: { a: text, b: { type: 'integer' } } }, [{ a: 'text', b: 1 }]],
  ['anything', {}, [{}]],
  ['what it refers to', named, [{ city: 'text' }]],
  ['a reference that leads nowhere', { $ref: '#/$defs/none' }, [{}]],
];
for (const [what, schema, values] of samples) {
  test(`a sample satisfies its schema: ${what}`, () => {
    for (let seed = 0; seed < 40; seed += 1) {
      const value: unknown = JSON.parse(sampleJson(schema, seed, 0));
      assert.ok(
        values.some((each) => JSON.stringify(each) === JSON.stringify(value)),
        JSON.stringify(value),
      );
    }
  });
}

test('a schema that refers to itself has a sample that ends', () => {
  assert.deepEqual(JSON.parse(sampleJson({ ...tree, required: ['name', 'parts'] }, 1, 0)).name, 'text');
  const endless = { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] };
  assert.ok(sampleJson(endless, 1, 0).length < 1_000);
});

test('the first free text is lengthened so that the sample has about the tokens that it should', () => {
  const schema = { type: 'object', properties: { kind: { enum: ['a', 'b'] }, first: text, second: text } };
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 20, max: 400 }), (seed, tokens) => {
      const json = sampleJson(schema, seed, tokens);
      const { first, second } = JSON.parse(json) as { first: string; second: string };
      assert.ok(Math.abs(json.length - tokens * 4) <= 8, `${json.length}`);
      assert.equal(second, 'text');
      assert.doesNotMatch(first, /["\\]/);
    }),
  );
});

const { a, b } = { a: text, b: { type: 'integer' } };
const spoilt: readonly (readonly [what: string, schema: Schema, value: unknown])[] = [
  ['a demanded part is missing', { properties: { a, b }, required: ['b'] }, { a: 'text' }],
  ['a text is a number', { properties: { a } }, { a: 7 }],
  ['a number is a text', { properties: { b } }, { b: 'seven' }],
];
for (const [what, schema, value] of spoilt) {
  test(`JSON that is spoilt is still JSON: ${what}`, () => {
    assert.deepEqual(JSON.parse(spoilJson(sampleJson(schema, 1, 0), schema, false)), value);
  });
}

test('JSON that nothing can violate is cut off, and so is any if that is wanted', () => {
  for (const [schema, isCut] of [
    [{}, false],
    [{ type: 'array', items: text }, false],
    [{ properties: { a } }, true],
  ] as const) {
    assert.throws(() => JSON.parse(spoilJson(sampleJson(schema, 1, 0), schema, isCut)), SyntaxError);
  }
});

const { schema: anySchema } = fc.letrec<{ schema: Schema; object: Schema }>((tie) => ({
  object: fc
    .uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1 })
    .chain((names) => fc.tuple(fc.tuple(...names.map(() => tie('schema'))), fc.subarray(names), fc.constant(names)))
    .map(([parts, required, names]) => ({
      type: 'object',
      properties: Object.fromEntries(names.map((name, at) => [name, parts[at]])),
      required,
      additionalProperties: false,
    })),
  schema: fc.oneof(
    { maxDepth: 3 },
    fc.record({ type: fc.constant('string'), minLength: fc.nat(9), maxLength: fc.integer({ min: 9, max: 30 }) }),
    fc.constant({ type: 'string' }),
    fc.record({
      type: fc.constant('integer'),
      minimum: fc.integer({ min: -9, max: 9 }),
      maximum: fc.integer({ min: 9 }),
    }),
    fc.record({ type: fc.constant('number'), exclusiveMinimum: fc.integer({ min: -9, max: 9 }) }),
    fc.record({ enum: fc.uniqueArray(fc.oneof(fc.string(), fc.integer()), { minLength: 1 }) }),
    fc.constantFrom<Schema>({ type: 'boolean' }, { type: ['null', 'string'] }, { $ref: '#/$defs/place' }),
    fc.record({ type: fc.constant('array'), items: tie('schema'), minItems: fc.nat(3) }),
    fc.tuple(tie('schema'), tie('schema')).map((anyOf) => ({ anyOf })),
    tie('object'),
  ),
}));
const $defs = { place: { type: 'object', properties: { city: text }, required: ['city'] } };
const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

test('whatever the schema, its samples satisfy it, and spoilt ones do not', () => {
  fc.assert(
    fc.property(anySchema, seeds, fc.constantFrom(0, 200), fc.boolean(), (part, seed, tokens, isCut) => {
      const schema = { type: 'object', properties: { part, note: text }, required: ['part'], $defs };
      const json = sampleJson(schema, seed, tokens);
      assert.equal(satisfies(JSON.parse(json), schema), 'good');
      const spoilt = spoilJson(json, schema, isCut);
      if (isCut) assert.throws(() => JSON.parse(spoilt), SyntaxError);
      else assert.equal(satisfies(JSON.parse(spoilt), schema), 'bad');
    }),
  );
});
