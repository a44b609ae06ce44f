import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { Steps } from '../../../src/core/form/canonical.ts';
import type { Score } from '../../../src/core/form/form.ts';
import { satisfies } from '../../../src/core/form/json-schema.ts';

const KEYS = ['a', 'b', 'c'] as const;
const value: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, false, 0, 1, 2, 3.5, -1, '', 'a', 'ab', '😀', 'abcd'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...KEYS), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;

const TYPES = ['string', 'number', 'integer', 'boolean', 'null', 'array', 'object'];
const count = fc.integer({ min: 0, max: 3 });

/** Schemas of the keywords that are followed, with few names and small numbers so that values often meet them. */
function schemas(isTuple: boolean): fc.Arbitrary<unknown> {
  return fc.letrec<{ schema: unknown }>((tie) => {
    const some = fc.array(tie('schema'), { minLength: 1, maxLength: 3 });
    const byKey = fc.dictionary(fc.constantFrom(...KEYS), tie('schema'), { maxKeys: 3, noNullPrototype: true });
    const names = fc.uniqueArray(fc.constantFrom(...KEYS), { maxLength: 2 });
    const keyword = fc.oneof(
      fc.record({
        type: fc.oneof(
          fc.constantFrom(...TYPES),
          fc.uniqueArray(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 3 }),
        ),
      }),
      fc.record({ properties: byKey, required: names, additionalProperties: tie('schema') }, { requiredKeys: [] }),
      fc.record({ minProperties: count, maxProperties: count, propertyNames: tie('schema') }, { requiredKeys: [] }),
      isTuple
        ? fc.record({ prefixItems: some, items: tie('schema') }, { requiredKeys: [] })
        : fc.record(
            { items: fc.oneof(tie('schema'), some), additionalItems: tie('schema') },
            { requiredKeys: ['items'] },
          ),
      fc.record(
        { minItems: count, maxItems: count, uniqueItems: fc.boolean(), contains: tie('schema') },
        { requiredKeys: [] },
      ),
      fc.record({ minLength: count, maxLength: count }, { requiredKeys: [] }),
      fc.record(
        { minimum: count, maximum: count, exclusiveMinimum: count, exclusiveMaximum: count },
        { requiredKeys: [] },
      ),
      fc.record({ multipleOf: fc.integer({ min: 1, max: 3 }) }),
      fc.record({
        enum: fc.uniqueArray(value, { minLength: 1, maxLength: 3, selector: (each) => JSON.stringify(each) }),
      }),
      fc.record({ const: value }),
      fc.record({ anyOf: some }),
      fc.record({ oneOf: some }),
      fc.record({ allOf: some }),
      fc.record({ not: tie('schema') }),
      fc.record(Object.fromEntries(['if', 'then', 'else'].map((key) => [key, tie('schema')])), {
        requiredKeys: ['if'],
      }),
      fc.record({ $ref: fc.constantFrom('#/$defs/one', '#/$defs/two', '#/$defs/away') }),
      fc.record({
        [isTuple ? 'dependentRequired' : 'dependencies']: fc.dictionary(fc.constantFrom(...KEYS), names, {
          noNullPrototype: true,
        }),
      }),
      // What is not followed: anything may stand in its place.
      fc.record({ pattern: fc.constantFrom('^a', 'b') }),
      fc.record({
        patternProperties: fc.dictionary(fc.constantFrom('^a', 'b'), tie('schema'), { noNullPrototype: true }),
      }),
    );
    return {
      schema: fc.oneof(
        { depthSize: 'small' },
        fc.boolean(),
        fc.array(keyword, { minLength: 1, maxLength: 3 }).map((parts) => Object.assign({}, ...parts) as unknown),
      ),
    };
  }).schema;
}

const tried = (isTuple: boolean) =>
  fc.record({
    schema: schemas(isTuple),
    $defs: fc.record({ one: schemas(isTuple), two: schemas(isTuple) }, { noNullPrototype: true }),
    values: fc.array(value, { minLength: 20, maxLength: 20 }),
  });

const deep = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
const RECURSIVE = { anyOf: [{ items: { $ref: '#' } }, { items: { $ref: '#' }, minItems: 9 }, { not: { $ref: '#' } }] };

/** Schemas and values that would cost a check without bounds very much. */
const HOSTILE: readonly (readonly [what: string, schema: unknown, value: unknown])[] = [
  ['a recursion with three ways at each level', RECURSIVE, deep(40)],
  ['a reference to itself', { $ref: '#' }, 1],
  ['references in a circle', { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } }, 1],
  ['an enum of a megabyte', { enum: Array.from({ length: 100_000 }, (_, n) => `name ${n}`) }, 'none'],
  ['an enum of deep values', { enum: Array.from({ length: 5_000 }, () => deep(30)) }, deep(31)],
  ['a deep value', { items: { $ref: '#' } }, deep(20_000)],
  ['a deep schema', JSON.parse(`${'{"items":'.repeat(9_000)}{}${'}'.repeat(9_000)}`), deep(9_000)],
  ['a deep constant', { const: deep(9_000) }, deep(9_000)],
  ['many different items', { uniqueItems: true }, Array.from({ length: 50_000 }, (_, n) => n)],
  ['many alternatives', { oneOf: Array.from({ length: 50_000 }, (_, n) => ({ const: n })) }, 49_999],
  ['many names that are demanded', { required: Array.from({ length: 50_000 }, () => 'a') }, { a: 1 }],
  ['a pattern that never ends', { pattern: '^(a+)+$' }, `${'a'.repeat(40)}b`],
  ['a long text', { maxLength: 5 }, 'a'.repeat(1_000_000)],
  [
    'many names that depend on others, for many items',
    { items: { dependentRequired: Object.fromEntries(Array.from({ length: 9_000 }, (_, n) => [`k${n}`, []])) } },
    Array.from({ length: 3_000 }, () => ({})),
  ],
  [
    'a long reference, for many items',
    { items: { $ref: `#/${'~1'.repeat(50_000)}` } },
    Array.from({ length: 1_900 }, () => 1),
  ],
  [
    'many rules that are true, for many items',
    { items: { allOf: Array.from({ length: 9_000 }, () => true) } },
    Array.from({ length: 3_000 }, () => 1),
  ],
  [
    'many types, for many items',
    { items: { type: Array.from({ length: 9_000 }, () => 'string') } },
    Array.from({ length: 3_000 }, () => 'a'),
  ],
  [
    'alternatives for a constant with a long text',
    { anyOf: Array.from({ length: 1_500 }, () => ({ const: { a: 'b' } })) },
    { a: 'a'.repeat(60_000) },
  ],
];

