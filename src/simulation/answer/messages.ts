import type { Wanted } from './wanted.ts';

/** A whole answer in the shape of Anthropic's Messages interface. */
export function messageObject(wanted: Wanted, text: string): object {
  return {
    ...head(wanted),
    content: [{ type: 'text', text }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: wanted.promptTokens, output_tokens: wanted.outputTokens },
  };
}

/** The same as events: the prompt tokens come with the first event, the output tokens with the last but one. */
export function messageEvents(wanted: Wanted, pieces: readonly string[]): string[] {
  const event = (type: string, fields: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  const usage = { input_tokens: wanted.promptTokens, output_tokens: 0 };
  const message = { ...head(wanted), content: [], stop_reason: null, stop_sequence: null, usage };
  const end = { stop_reason: 'end_turn', stop_sequence: null };
  return [
    event('message_start', { message }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    event('ping', {}),
    ...pieces.map((text) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: end, usage: { output_tokens: wanted.outputTokens } }),
    event('message_stop', {}),
  ];
}

function head({ id, model }: Wanted): object {
  return { id, type: 'message', role: 'assistant', model };
}
