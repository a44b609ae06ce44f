import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { StreamedAnswer } from '../../../src/core/answer/stream.ts';
import type { AnswerOutcome } from '../../../src/core/answer/stream.ts';
import type { Usage } from '../../../src/core/answer/output.ts';

const data = (value: unknown) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
const chunk = (delta: object, finish: string | null = null, index = 0) =>
  data({ id: 'c', object: 'chat.completion.chunk', model: 'm', choices: [{ index, delta, finish_reason: finish }] });
const typed = (type: string, more: object = {}) => `event: ${type}\n${data({ type, ...more })}`;
const DONE = data('[DONE]');
const ROLE = chunk({ role: 'assistant', content: '' });
const WORD = chunk({ content: 'word' });
const STOP = chunk({}, 'stop');
const COUNTS = { prompt_tokens: 7, completion_tokens: 9, total_tokens: 16 };
const USAGE = data({ id: 'c', choices: [], usage: COUNTS });
const ERROR = data({ error: { message: 'died', code: 500 } });

interface Read {
  readonly outcome: AnswerOutcome;
  readonly hasOutput: boolean;
  readonly isComplete: boolean;
  readonly usage: Usage;
  /** The piece in which the first output came; -1: none. */
  readonly firstAt: number;
}

function read(pieces: readonly string[], isOpenAi = true): Read {
  const answer = new StreamedAnswer(isOpenAi);
  const firstAt = pieces.map((piece) => answer.push(piece)).indexOf(true);
  const { isComplete } = answer;
  const outcome = answer.end();
  return { outcome, hasOutput: answer.hasOutput, isComplete, usage: answer.usage, firstAt };
}

/** The same from bytes: those that say nothing new are skipped. `skipped`: how many. */
function readBytes(pieces: readonly Uint8Array[]): Read & { readonly skipped: number } {
  const answer = new StreamedAnswer(true);
  let skipped = 0;
  const firstAt = pieces
    .map((piece) => {
      const taken = answer.skip(piece);
      skipped += taken;
      return taken < piece.length && answer.push(Buffer.from(piece.subarray(taken)).toString('latin1'));
    })
    .indexOf(true);
  const { isComplete } = answer;
  const outcome = answer.end();
  return { outcome, hasOutput: answer.hasOutput, isComplete, usage: answer.usage, firstAt, skipped };
}