/** Schemas that say something that is not followed, or not in JSON Schema's way. */
const NOT_TOLD: readonly (readonly [schema: unknown, value: unknown])[] = [
  [{ $ref: 'https://example.com/schema.json' }, 1],
  [{ $ref: '#name' }, 1],
  [{ $ref: '#/$defs/none' }, 1],
  [{ format: 'date' }, 'x'],
  [{ type: 'float' }, 1],
  [{ type: 'string', nullable: true }, null],
  [{ required: true }, {}],
  [{ minimum: '3' }, 1],
  [{ multipleOf: 0.1 }, 0.3],
  [{ unevaluatedProperties: false }, { a: 1 }],
  ['none', 1],
  [null, 1],
];

/** What is wrong by a keyword that is followed is wrong, whatever else cannot be told. */
const WRONG: readonly (readonly [schema: unknown, value: unknown])[] = [
  [{ pattern: 'a', type: 'integer' }, 'x'],
  [{ properties: { a: { format: 'date' }, b: { type: 'string' } } }, { a: 'x', b: 1 }],
  [{ patternProperties: { a: false }, required: ['b'] }, { a: 1 }],
  [{ anyOf: [{ pattern: 'a' }], minLength: 9 }, 'x'],
  [{ allOf: [{ $ref: 'https://example.com/a' }, { type: 'null' }] }, 1],
];

describe('a value against a schema', () => {
  for (const draft of ['7', '2020-12']) {
    it(`is told as a full validator tells it, wherever it is told (draft ${draft})`, () => {
      const scores: Record<Score, number> = { good: 0, bad: 0, unscored: 0 };
      const isTuple = draft !== '7';
      fc.assert(
        fc.property(tried(isTuple), ({ schema, $defs, values }) => {
          const root = typeof schema === 'object' ? { ...schema, $defs: { ...$defs, away: true } } : schema;
          const full = isTuple ? new Ajv2020({ strict: false }) : new Ajv({ strict: false });
          let validate;
          try {
            validate = full.compile(root as object);
          } catch {
            return; // A circle of references that ends nowhere.
          }
          for (const each of values) {
            const score = satisfies(each, root);
            scores[score]++;
            if (score === 'unscored') continue;
            let expected: boolean;
            try {
              expected = validate(each);
            } catch {
              continue;
            }
            assert.equal(score === 'good', expected, JSON.stringify({ root, each }));
          }
        }),
        { numRuns: 100 },
      );
      const all = scores.good + scores.bad + scores.unscored;
      assert.ok(scores.good > all / 20 && scores.bad > all / 20 && scores.unscored < all / 2, JSON.stringify(scores));
    });
  }

  it('ends within its steps, however the schema and the value are made', (context) => {
    for (const [what, schema, given] of HOSTILE) {
      const taking = context.mock.method(Steps.prototype, 'take');
      assert.equal(satisfies(given, schema), 'unscored', what);
      // Beyond the last step only those still ask that have begun.
      assert.ok(taking.mock.callCount() <= 8_000, `${what}: ${taking.mock.callCount()}`);
      taking.mock.restore();
    }
  });

  it('is not told if the schema says what is not followed', () => {
    for (const [schema, given] of NOT_TOLD) assert.equal(satisfies(given, schema), 'unscored', JSON.stringify(schema));
  });

  it('is wrong if one rule that is followed is broken, whatever the others are', () => {
    for (const [schema, given] of WRONG) assert.equal(satisfies(given, schema), 'bad', JSON.stringify(schema));
  });

  it('is as the schemas of usual tools say', () => {
    const schema = {
      type: 'object',
      properties: {
        city: { type: 'string', description: 'pattern' },
        days: { anyOf: [{ type: 'integer', minimum: 1, maximum: 16 }, { type: 'null' }], default: null },
        unit: { $ref: '#/$defs/Unit' },
      },
      required: ['city'],
      additionalProperties: false,
      $defs: { Unit: { enum: ['celsius', 'fahrenheit'], title: 'Unit', type: 'string' } },
    };
    assert.equal(satisfies({ city: 'Oslo', days: 3, unit: 'celsius' }, schema), 'good');
    assert.equal(satisfies({ city: 'Oslo', days: null }, schema), 'good');
    for (const wrong of [
      {},
      { city: 1 },
      { city: 'Oslo', days: 17 },
      { city: 'Oslo', unit: 'kelvin' },
      { city: 'a', x: 1 },
    ]) {
      assert.equal(satisfies(wrong, schema), 'bad', JSON.stringify(wrong));
    }
    assert.equal(satisfies(JSON.parse('{"city":"a","__proto__":1}'), schema), 'bad');
  });
});
