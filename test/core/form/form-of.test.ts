import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formOf } from '../../../src/core/form/form-of.ts';
import { decodeForm, encodeForm } from '../../../src/core/form/form.ts';
import type { AnswerForm, Finish, Score, ToolsForm } from '../../../src/core/form/form.ts';
import type { Given, GivenChoice } from '../../../src/core/form/given.ts';
import { askedBy } from './answers.ts';

const SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1 } },
  required: ['city'],
  additionalProperties: false,
};
const TOOLS = [
  { type: 'function', function: { name: 'weather', parameters: SCHEMA } },
  {
    type: 'function',
    function: { name: 'dated', parameters: { properties: { day: { type: 'string', format: 'date' } } } },
  },
  { type: 'function', function: { name: 'bare' } },
];

function choice(changes: Partial<GivenChoice> = {}): GivenChoice {
  return { finish: 'stop', text: '', calls: [], reasoningChars: 0, isRefusal: false, ...changes };
}
const calling = (name: string, args: string | null, finish: Finish = 'tool_calls'): GivenChoice =>
  choice({ finish, calls: [{ name, args }] });
const toolsOf = (given: Given, request: Readonly<Record<string, unknown>> = { tools: TOOLS }): ToolsForm | null =>
  formOf(given, askedBy(request), null).tools;

const GOOD = '{"city":"Oslo","days":3}';
/** A call: whether its arguments parse, whether its name was offered, and how they satisfy its schema. */
const CALLS: readonly (readonly [
  name: string,
  args: string | null,
  parsed: boolean,
  offered: boolean,
  schema: Score,
])[] = [
  ['weather', GOOD, true, true, 'good'],
  ['weather', '{"days":3}', true, true, 'bad'],
  ['weather', '{"city":"Oslo","days":"3"}', true, true, 'bad'],
  ['weather', '{}', true, true, 'bad'],
  ['weather', '{"city":"Os', false, true, 'bad'],
  ['weather', '"{}"', false, true, 'bad'],
  ['weather', `${GOOD}${GOOD}`, false, true, 'bad'],
  ['weather', null, true, true, 'unscored'],
  ['wether', GOOD, true, false, 'bad'],
  ['', GOOD, true, false, 'bad'],
  ['dated', '{"day":"today"}', true, true, 'unscored'],
  ['dated', '{"day":1}', true, true, 'bad'],
  ['dated', '{}', true, true, 'good'],
  ['bare', '{"any":1}', true, true, 'good'],
];

/** Requests, and whether each has tools, demands a call, and of which tool. */
const CHOICES: readonly (readonly [choice: unknown, isDemanded: boolean | null, only?: string])[] = [
  [undefined, false],
  ['auto', false],
  ['none', null],
  ['required', true],
  ['any', true],
  [{ type: 'auto' }, false],
  [{ type: 'any' }, true],
  [{ type: 'none' }, null],
  [{ type: 'tool', name: 'weather' }, true, 'weather'],
  [{ type: 'function', function: { name: 'weather' } }, true, 'weather'],
  [{ type: 'function', name: 'weather' }, true, 'weather'],
  [{ type: 'allowed_tools', mode: 'required', tools: [] }, true],
  [{ type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [] } }, true],
  [{ type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [] } }, false],
];

