import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { BUILT_IN_SCHEMAS, BUILT_IN_TOOLS } from '../../../src/core/compare/built-in-tools.ts';
import { builtInRequests } from '../../../src/core/compare/built-in.ts';
import type { CompareRequest } from '../../../src/core/compare/built-in.ts';
import { Steps } from '../../../src/core/form/canonical.ts';
import { MOST_STEPS, satisfies } from '../../../src/core/form/json-schema.ts';
import { seededDice } from '../../../src/simulation/dice.ts';

const kinds = (requests: readonly CompareRequest[]) =>
  requests.reduce<Record<string, number>>((sum, { kind }) => ({ ...sum, [kind]: (sum[kind] ?? 0) + 1 }), {});

describe('the built-in requests', () => {
  it('are the same for the same seed, and others for another', () => {
    const of = (seed: number) => JSON.stringify(builtInRequests(60, seededDice(seed)));
    assert.equal(of(7), of(7));
    assert.notEqual(of(7), of(8));
  });

  it('have each kind in its part', () => {
    assert.deepEqual(kinds(builtInRequests(200, seededDice(1))), {
      tools: 76,
      json: 72,
      plain: 20,
      open: 14,
      reason: 10,
      long: 8,
    });
    assert.deepEqual(kinds(builtInRequests(30, seededDice(1), true)), { embedding: 30 });
  });

  it('are calls that any side can take, at temperature 0 and without a model, in any number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 120 }), fc.nat(), (count, seed) => {
        const requests = builtInRequests(count, seededDice(seed));
        assert.equal(requests.length, count);
        for (const { body, path } of requests) {
          assert.equal(path, '/chat/completions');
          assert.equal(body.temperature, 0);
          assert.ok(!('model' in body) && Array.isArray(body.messages));
          // Nothing of the templates is left.
          assert.doesNotMatch(JSON.stringify(body), /\{(?:n|who|city|thing)\}/);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('are long where they should be, and state no limit where a default shows', () => {
    for (const { kind, body } of builtInRequests(100, seededDice(3))) {
      const length = JSON.stringify(body).length;
      assert.equal(length > 30_000, kind === 'long', kind);
      assert.equal(body.max_tokens === undefined, kind === 'open');
    }
  });

  it('have schemas that can be scored in full, so that an answer is either good or bad', () => {
    const schemas = [
      ...BUILT_IN_TOOLS.map(({ parameters }) => parameters),
      ...BUILT_IN_SCHEMAS.map((one) => one.schema),
    ];
    for (const schema of schemas) {
      for (const value of [{}, { other: 1 }]) assert.equal(satisfies(value, schema, new Steps(MOST_STEPS)), 'bad');
    }
    const order = BUILT_IN_TOOLS.find(({ name }) => name === 'search_orders');
    const good = { filters: [{ field: 'city', is: 'equal', value: 'Oslo' }], limit: 20 };
    assert.equal(satisfies(good, order?.parameters, new Steps(MOST_STEPS)), 'good');
  });
});
