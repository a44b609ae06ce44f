import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeAgreement, encodeAgreement } from '../../../src/core/form/agreement.ts';
import type { Agreement } from '../../../src/core/form/agreement.ts';
import { decodeForm, encodeForm, FINISHES, SCORES } from '../../../src/core/form/form.ts';
import type { AnswerForm } from '../../../src/core/form/form.ts';

const bit = fc.option(fc.boolean(), { nil: null });
const score = fc.option(fc.constantFrom(...SCORES), { nil: null });
const tools = fc.record(
  {
    isDemanded: fc.boolean(),
    called: fc.integer({ min: 0, max: 15 }),
    areParsed: fc.boolean(),
    areOffered: fc.boolean(),
    schema: score,
  },
  { noNullPrototype: true },
);
const form: fc.Arbitrary<AnswerForm> = fc.record(
  {
    finish: fc.option(fc.constantFrom(...FINISHES), { nil: null }),
    tools: fc.option(tools, { nil: null }),
    format: score,
    hasLeak: bit,
    hasReasoning: bit,
    isRepeating: bit,
    isGarbled: bit,
    charsPerToken: fc.option(
      fc.integer({ min: 1, max: 255 }).map((quarters) => quarters / 4),
      { nil: null },
    ),
  },
  { noNullPrototype: true },
);

const agreement: fc.Arbitrary<Agreement> = fc.record({
  finish: bit,
  tools: bit,
  args: bit,
  text: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: null }),
  cosine: fc.option(fc.double({ min: -1, max: 1, noNaN: true }), { nil: null }),
});

describe('the form of an answer as the ledger stores it', () => {
  it('comes back as it was', () => {
    fc.assert(fc.property(form, (given) => assert.deepEqual(decodeForm(encodeForm(given)), given)));
  });

  it('is a whole number that fits into 31 bits', () => {
    fc.assert(fc.property(form, (given) => assert.equal(encodeForm(given), encodeForm(given) & 0x7f_ff_ff_ff)));
  });
});

describe('the agreement of two answers as the ledger stores it', () => {
  it('comes back as it was, with the steps of its text and of its cosine', () => {
    fc.assert(
      fc.property(agreement, (given) => {
        const back = decodeAgreement(encodeAgreement(given));
        const bits = ({ finish, tools, args }: Agreement) => ({ finish, tools, args });
        assert.deepEqual(bits(back), bits(given));
        assert.equal(back.text === null, given.text === null);
        assert.ok(Math.abs((back.text ?? 0) - (given.text ?? 0)) <= 0.005);
        assert.equal(back.cosine === null, given.cosine === null);
        const distance = 1 - (given.cosine ?? 1);
        assert.ok(Math.abs(1 - (back.cosine ?? 1) - distance) <= Math.max(2e-7, 0.04 * distance));
      }),
    );
  });

  it('is the same number again after it was read', () => {
    fc.assert(
      fc.property(agreement, (given) => {
        const stored = encodeAgreement(given);
        assert.equal(encodeAgreement(decodeAgreement(stored)), stored);
      }),
    );
  });
});
