import type { Wanted } from './wanted.ts';

/** A whole answer in the shape of OpenAI's Responses interface. */
export function responseObject(wanted: Wanted, text: string): object {
  const { promptTokens: input_tokens, outputTokens: output_tokens } = wanted;
  return {
    ...head(wanted),
    status: 'completed',
    output: [item(wanted, 'completed', [part(text)])],
    usage: {
      input_tokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input_tokens + output_tokens,
    },
  };
}

/**
 * The same as events: response created; its one item and its one part opened, filled and closed; response completed.
 */
export function responseEvents(wanted: Wanted, pieces: readonly string[], text: string): string[] {
  let sequence = 0;
  const event = (type: string, fields: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence++, ...fields })}\n\n`;
  const begun = { response: { ...head(wanted), status: 'in_progress', output: [], usage: null } };
  const place = { item_id: `${wanted.id}-0`, output_index: 0, content_index: 0 };
  return [
    event('response.created', begun),
    event('response.in_progress', begun),
    event('response.output_item.added', { output_index: 0, item: item(wanted, 'in_progress', []) }),
    event('response.content_part.added', { ...place, part: part('') }),
    ...pieces.map((delta) => event('response.output_text.delta', { ...place, delta, logprobs: [] })),
    event('response.output_text.done', { ...place, text, logprobs: [] }),
    event('response.content_part.done', { ...place, part: part(text) }),
    event('response.output_item.done', { output_index: 0, item: item(wanted, 'completed', [part(text)]) }),
    event('response.completed', { response: responseObject(wanted, text) }),
  ];
}

function head(wanted: Wanted): object {
  return {
    id: wanted.id,
    object: 'response',
    created_at: wanted.createdSeconds,
    model: wanted.model,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    metadata: null,
    parallel_tool_calls: true,
    previous_response_id: null,
    temperature: 1,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
  };
}

function item({ id }: Wanted, status: string, content: readonly object[]): object {
  return { type: 'message', id: `${id}-0`, status, role: 'assistant', content };
}

function part(text: string): object {
  return { type: 'output_text', text, annotations: [] };
}
