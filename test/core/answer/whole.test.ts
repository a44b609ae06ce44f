import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { readWhole } from '../../../src/core/answer/whole.ts';

const usage = { prompt_tokens: 7, completion_tokens: 9, total_tokens: 16 };
const chat = (message: object, finish: string | null = 'stop') => ({
  id: 'c',
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }],
  usage,
});

/** What each answer is: its outcome, and whether it has output. */
const ANSWERS: readonly (readonly [what: string, value: unknown, outcome: string, hasOutput: boolean | null])[] = [
  ['chat', chat({ content: 'a' }), 'ok', true],
  ['chat without a finish reason', chat({ content: 'a' }, null), 'ok', true],
  ['chat that is over and empty', chat({ content: '' }), 'ok', false],
  ['a tool call', chat({ content: null, tool_calls: [{ id: 't' }] }, 'tool_calls'), 'ok', true],
  ['a text completion', { choices: [{ text: 'a', finish_reason: 'stop' }] }, 'ok', true],
  ['an embedding', { object: 'list', data: [{ embedding: [0.1] }], usage: { prompt_tokens: 7 } }, 'ok', true],
  ['a response', { object: 'response', status: 'completed', output: [{ type: 'message' }], error: null }, 'ok', true],
  [
    'a response at the caller’s limit',
    { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' }, output: [] },
    'ok',
    false,
  ],
  ['a message', { type: 'message', content: [{ type: 'text', text: 'a' }], stop_reason: 'end_turn' }, 'ok', true],
  ['a count of tokens', { input_tokens: 7 }, 'ok', true],
  ['a model that talks of errors', chat({ content: '{"error":{"message":"x"}}' }), 'ok', true],
  ['nothing and no finish reason', chat({ content: '' }, null), 'empty_answer', false],
  ['no choice', { id: 'c', choices: [] }, 'empty_answer', false],
  ['an object of nothing', {}, 'empty_answer', false],
  ['OpenAI’s error', { error: { message: 'x', code: 502 } }, 'server_error', false],
  ['an error beside choices', { ...chat({ content: 'a' }), error: { code: 502 } }, 'server_error', false],
  ['vLLM’s error of old', { object: 'error', message: 'x', code: 500 }, 'server_error', false],
  ['TGI’s error', { error: 'x', error_type: 'generation' }, 'server_error', false],
  ['a choice that failed', chat({ content: 'a' }, 'error'), 'server_error', false],
  ['choices null', { choices: null, error_message: 'x' }, 'server_error', false],
];

describe('a whole answer', () => {
  for (const [what, value, outcome, hasOutput] of ANSWERS) {
    it(`${what}: ${outcome}`, () => {
      const answer = readWhole(JSON.stringify(value), true);
      assert.deepEqual([answer.outcome, answer.hasOutput], [outcome, hasOutput]);
    });
  }

  it('is read as clients read it: behind a byte order mark, and with the numbers that only Python writes', () => {
    const numbers = '"logprobs":[NaN,-Infinity,Infinity]';
    for (const [what, value, outcome] of ANSWERS) {
      const text = JSON.stringify(value);
      const odd = text === '{}' ? `{${numbers}}` : text.replace('{', `{${numbers},`);
      for (const mark of ['\u00ef\u00bb\u00bf', '\ufeff']) {
        assert.equal(readWhole(`${mark}${text}`, true).outcome, outcome, what);
        assert.equal(readWhole(`${mark}${odd}`, true).outcome, outcome, what);
      }
    }
    fc.assert(
      fc.property(fc.constantFrom('NaN', '-Infinity', 'nan', '"NaN', '\\', '{', 'Infinity"'), (content) => {
        const text = JSON.stringify(chat({ content })).replace('{', `{${numbers},`);
        assert.deepEqual(readWhole(text, true), readWhole(JSON.stringify(chat({ content })), true));
        assert.equal(readWhole(text.slice(0, -1), true).outcome, 'incomplete_answer');
      }),
    );
  });

  it('that was cut off within a long text of quotes is read once, not once for each quote', () => {
    const text = `{"choices":[{"message":{"content":"${'\\"'.repeat(4_000)}`;
    assert.equal(readWhole(text.slice(0, 8_000), true).outcome, 'incomplete_answer');
    assert.equal(readWhole(text.slice(0, 7_999), true).outcome, 'incomplete_answer');
  });

  it('is the same whether it is recognised by its parts or parsed', () => {
    const word = fc.constantFrom('a', '', 'x"content":"y', '"finish_reason":"error"', '\\', '"}]}', '{"error":{}}');
    const choice = fc.record({
      index: fc.nat(2),
      message: fc.record(
        {
          role: fc.constant('assistant'),
          content: fc.option(word),
          tool_calls: fc.array(fc.constant({ id: 't' }), { maxLength: 1 }),
        },
        { requiredKeys: ['role'] },
      ),
      finish_reason: fc.constantFrom('stop', '', null, 'error', 'tool_calls'),
    });
    const answer = fc.record(
      {
        id: word,
        choices: fc.option(fc.array(choice, { maxLength: 3 })),
        usage: fc.option(fc.constant(usage)),
        error: fc.option(word),
        object: word,
      },
      { requiredKeys: ['id'] },
    );
    fc.assert(
      fc.property(answer, (value) => {
        const text = JSON.stringify(value);
        // A name that has an escape keeps an answer from being recognised by its parts.
        const slow = text.replaceAll(/"(content|text)":/g, (name) => name.replace('t"', '\\u0074"'));
        assert.deepEqual(readWhole(text, true), readWhole(slow, true), text);
      }),
      { numRuns: 3_000 },
    );
  });

  it('is the same with white space around it, printed over lines, and when it is large', () => {
    for (const [what, value, outcome] of ANSWERS) {
      if (what === 'an object of nothing' || what === 'a response at the caller’s limit') continue;
      const padded = { ...(value as object), padding: 'x"\\'.repeat(4_000) };
      // Of a large answer only the lists are seen, not what is in them.
      const large = outcome === 'empty_answer' && what !== 'no choice' ? 'ok' : outcome;
      assert.equal(readWhole(`\n\n ${JSON.stringify(value, null, 2)}\n`, true).outcome, outcome, what);
      if (what !== 'a count of tokens') assert.equal(readWhole(JSON.stringify(padded), true).outcome, large, what);
    }
  });

  it('that is empty, cut off or no JSON says so', () => {
    for (const text of ['', ' \r\n']) assert.equal(readWhole(text, true).outcome, 'empty_answer');
    for (const text of ['<html>502</html>', 'null', '[1]', '"a"', '{"a":1}{', 'upstream error']) {
      assert.equal(readWhole(text, true).outcome, 'incomplete_answer', text);
    }
    const texts = [chat({ content: 'some "words" \\ and [more] {of} them' }), chat({ content: 'x"\\'.repeat(9_000) })];
    for (const value of texts) {
      const text = JSON.stringify(value);
      fc.assert(
        fc.property(fc.integer({ min: 1, max: text.length - 1 }), (length) => {
          assert.equal(readWhole(text.slice(0, length), true).outcome, 'incomplete_answer');
        }),
      );
    }
  });

  it('of an unknown format is any whole JSON that does not say that it failed', () => {
    for (const text of [
      '[{"generated_text":"a"}]',
      '{"a":1}',
      '3',
      `[${'1,'.repeat(9_000)}1]`,
      `{"a":"${'x'.repeat(9_000)}"}`,
    ]) {
      assert.equal(readWhole(text, false).outcome, 'ok');
    }
    for (const text of ['{"a":', '[1,', `[${'1,'.repeat(9_000)}`, 'text']) {
      assert.equal(readWhole(text, false).outcome, 'incomplete_answer');
    }
    assert.equal(readWhole('{"error":"Model is overloaded"}', false).outcome, 'server_error');
  });

  it('gives its usage wherever it stands', () => {
    const given = { promptTokens: 7, outputTokens: 9 };
    assert.deepEqual(readWhole(JSON.stringify(chat({ content: 'a' })), true).usage, given);
    const behind = { usage, choices: [{ message: { content: 'x' }, logprobs: 'l'.repeat(40_000) }] };
    assert.deepEqual(readWhole(JSON.stringify(behind), true).usage, given);
    const before = { data: [{ embedding: 'A'.repeat(300_000) }], usage: { prompt_tokens: 7, total_tokens: 7 } };
    assert.deepEqual(readWhole(JSON.stringify(before), true).usage, { promptTokens: 7, outputTokens: null });
    const inside = chat({ tool_calls: [{ function: { arguments: '{"usage":{"prompt_tokens":999}}' } }] }, 'tool_calls');
    assert.deepEqual(readWhole(JSON.stringify(inside), true).usage, given);
  });
});