describe('the tools of an answer', () => {
  it('are held against those that the request offered', () => {
    for (const [name, args, areParsed, areOffered, schema] of CALLS) {
      const expected = { isDemanded: false, called: 1, areParsed, areOffered, schema };
      assert.deepEqual(toolsOf([calling(name, args)]), expected, `${name} ${args}`);
    }
  });

  it('are offered in the same way in all formats', () => {
    const offers = [
      { tools: [{ type: 'function', name: 'weather', parameters: SCHEMA }] },
      { tools: [{ name: 'weather', input_schema: SCHEMA }] },
      { functions: [{ name: 'weather', parameters: SCHEMA }] },
    ];
    for (const offer of offers) {
      assert.equal(toolsOf([calling('weather', GOOD)], offer)?.schema, 'good');
      assert.equal(toolsOf([calling('weather', '{}')], offer)?.schema, 'bad');
      assert.equal(toolsOf([calling('other', GOOD)], offer)?.areOffered, false);
    }
  });

  it('are demanded as the request says', () => {
    for (const [wanted, isDemanded, only] of CHOICES) {
      const request = { tools: TOOLS, ...(wanted !== undefined && { tool_choice: wanted }) };
      assert.equal(toolsOf([choice()], request)?.isDemanded ?? null, isDemanded, JSON.stringify(wanted));
      assert.equal(
        toolsOf([calling('bare', '{}')], request)?.areOffered ?? null,
        isDemanded === null ? null : only === undefined,
      );
    }
  });

  it('are none of the request’s if it offers none that it answers itself', () => {
    assert.equal(toolsOf([choice()], {}), null);
    assert.equal(toolsOf([choice()], { tools: [{ type: 'web_search' }], tool_choice: 'required' }), null);
    assert.deepEqual(toolsOf([calling('a', '{}')], { tools: 'odd' })?.schema, 'unscored');
  });

  it('count as the worst of several, and as the fewest', () => {
    const calls = [
      { name: 'weather', args: GOOD },
      { name: 'dated', args: '{"day":"today"}' },
    ];
    const both = choice({ calls, finish: 'tool_calls' });
    assert.deepEqual(toolsOf([both]), {
      isDemanded: false,
      called: 2,
      areParsed: true,
      areOffered: true,
      schema: 'unscored',
    });
    const worse = { ...both, calls: [...calls, { name: 'weather', args: '{}' }] };
    assert.equal(toolsOf([worse])?.schema, 'bad');
    assert.equal(toolsOf([both, choice()])?.called, 0);
    assert.equal(
      toolsOf([choice({ calls: Array.from({ length: 40 }, () => ({ name: 'bare', args: '{}' })) })])?.called,
      15,
    );
  });

  it('are not at fault for what the limit of tokens cut off', () => {
    const cut = toolsOf([calling('weather', '{"city":"Os', 'length')]);
    assert.deepEqual([cut?.areParsed, cut?.schema], [true, 'unscored']);
    assert.equal(toolsOf([calling('weather', '{"days":1}', 'length')])?.schema, 'bad');
  });

  it('cost no more than the steps of one check, however many there are', () => {
    const many = Array.from({ length: 60 }, () => ({
      name: 'f',
      args: JSON.stringify(Array.from({ length: 300 }, () => 1)).replace('[', '{"a":[') + '}',
    }));
    const parameters = {
      properties: { a: { items: { anyOf: [{ type: 'string' }, { type: 'null' }, { type: 'number' }] } } },
    };
    const tools = [{ type: 'function', function: { name: 'f', parameters } }];
    assert.equal(toolsOf([choice({ calls: many })], { tools })?.schema, 'unscored');
    assert.equal(toolsOf([choice({ calls: many.slice(0, 2) })], { tools })?.schema, 'good');
  });
});

const JSON_SCHEMA = { response_format: { type: 'json_schema', json_schema: { name: 'a', schema: SCHEMA } } };
/** Demands of JSON, a text, and how it does. */
const FORMATS: readonly (readonly [
  request: Readonly<Record<string, unknown>>,
  given: GivenChoice,
  score: Score | null,
])[] = [
  [{}, choice({ text: 'a' }), null],
  [{ response_format: { type: 'text' } }, choice({ text: 'a' }), null],
  [{ response_format: { type: 'json_object' } }, choice({ text: ' {"a":1}\n' }), 'good'],
  [{ response_format: { type: 'json_object' } }, choice({ text: '[1]' }), 'bad'],
  [{ response_format: { type: 'json_object' } }, choice({ text: '```json\n{}\n```' }), 'bad'],
  [{ response_format: { type: 'json_object' } }, choice({ text: '' }), 'bad'],
  [JSON_SCHEMA, choice({ text: GOOD }), 'good'],
  [JSON_SCHEMA, choice({ text: '{"city":1}' }), 'bad'],
  [JSON_SCHEMA, choice({ text: 'Oslo' }), 'bad'],
  [JSON_SCHEMA, choice({ text: null }), 'unscored'],
  [JSON_SCHEMA, choice({ text: '{"ci', finish: 'length' }), 'unscored'],
  [JSON_SCHEMA, choice({ text: '', isRefusal: true }), 'unscored'],
  [JSON_SCHEMA, calling('weather', GOOD), null],
  [{ text: { format: { type: 'json_schema', schema: SCHEMA } } }, choice({ text: '{}' }), 'bad'],
  [{ text: { verbosity: 'low' } }, choice({ text: '{}' }), null],
  [{ output_format: { type: 'json_schema', schema: SCHEMA } }, choice({ text: '{}' }), 'bad'],
  [{ output_config: { format: { type: 'json_schema', schema: SCHEMA } } }, choice({ text: GOOD }), 'good'],
  [{ guided_json: SCHEMA }, choice({ text: '{}' }), 'bad'],
  [{ guided_json: JSON.stringify(SCHEMA) }, choice({ text: GOOD }), 'good'],
  [{ response_format: { type: 'json', value: SCHEMA } }, choice({ text: '{}' }), 'bad'],
];

