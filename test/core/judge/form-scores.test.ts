import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AnswerForm, ToolsForm } from '../../../src/core/form/form.ts';
import { scoreForm, UNKNOWN_FORM } from '../../../src/core/judge/form-scores.ts';
import type { FormScores } from '../../../src/core/judge/form-scores.ts';
import { PLAIN_FORM } from '../../support/forms.ts';

const CALLED: ToolsForm = { isDemanded: false, called: 1, areParsed: true, areOffered: true, schema: 'good' };
const PLAIN: FormScores = { cut: 0, leak: 0, reasoning: 0 };

describe('the scores of the form of an answer', () => {
  const cases: readonly [string, Partial<AnswerForm>, FormScores][] = [
    ['plain text asks for neither tools nor JSON', {}, PLAIN],
    ['a good call', { tools: CALLED }, { ...PLAIN, tools: 0, calls: 1 }],
    ['a schema that is not satisfied', { tools: { ...CALLED, schema: 'bad' } }, { ...PLAIN, tools: 1, calls: 1 }],
    [
      'a schema that cannot be checked',
      { tools: { ...CALLED, schema: 'unscored' } },
      { ...PLAIN, tools: null, calls: 1 },
    ],
    [
      'arguments that do not parse',
      { tools: { ...CALLED, areParsed: false, schema: null } },
      { ...PLAIN, tools: 1, calls: 1 },
    ],
    ['a name that was not offered', { tools: { ...CALLED, areOffered: false } }, { ...PLAIN, tools: 1, calls: 1 }],
    ['no call, and none demanded', { tools: { ...CALLED, called: 0, schema: null } }, { ...PLAIN, tools: 0, calls: 0 }],
    [
      'no call, although one was demanded',
      { tools: { ...CALLED, called: 0, schema: null, isDemanded: true } },
      { ...PLAIN, tools: 1, calls: 0 },
    ],
    [
      'a call that was left in the text',
      { tools: { ...CALLED, called: 0, schema: null }, hasLeak: true },
      { ...PLAIN, tools: 1, calls: 0, leak: 1 },
    ],
    ['JSON as demanded', { format: 'good' }, { ...PLAIN, format: 0 }],
    ['JSON against its schema', { format: 'bad' }, { ...PLAIN, format: 1 }],
    ['JSON that cannot be checked', { format: 'unscored' }, { ...PLAIN, format: null }],
    ['an answer that was cut', { finish: 'length' }, { ...PLAIN, cut: 1 }],
    ['an end that is not known', { finish: null }, { ...PLAIN, cut: null }],
    ['reasoning', { hasReasoning: true }, { ...PLAIN, reasoning: 1 }],
    ['text that was not read', { hasLeak: null, hasReasoning: null }, { cut: 0, leak: null, reasoning: null }],
  ];
  for (const [name, change, scores] of cases) {
    it(name, () => assert.deepEqual(scoreForm({ ...PLAIN_FORM, ...change }), scores));
  }

  it('an answer whose form is not known has none that can be told', () => {
    assert.equal(scoreForm(null), UNKNOWN_FORM);
    assert.equal(scoreForm(undefined), UNKNOWN_FORM);
  });
});