/** What each stream is: its pieces, its outcome, and whether it has output. */
const STREAMS: readonly (readonly [what: string, pieces: string, outcome: AnswerOutcome, hasOutput: boolean])[] = [
  // As its protocol ends.
  ['chat', ROLE + WORD + WORD + STOP + DONE, 'ok', true],
  ['chat with usage', ROLE + WORD + STOP + USAGE + DONE, 'ok', true],
  ['chat without [DONE]', ROLE + WORD + STOP, 'ok', true],
  ['chat that is over and empty', ROLE + STOP + DONE, 'ok', false],
  ['cut off at the limit of tokens', ROLE + WORD + chunk({}, 'length') + DONE, 'ok', true],
  [
    'a tool call',
    chunk({ tool_calls: [{ index: 0, function: { name: 'f' } }] }) + chunk({}, 'tool_calls') + DONE,
    'ok',
    true,
  ],
  ['reasoning only', chunk({ reasoning_content: 'hm' }) + STOP + DONE, 'ok', true],
  ['two choices', WORD + chunk({ content: 'x' }, null, 1) + STOP + chunk({}, 'stop', 1) + DONE, 'ok', true],
  ['a text completion', data({ choices: [{ index: 0, text: 'a', finish_reason: 'stop' }] }) + DONE, 'ok', true],
  ['no finish reason, then usage', WORD + USAGE, 'ok', true],
  [
    'usage in each event, then [DONE]',
    data({ choices: [{ index: 0, delta: { content: 'a' } }], usage: COUNTS }) + DONE,
    'ok',
    true,
  ],
  ['choices null beside usage', WORD + data({ choices: null, usage: COUNTS }) + DONE, 'ok', true],
  [
    'responses',
    typed('response.created') +
      typed('response.output_text.delta', { delta: 'a' }) +
      typed('response.completed', { response: {} }),
    'ok',
    true,
  ],
  [
    'responses at the caller’s limit',
    typed('response.output_text.delta', { delta: 'a' }) +
      typed('response.incomplete', { response: { incomplete_details: { reason: 'max_output_tokens' } } }),
    'ok',
    true,
  ],
  [
    'messages',
    typed('message_start', { message: {} }) +
      typed('content_block_delta', { delta: { type: 'text_delta', text: 'a' } }) +
      typed('message_stop'),
    'ok',
    true,
  ],
  [
    'messages with a tool',
    typed('content_block_start', { content_block: { type: 'tool_use', name: 'f' } }) + typed('message_stop'),
    'ok',
    true,
  ],
  [
    'TGI',
    'data:{"token":{"text":"a","special":false},"generated_text":null}\n\ndata:{"token":{"text":"</s>","special":true},"generated_text":"a"}\n\n',
    'ok',
    true,
  ],
  ['events with one line end', (ROLE + WORD + STOP + DONE).replaceAll('\n\n', '\n'), 'ok', true],
  [
    'an event in two data lines',
    'data: {"choices":[{"index":0,"delta":{"content":"a"},\ndata: "finish_reason":"stop"}]}\n\n',
    'ok',
    true,
  ],
  [
    'events in many data lines',
    JSON.stringify([{ choices: [{ index: 0, delta: { content: 'a' }, finish_reason: 'stop' }] }], null, 1)
      .split('\n')
      .slice(1, -1)
      .map((line) => `data: ${line}\n`)
      .join(''),
    'ok',
    true,
  ],
  [
    'a text that talks of errors',
    chunk({ content: '{"error": {"message": "x"}} finish_reason' }) + STOP + DONE,
    'ok',
    true,
  ],
  [
    'error: null beside the rest',
    data({ error: null, choices: [{ index: 0, delta: { content: 'a' }, finish_reason: 'stop' }] }),
    'ok',
    true,
  ],
  // Without an end.
  ['cut in the middle', ROLE + WORD + WORD, 'incomplete_answer', true],
  ['[DONE] in the middle', ROLE + WORD + DONE, 'incomplete_answer', true],
  ['cut within an event', `${WORD}data: {"id":"c","obj`, 'incomplete_answer', true],
  ['one of two choices unfinished', WORD + chunk({ content: 'x' }, null, 1) + STOP + DONE, 'incomplete_answer', true],
  ['an empty finish reason throughout', chunk({ content: 'a' }, '') + DONE, 'incomplete_answer', true],
  [
    'responses cut short',
    typed('response.created') + typed('response.output_text.delta', { delta: 'a' }),
    'incomplete_answer',
    true,
  ],
  [
    'responses that a filter ended',
    typed('response.output_text.delta', { delta: 'a' }) +
      typed('response.incomplete', { response: { incomplete_details: { reason: 'content_filter' } } }),
    'incomplete_answer',
    true,
  ],
  [
    'messages cut short',
    typed('message_start') +
      typed('content_block_delta', { delta: { text: 'a' } }) +
      typed('message_delta', { usage: { output_tokens: 3 } }),
    'incomplete_answer',
    true,
  ],
  // Nothing.
  ['no byte', '', 'empty_answer', false],
  ['[DONE] alone', DONE, 'empty_answer', false],
  ['comments alone', ': keep-alive\n\n: keep-alive\n\n', 'empty_answer', false],
  ['a role alone', ROLE + DONE, 'empty_answer', false],
  ['a role and usage', ROLE + USAGE + DONE, 'empty_answer', false],
  ['somebody’s own JSON', data({ hello: 1 }) + DONE, 'empty_answer', false],
  ['text that is no JSON', data('hello') + data('world'), 'empty_answer', false],
  ['a page', '<html><body>502</body></html>', 'empty_answer', false],
  // Errors, as servers write them.
  ['vLLM, first', ERROR + DONE, 'server_error', false],
  ['vLLM, after a token', WORD + ERROR + DONE, 'server_error', true],
  ['vLLM of old', WORD + data({ object: 'error', message: 'out of memory', code: 500 }) + DONE, 'server_error', true],
  [
    'OpenRouter',
    WORD +
      data({ id: 'g', error: { code: 502 }, choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }] }) +
      DONE,
    'server_error',
    true,
  ],
  ['finish reason error alone', WORD + chunk({}, 'error') + DONE, 'server_error', true],
  ['TGI, a text', `${WORD}data:{"error":"CUDA error","error_type":"generation"}\n\n`, 'server_error', true],
  [
    'numbers that only Python writes, in the last event',
    `${WORD}data: {"choices":[{"index":0,"delta":{},"logprobs":[-Infinity,NaN],"finish_reason":"stop"}]}\n\n`,
    'ok',
    true,
  ],
  ['a field named error', `${WORD}error: {"code":500}\n\n`, 'server_error', true],
  ['an event named error', `${WORD}event: error\ndata: {"message":"died"}\n\n`, 'server_error', true],
  ['an event named error, its name last', `${WORD}data: {"message":"died"}\nevent: error\n\n`, 'server_error', true],
  [
    'Anthropic',
    typed('message_start') + typed('error', { error: { type: 'overloaded_error' } }),
    'server_error',
    false,
  ],
  [
    'responses failed',
    typed('response.created') + typed('response.failed', { response: { error: {} } }),
    'server_error',
    false,
  ],
  ['choices null and an error message', data({ choices: null, error_message: 'no' }), 'server_error', false],
  ['after an empty finish reason', chunk({ content: 'a' }, '') + ERROR, 'server_error', true],
  ['once one of two choices is over', STOP + chunk({ content: 'x' }, null, 1) + ERROR, 'server_error', true],
];