describe('JSON that a request demands', () => {
  it('is held against its schema', () => {
    for (const [request, given, score] of FORMATS) {
      assert.equal(formOf([given], askedBy(request), null).format, score, `${JSON.stringify(request)} ${given.text}`);
    }
  });

  it('is as the worst of several choices', () => {
    const [good, bad] = [choice({ text: GOOD }), choice({ text: '{}' })];
    assert.equal(formOf([good, good], askedBy(JSON_SCHEMA), null).format, 'good');
    assert.equal(formOf([good, bad], askedBy(JSON_SCHEMA), null).format, 'bad');
  });
});

describe('the form of an answer', () => {
  const plain = (given: Given, tokens: number | null = null, request = {}): AnswerForm =>
    formOf(given, askedBy(request), tokens);

  it('tells what stands in any of its texts, and what cannot be told', () => {
    assert.equal(plain([choice({ text: 'a' }), choice({ text: '<|im_end|>' })]).hasLeak, true);
    assert.equal(plain([choice({ text: null }), choice({ text: 'a' })]).hasLeak, null);
    assert.equal(plain([choice({ text: null, reasoningChars: 1 })]).hasReasoning, true);
    assert.equal(plain([choice({ text: '<think>hm</think>' })]).hasReasoning, true);
    assert.equal(
      plain([choice({ text: 'a' })], null, { messages: [{ content: 'what is <|im_end|>?' }] }).hasLeak,
      false,
    );
    const named = plain([choice({ text: '<|im_end|>' })], null, { messages: [{ content: 'what is <|im_end|>?' }] });
    assert.equal(named.hasLeak, false);
  });

  it('stopped as the worst of its choices did', () => {
    const finishes = (...all: (Finish | null)[]) => plain(all.map((finish) => choice({ finish }))).finish;
    assert.equal(finishes('stop', 'length'), 'length');
    assert.equal(finishes('stop', 'tool_calls'), 'tool_calls');
    assert.equal(finishes('content_filter', 'other'), 'content_filter');
    assert.equal(finishes('stop', null), null);
  });

  it('counts the characters of a text and its reasoning for each token, in quarters', () => {
    assert.equal(plain([choice({ text: 'a'.repeat(90), reasoningChars: 10 })], 25).charsPerToken, 4);
    assert.equal(plain([choice({ text: 'a'.repeat(43) })], 10).charsPerToken, 4.25);
    assert.equal(plain([choice({ text: 'a' })], 9_999).charsPerToken, 0.25);
    assert.equal(plain([choice({ text: 'a'.repeat(10_000) })], 1).charsPerToken, 63.75);
    for (const tokens of [null, 0]) assert.equal(plain([choice({ text: 'a' })], tokens).charsPerToken, null);
    assert.equal(plain([choice({ text: '' })], 5).charsPerToken, null);
    assert.equal(plain([calling('f', '{}')], 5).charsPerToken, null);
  });

  it('is the same once the ledger gives it back', () => {
    const given = fc.record({
      finish: fc.constantFrom<Finish | null>('stop', 'length', 'tool_calls', null),
      text: fc.option(fc.string({ maxLength: 2_000 }), { nil: null }),
      calls: fc.array(
        fc.record({ name: fc.constantFrom('weather', 'other'), args: fc.option(fc.json(), { nil: null }) }),
        { maxLength: 20 },
      ),
      reasoningChars: fc.nat({ max: 9 }),
      isRefusal: fc.boolean(),
    });
    const request = fc.constantFrom({}, { tools: TOOLS }, { tools: TOOLS, tool_choice: 'required' }, JSON_SCHEMA);
    fc.assert(
      fc.property(
        fc.array(given, { minLength: 1, maxLength: 3 }),
        request,
        fc.option(fc.nat(), { nil: null }),
        (all, asks, tokens) => {
          const form = plain(all, tokens, asks);
          assert.deepEqual(decodeForm(encodeForm(form)), form);
        },
      ),
    );
  });
});
