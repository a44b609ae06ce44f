import { StreamedAnswer } from '../../../src/core/answer/stream.ts';
import { readWhole } from '../../../src/core/answer/whole.ts';
import { AskedReader } from '../../../src/core/form/asked.ts';
import type { Asked, AskedTexts } from '../../../src/core/form/asked.ts';
import { Collecting } from '../../../src/core/form/collecting.ts';
import type { Given } from '../../../src/core/form/given.ts';
import { FormMemory } from '../../../src/core/form/memory.ts';

/** What a stream of events holds, read from bytes that are cut at given places. */
export function givenOfStream(events: string, cuts: readonly number[] = [], memory = new FormMemory()): Given | null {
  const collecting = new Collecting(memory);
  const answer = new StreamedAnswer(true, collecting);
  const bytes = Buffer.from(events);
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1))), bytes.length].sort((a, b) => a - b);
  let start = 0;
  for (const end of places) {
    const piece = bytes.subarray(start, end);
    const taken = answer.skip(piece);
    if (taken < piece.length) answer.push(piece.toString('latin1', taken));
    start = end;
  }
  answer.end();
  const given = collecting.given();
  collecting.release();
  return given;
}

/** What a whole answer holds. */
export function givenOfWhole(answer: unknown): Given | null {
  const collecting = new Collecting(new FormMemory());
  readWhole(Buffer.from(JSON.stringify(answer)).toString('latin1'), true, collecting);
  return collecting.given();
}

/** What a request asks for, by its body. */
export function askedBy(body: Readonly<Record<string, unknown>>): Asked {
  const textOf = (key: string) => (body[key] === undefined ? null : JSON.stringify(body[key]));
  const formatKey = ['response_format', 'text', 'output_format', 'output_config', 'guided_json'].find(
    (key) => key in body,
  );
  const texts: AskedTexts = {
    tools: textOf('tools') ?? textOf('functions'),
    choice: textOf('tool_choice') ?? textOf('function_call'),
    format: formatKey === undefined ? null : [formatKey, JSON.stringify(body[formatKey])],
    isGreedy: body['temperature'] === 0,
    isNamed: (text) => JSON.stringify(body).includes(text),
  };
  return new AskedReader().read(texts);
}

const event = (value: unknown, escapes: boolean) => {
  const text = JSON.stringify(value);
  return `data: ${escapes ? text.replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`) : text}\n\n`;
};

/** What a choice of an answer in the format of chat is to hold. */
export interface Made {
  readonly content: readonly string[];
  readonly reasoning: readonly string[];
  readonly calls: readonly { readonly name: string; readonly args: readonly string[] }[];
  readonly finish: string;
}

/** A streamed chat answer. `escapes`: whether characters beyond ASCII are escaped. */
export function chatStream(choices: readonly Made[], escapes = false): string {
  const events: string[] = [];
  choices.forEach(({ content, reasoning, calls, finish }, index) => {
    const push = (delta: object, reason: string | null = null) =>
      events.push(
        event(
          { id: 'x', object: 'chat.completion.chunk', choices: [{ index, delta, finish_reason: reason }] },
          escapes,
        ),
      );
    push({ role: 'assistant', content: '' });
    for (const each of reasoning) push({ reasoning_content: each });
    for (const each of content) push({ content: each });
    calls.forEach(({ name, args }, at) => {
      push({ tool_calls: [{ index: at, id: `call-${at}`, type: 'function', function: { name, arguments: '' } }] });
      for (const each of args) push({ tool_calls: [{ index: at, function: { arguments: each } }] });
    });
    push({}, finish);
  });
  return `${events.join('')}data: [DONE]\n\n`;
}

/** The same answer as a whole. */
export function chatWhole(choices: readonly Made[]): object {
  return {
    object: 'chat.completion',
    choices: choices.map(({ content, reasoning, calls, finish }, index) => ({
      index,
      message: {
        role: 'assistant',
        content: content.join(''),
        ...(reasoning.length > 0 && { reasoning_content: reasoning.join('') }),
        ...(calls.length > 0 && {
          tool_calls: calls.map(({ name, args }) => ({
            type: 'function',
            function: { name, arguments: args.join('') },
          })),
        }),
      },
      finish_reason: finish,
    })),
    usage: { prompt_tokens: 1, completion_tokens: 1 },
  };
}
