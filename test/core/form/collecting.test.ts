import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readWhole } from '../../../src/core/answer/whole.ts';
import { Collecting } from '../../../src/core/form/collecting.ts';
import { finishOf } from '../../../src/core/form/given.ts';
import type { Given } from '../../../src/core/form/given.ts';
import { FormMemory } from '../../../src/core/form/memory.ts';
import { chatStream, chatWhole, givenOfStream, givenOfWhole } from './answers.ts';
import type { Made } from './answers.ts';

const pieces = fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), { maxLength: 12 });
const made: fc.Arbitrary<Made> = fc.record({
  content: pieces,
  reasoning: pieces,
  calls: fc.array(fc.record({ name: fc.constantFrom('get', 'put'), args: pieces }), { maxLength: 3 }),
  finish: fc.constantFrom('stop', 'length', 'tool_calls', 'content_filter', 'odd'),
});

function expected(choices: readonly Made[]): Given {
  return choices.map(({ content, reasoning, calls, finish }) => ({
    finish: finishOf(finish),
    text: content.join(''),
    calls: calls.map(({ name, args }) => ({ name, args: args.join('') || '{}' })),
    reasoningChars: reasoning.join('').length,
    isRefusal: false,
  }));
}

const typed = (type: string, more: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
const ARGS = '{"city":"Tromsø"}';

/** One answer with a text, reasoning and a call of a tool, in the formats that are not chat. */
const SAME: Given = [
  {
    finish: 'tool_calls',
    text: 'Let me see – 😀',
    calls: [{ name: 'weather', args: ARGS }],
    reasoningChars: 3,
    isRefusal: false,
  },
];
const ITEMS = [
  { type: 'reasoning', summary: [{ type: 'summary_text', text: 'hm.' }] },
  { type: 'message', content: [{ type: 'output_text', text: 'Let me see – 😀' }] },
  { type: 'function_call', id: 'a', name: 'weather', arguments: ARGS },
];
const STREAMS: readonly (readonly [what: string, events: string])[] = [
  [
    'responses',
    typed('response.output_text.delta', { delta: 'Let me' }) +
      ITEMS.map((item) => typed('response.output_item.done', { item })).join('') +
      typed('response.completed', { response: { status: 'completed', output: ITEMS } }),
  ],
  ['responses without items', typed('response.completed', { response: { status: 'completed', output: ITEMS } })],
  [
    'messages',
    typed('message_start', { message: { content: [] } }) +
      typed('content_block_start', { index: 0, content_block: { type: 'thinking', thinking: '' } }) +
      typed('content_block_delta', { index: 0, delta: { type: 'thinking_delta', thinking: 'hm.' } }) +
      typed('content_block_start', { index: 1, content_block: { type: 'text', text: '' } }) +
      typed('content_block_delta', { index: 1, delta: { type: 'text_delta', text: 'Let me ' } }) +
      typed('content_block_delta', { index: 1, delta: { type: 'text_delta', text: 'see – 😀' } }) +
      typed('content_block_start', {
        index: 2,
        content_block: { type: 'tool_use', id: 't', name: 'weather', input: {} },
      }) +
      typed('content_block_delta', { index: 2, delta: { type: 'input_json_delta', partial_json: ARGS.slice(0, 9) } }) +
      typed('content_block_delta', { index: 2, delta: { type: 'input_json_delta', partial_json: ARGS.slice(9) } }) +
      typed('message_delta', { delta: { stop_reason: 'tool_use' } }) +
      typed('message_stop', {}),
  ],
];
const WHOLES: readonly (readonly [what: string, answer: object])[] = [
  ['responses', { object: 'response', status: 'completed', output: ITEMS }],
  [
    'messages',
    {
      type: 'message',
      stop_reason: 'tool_use',
      content: [
        { type: 'thinking', thinking: 'hm.' },
        { type: 'text', text: 'Let me see – 😀' },
        { type: 'tool_use', id: 't', name: 'weather', input: JSON.parse(ARGS) as unknown },
      ],
    },
  ],
  [
    'parts of a text',
    {
      choices: [
        {
          finish_reason: 'tool_calls',
          message: {
            content: [
              { type: 'thinking', thinking: [{ type: 'text', text: 'hm.' }] },
              { type: 'text', text: 'Let me see – 😀' },
            ],
            tool_calls: [{ function: { name: 'weather', arguments: JSON.parse(ARGS) as unknown } }],
          },
        },
      ],
    },
  ],
  [
    'what came before tools',
    {
      choices: [
        {
          finish_reason: 'function_call',
          message: {
            content: 'Let me see – 😀',
            reasoning: 'hm.',
            function_call: { name: 'weather', arguments: ARGS },
          },
        },
      ],
    },
  ],
];

describe('what an answer holds', () => {
  it('is the same from a stream, however it is cut and escaped, and from the whole', () => {
    const choices = fc.array(made, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(choices, fc.array(fc.nat(), { maxLength: 20 }), fc.boolean(), (all, cuts, escapes) => {
        assert.deepEqual(givenOfStream(chatStream(all, escapes), cuts), expected(all));
        assert.deepEqual(givenOfWhole(chatWhole(all)), expected(all));
      }),
    );
  });

  it('is read in each format', () => {
    for (const [what, events] of STREAMS) assert.deepEqual(givenOfStream(events), SAME, what);
    for (const [what, answer] of WHOLES) assert.deepEqual(givenOfWhole(answer), SAME, what);
  });

  it('is read as it is if its text is decoded already, and as it was meant if each byte is a character', () => {
    const latin = 'déjà vu, ça va: naïve señor';
    for (const said of [latin, 'Â©', 'Tromsø – 😀']) {
      const text = JSON.stringify({ choices: [{ message: { content: said }, finish_reason: 'stop' }] });
      const textOf = (line: string) => {
        const collecting = new Collecting(new FormMemory());
        assert.equal(readWhole(line, true, collecting).outcome, 'ok');
        return collecting.given()?.[0]?.text;
      };
      assert.equal(textOf(Buffer.from(text).toString('latin1')), said);
      if (said !== 'Â©') assert.equal(textOf(text), said);
    }
  });

  it('keeps the mark of a broken byte among others', () => {
    const text = JSON.stringify({ choices: [{ message: { content: 'schön, \u00e9' }, finish_reason: 'stop' }] });
    const broken = Buffer.from(text.replace('é', '#')).toString('latin1').replace('#', '\xff');
    const collecting = new Collecting(new FormMemory());
    readWhole(broken, true, collecting);
    assert.equal(collecting.given()?.[0]?.text, 'schön, \ufffd');
  });

  it('is a text completion’s text', () => {
    const text = (part: string, reason: string | null) =>
      `data: ${JSON.stringify({ choices: [{ index: 0, text: part, finish_reason: reason }] })}\n\n`;
    const [choice] = givenOfStream(text('a ', null) + text('b ', null) + text('c', null) + text('', 'length')) ?? [];
    assert.deepEqual([choice?.text, choice?.finish], ['a b c', 'length']);
  });

  it('is a refusal if it says so', () => {
    const message = { content: null, refusal: 'No.' };
    assert.equal(givenOfWhole({ choices: [{ message, finish_reason: 'stop' }] })?.[0]?.isRefusal, true);
    const output = [{ type: 'message', content: [{ type: 'refusal', refusal: 'No.' }] }];
    assert.equal(givenOfWhole({ status: 'completed', output })?.[0]?.isRefusal, true);
  });

  it('is not known beyond its bounds', () => {
    const long = { content: Array.from({ length: 40 }, () => 'word '.repeat(400)), reasoning: [], finish: 'stop' };
    const [text] = givenOfStream(chatStream([{ ...long, calls: [] }])) ?? [];
    assert.deepEqual([text?.text, text?.finish], [null, 'stop']);
    const calls = [{ name: 'f', args: Array.from({ length: 40 }, () => 'word '.repeat(400)) }];
    const [call] = givenOfStream(chatStream([{ content: ['a'], reasoning: [], calls, finish: 'tool_calls' }])) ?? [];
    assert.deepEqual([call?.text, call?.calls[0]?.args], ['a', null]);
    const one = { content: ['a'], reasoning: [], calls: [], finish: 'stop' };
    assert.equal(givenOfStream(chatStream(Array.from({ length: 17 }, () => one))), null);
    assert.equal(
      givenOfStream('data: {"choices":[{"index":1e9,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'),
      null,
    );
  });
});

describe('arguments that nest very deep', () => {
  it('are not known, and break nothing', () => {
    const deep = `${'{"a":'.repeat(15_000)}1${'}'.repeat(15_000)}`;
    const collecting = new Collecting(new FormMemory());
    const text = `{"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":${deep}}}]}}]}`;
    assert.equal(readWhole(text, true, collecting).outcome, 'ok');
    assert.deepEqual(collecting.given()?.[0]?.calls, [{ name: 'f', args: null }]);
  });
});

describe('the memory for what answers hold', () => {
  it('is given back when they have ended, and without it nothing is known', () => {
    fc.assert(
      fc.property(fc.array(made, { minLength: 1, maxLength: 2 }), fc.nat({ max: 4_000 }), (all, most) => {
        const memory = new FormMemory(most);
        const given = givenOfStream(chatStream(all), [], memory);
        assert.equal(memory.left, most);
        for (const [at, choice] of (given ?? []).entries()) {
          const whole = expected(all)[at];
          if (choice.text !== null) assert.equal(choice.text, whole?.text);
          choice.calls.forEach(({ args }, n) => assert.ok(args === null || args === whole?.calls[n]?.args));
        }
      }),
    );
  });
});
