import assert from 'node:assert/strict';
import { test } from 'node:test';
import { streamedAnswer, wholeAnswer } from '../../../src/simulation/answer/answers.ts';
import type { Wanted } from '../../../src/simulation/answer/wanted.ts';

// Events and answers differ from interface to interface; each reader knows its own.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

/** What an answer holds, whatever its form. */
interface Read {
  readonly text: string;
  readonly reasoning: string;
  readonly tool: { readonly name: string; readonly args: string } | null;
  readonly end: string;
  readonly tokens: readonly [prompt: number, output: number];
}

const TEXT = { text: 'It is "sunny" today, and so on. ', tool: undefined };
const CALL = { text: '', tool: { name: 'look', args: '{"city":"Bergen","days":3}' } };
const THOUGHT = { reasoning: 'First the city. Then the days.', reasoningTokens: 7 };
const PLAIN = { reasoning: '', reasoningTokens: 0 };

const answers: readonly (readonly [what: string, answer: Partial<Wanted>])[] = [
  ['a text', { ...TEXT, ...PLAIN, finish: 'stop' }],
  ['a text that is cut', { ...TEXT, ...PLAIN, finish: 'length' }],
  ['a tool call', { ...CALL, ...PLAIN, finish: 'tool_calls' }],
  ['thoughts and a text', { ...TEXT, ...THOUGHT, finish: 'stop' }],
  ['thoughts and a tool call', { ...CALL, ...THOUGHT, finish: 'tool_calls' }],
];

type Reader = readonly [whole: (answer: Json) => Read, streamed: (events: readonly Json[]) => Read];

const join = (pieces: readonly (string | undefined)[]) => pieces.map((piece) => piece ?? '').join('');
const tokensOf = ({ prompt_tokens, completion_tokens }: Json): [number, number] => [prompt_tokens, completion_tokens];
const inputOutput = ({ input_tokens, output_tokens }: Json): [number, number] => [input_tokens, output_tokens];
const pieces = (events: readonly Json[], type: string) => events.filter((event) => event.type === type);

const chat: Reader = [
  ({ choices: [{ message, finish_reason }], usage }) => ({
    text: message.content ?? '',
    reasoning: message.reasoning_content ?? '',
    tool:
      message.tool_calls?.map((one: Json) => ({ name: one.function.name, args: one.function.arguments }))[0] ?? null,
    end: finish_reason,
    tokens: tokensOf(usage),
  }),
  (events) => {
    const deltas = events.flatMap(({ choices }) => choices.map(({ delta }: Json) => delta));
    const calls = deltas.flatMap(({ tool_calls }) => tool_calls ?? []).map((call: Json) => call.function);
    return {
      text: join(deltas.map(({ content }) => content)),
      reasoning: join(deltas.map(({ reasoning_content }) => reasoning_content)),
      tool: calls.length === 0 ? null : { name: calls[0].name, args: join(calls.map((call) => call.arguments)) },
      end: events.at(-2).choices[0].finish_reason,
      tokens: tokensOf(events.at(-1).usage),
    };
  },
];

const readResponse = ({ status, output, usage }: Json): Read => {
  const of = (type: string) => output.find((item: Json) => item.type === type);
  const call = of('function_call');
  return {
    text: of('message')?.content[0].text ?? '',
    reasoning: of('reasoning')?.content[0].text ?? '',
    tool: call === undefined ? null : { name: call.name, args: call.arguments },
    end: status,
    tokens: inputOutput(usage),
  };
};
const response: Reader = [
  readResponse,
  (events) => {
    const last = readResponse(events.at(-1).response);
    const deltas = (what: string) => join(pieces(events, `response.${what}.delta`).map(({ delta }) => delta));
    assert.deepEqual(
      events.map((event) => event.sequence_number),
      events.map((_, at) => at),
    );
    assert.equal(events.at(-1).type, `response.${last.end}`);
    const tool = last.tool && { ...last.tool, args: deltas('function_call_arguments') };
    return { ...last, text: deltas('output_text'), reasoning: deltas('reasoning_text'), tool };
  },
];

const message: Reader = [
  ({ content, stop_reason, usage }) => {
    const of = (type: string) => content.find((block: Json) => block.type === type);
    const used = of('tool_use');
    return {
      text: of('text')?.text ?? '',
      reasoning: of('thinking')?.thinking ?? '',
      tool: used === undefined ? null : { name: used.name, args: JSON.stringify(used.input) },
      end: stop_reason,
      tokens: inputOutput(usage),
    };
  },
  (events) => {
    const deltas = (key: string) => join(pieces(events, 'content_block_delta').map(({ delta }) => delta[key]));
    const blocks = pieces(events, 'content_block_start').map((event) => event.content_block);
    const used = blocks.find(({ type }) => type === 'tool_use');
    const { delta, usage } = pieces(events, 'message_delta')[0];
    return {
      text: deltas('text'),
      reasoning: deltas('thinking'),
      tool: used === undefined ? null : { name: used.name, args: deltas('partial_json') },
      end: delta.stop_reason,
      tokens: [events[0].message.usage.input_tokens, usage.output_tokens],
    };
  },
];

const READERS = { chat, response, message };
const ENDS = {
  chat: { stop: 'stop', length: 'length', tool_calls: 'tool_calls' },
  response: { stop: 'completed', length: 'incomplete', tool_calls: 'completed' },
  message: { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use' },
};

for (const kind of ['chat', 'response', 'message'] as const) {
  for (const [what, answer] of answers) {
    test(`${kind}: ${what} is the same whole and as events, in as many pieces as there are`, () => {
      const wanted = {
        kind,
        id: 'a-1',
        model: 'a/model',
        promptTokens: 20,
        outputTokens: 15,
        createdSeconds: 1,
        includeUsage: true,
        ...answer,
      } as Wanted;
      const [readWhole, readStreamed] = READERS[kind];
      const expected: Read = {
        text: wanted.text,
        reasoning: wanted.reasoning,
        tool: wanted.tool ?? null,
        end: ENDS[kind][wanted.finish],
        tokens: [20, 15],
      };
      assert.deepEqual(readWhole(JSON.parse(wholeAnswer(wanted))), expected);
      for (const chunks of [1, 2, 5, 12, 400]) {
        const lines = streamedAnswer(wanted, chunks).join('').split('\n');
        const data = lines.filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)));
        assert.deepEqual(readStreamed(data), expected, `${chunks} pieces`);
      }
    });
  }
}
