import type { Pieces, Wanted } from './wanted.ts';

const STOPS: Readonly<Record<Wanted['finish'], string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
};

/** A whole answer in the shape of Anthropic's Messages interface. */
export function messageObject(wanted: Wanted): object {
  const thinking = { ...THINKING, thinking: wanted.reasoning };
  return {
    ...head(wanted),
    content: [...(wanted.reasoning === '' ? [] : [thinking]), wholeBlock(wanted)],
    stop_reason: STOPS[wanted.finish],
    stop_sequence: null,
    usage: { input_tokens: wanted.promptTokens, output_tokens: wanted.outputTokens },
  };
}

const THINKING = { type: 'thinking', thinking: '', signature: 'c2ltdWxhdGVk' };

function wholeBlock({ id, text, tool }: Wanted): object {
  return tool === undefined ? { type: 'text', text } : { ...toolBlock(id, tool.name), input: inputOf(tool.args) };
}

function toolBlock(id: string, name: string): object {
  return { type: 'tool_use', id: `toolu_${id}`, name, input: {} };
}

/** The interface has no place for arguments that are no JSON. */
function inputOf(args: string): unknown {
  try {
    return JSON.parse(args);
  } catch {
    return {};
  }
}

/** The same as events: the prompt tokens come with the first event, the output tokens with the last but one. */
export function messageEvents(wanted: Wanted, { reasoning, said }: Pieces): string[] {
  const usage = { input_tokens: wanted.promptTokens, output_tokens: 0 };
  const message = { ...head(wanted), content: [], stop_reason: null, stop_sequence: null, usage };
  const end = { stop_reason: STOPS[wanted.finish], stop_sequence: null };
  const thoughts = reasoning.map((thinking) => ({ type: 'thinking_delta', thinking }));
  const { id, tool } = wanted;
  const deltas = said.map((piece) =>
    tool === undefined ? { type: 'text_delta', text: piece } : { type: 'input_json_delta', partial_json: piece },
  );
  const block = tool === undefined ? { type: 'text', text: '' } : toolBlock(id, tool.name);
  return [
    event('message_start', { message }),
    event('ping', {}),
    ...(thoughts.length === 0 ? [] : blockEvents(0, THINKING, thoughts)),
    ...blockEvents(thoughts.length === 0 ? 0 : 1, block, deltas),
    event('message_delta', { delta: end, usage: { output_tokens: wanted.outputTokens } }),
    event('message_stop', {}),
  ];
}

function blockEvents(index: number, block: object, deltas: readonly object[]): string[] {
  return [
    event('content_block_start', { index, content_block: block }),
    ...deltas.map((delta) => event('content_block_delta', { index, delta })),
    event('content_block_stop', { index }),
  ];
}

function event(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

function head({ id, model }: Wanted): object {
  return { id, type: 'message', role: 'assistant', model };
}