describe('a streamed answer', () => {
  for (const [what, text, outcome, hasOutput] of STREAMS) {
    it(`${what}: ${outcome}`, () => {
      const whole = read([text]);
      assert.deepEqual([whole.outcome, whole.hasOutput], [outcome, hasOutput]);
    });
  }

  it('is the same wherever its pieces are cut, with whatever line ends, and behind a byte order mark', () => {
    const stream = fc.constantFrom(...STREAMS.map(([, text]) => text));
    const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
    fc.assert(
      fc.property(
        stream,
        lineEnd,
        fc.boolean(),
        fc.array(fc.nat(400), { maxLength: 12 }),
        (text, end, hasMark, cuts) => {
          const whole = read([text]);
          const sent = `${hasMark ? '\u00ef\u00bb\u00bf' : ''}${text.replaceAll('\n', end)}`;
          const places = [0, ...cuts.filter((cut) => cut < sent.length).sort((a, b) => a - b), sent.length];
          const cut = read(places.slice(1).map((to, i) => sent.slice(places[i], to)));
          assert.deepEqual({ ...cut, firstAt: 0 }, { ...whole, firstAt: 0 });
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('that came in single bytes is the same', () => {
    for (const [what, text, outcome] of STREAMS) assert.equal(read(text.split('')).outcome, outcome, what);
  });

  it('of another format than the call’s is left alone where the format is not known', () => {
    assert.equal(read([data({ hello: 1 }), data({ hello: 2 })], false).outcome, 'ok');
    assert.equal(read([data('hello')], false).outcome, 'ok');
    assert.equal(read([data('{"cut')], false).outcome, 'empty_answer');
    assert.equal(read([WORD], false).outcome, 'incomplete_answer');
  });

  it('has its first output in the piece in which its line ends', () => {
    assert.equal(read([ROLE, ': ping\n\n', WORD, WORD, STOP]).firstAt, 2);
    assert.equal(read([ROLE, WORD.slice(0, 30), WORD.slice(30)]).firstAt, 2);
    assert.equal(read([ROLE, STOP, DONE]).firstAt, -1);
  });

  it('is complete for a client that leaves after its last event, however long that is', () => {
    const long = typed('response.completed', {
      response: { output: [{ text: 'x'.repeat(60_000) }], usage: { input_tokens: 3, output_tokens: 4 } },
    });
    const { isComplete, usage } = read([typed('response.output_text.delta', { delta: 'a' }), long]);
    assert.deepEqual([isComplete, usage], [true, { promptTokens: 3, outputTokens: 4 }]);
    assert.ok(!read([ROLE, WORD]).isComplete);
  });

  it('with a line that is too long to read is not blamed', () => {
    const pieces = Array.from({ length: 40 }, () => 'x'.repeat(64 * 1024));
    assert.equal(read(['data: {"choices":[{"delta":{"content":"', ...pieces, '"}}]}\n\n', DONE]).outcome, 'ok');
  });

  const USAGES: readonly (readonly [what: string, pieces: string, prompt: number | null, output: number | null])[] = [
    ['in the last event', WORD + STOP + USAGE, 7, 9],
    ['null in between', data({ choices: [], usage: null }) + USAGE, 7, 9],
    ['the last of several', data({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 1 } }) + USAGE, 7, 9],
    ['as Groq gives it', data({ choices: [], x_groq: { usage: { queue_time: 0.1, ...COUNTS } } }), 7, 9],
    ['details with null in them', data({ usage: { ...COUNTS, prompt_tokens_details: { prompt_tokens: null } } }), 7, 9],
    [
      'Anthropic’s in two events',
      typed('message_start', { message: { usage: { input_tokens: 7, output_tokens: 1 } } }) +
        typed('message_delta', { usage: { output_tokens: 9 } }),
      7,
      9,
    ],
    ['in what the model wrote: none', chunk({ content: '{"usage":{"prompt_tokens":1}}' }) + STOP, null, null],
    ['no whole numbers: none', data({ usage: { prompt_tokens: 1.5, completion_tokens: -1 } }), null, null],
  ];
  for (const [what, text, promptTokens, outputTokens] of USAGES) {
    it(`gives its usage: ${what}`, () => assert.deepEqual(read([text]).usage, { promptTokens, outputTokens }));
  }

  it('is the same whether an event is recognised by its parts or parsed', () => {
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom('"', '\\', '\\"', '"},"finish_reason":"stop"}]}', '', ' a', '\n'),
    );
    const event = fc.oneof(
      { weight: 8, arbitrary: text.map((content) => chunk({ content })) },
      fc.constantFrom(
        STOP,
        ROLE,
        ERROR,
        USAGE,
        chunk({ content: 'x' }, null, 1),
        chunk({ content: 'x', tool_calls: [{}] }),
      ),
    );
    const cuts = fc.array(fc.nat(3000), { maxLength: 6 });
    let skipped = 0;
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 30 }),
        fc.constantFrom('\n', '\r\n'),
        cuts,
        (events, lineEnd, places) => {
          const quick = read(events);
          // A key that differs in every event keeps any event from being recognised by its parts.
          const slow = read(events.map((each, i) => each.replace('data: {', `data: {"n":${i},`)));
          assert.deepEqual(quick, slow);
          const bytes = events.map((each) => Buffer.from(each.replaceAll('\n', lineEnd)));
          const all = Buffer.concat(bytes);
          const ends = [0, ...places.filter((at) => at < all.length).sort((a, b) => a - b), all.length];
          const whole = readBytes(bytes);
          const cut = readBytes(ends.slice(1).map((to, i) => all.subarray(ends[i], to)));
          assert.deepEqual({ ...whole, skipped: 0 }, { ...slow, skipped: 0 });
          assert.deepEqual({ ...cut, firstAt: 0, skipped: 0 }, { ...slow, firstAt: 0, skipped: 0 });
          skipped += whole.skipped;
        },
      ),
      { numRuns: 2_000 },
    );
    assert.ok(skipped > 100_000, `${skipped} bytes`);
  });

  it('skips no event with an escape that JSON does not know, a line end, or another choice', () => {
    const [before, after] = chunk({ content: '|' }).split('|') as [string, string];
    for (const text of ['\\x41', '\\', '\r\n\r\ndata: ', '\t']) {
      const { skipped } = readBytes([WORD, `${before}${text}${after}`].map((each) => Buffer.from(each)));
      assert.equal(skipped, 0, JSON.stringify(text));
    }
    const fine = readBytes([WORD, `${before}a\\n\\"b${after}`].map((each) => Buffer.from(each)));
    assert.ok(fine.skipped > 0);
  });
});

it('an event of very many lines takes time with their number, not with its square', () => {
  for (const line of ['data: plain text\n', 'data: {"a":\n']) {
    const before = process.cpuUsage();
    const answer = new StreamedAnswer(true);
    for (let n = 0; n < 30_000; n++) answer.push(line);
    assert.equal(answer.end(), 'empty_answer');
    const { user } = process.cpuUsage(before);
    assert.ok(user < 10_000_000, `${user} µs of processor time`);
  }
});

it('an event of many lines that is too long to be read is not judged', () => {
  const answer = new StreamedAnswer(true);
  answer.push('data: [\n');
  for (let n = 0; n < 17; n++) answer.push(`data: "${'x'.repeat(64 * 1024)}",\n`);
  answer.push('data: 1]\n\n');
  assert.equal(answer.end(), 'ok');
});
