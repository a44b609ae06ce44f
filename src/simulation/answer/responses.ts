import type { Pieces, Wanted } from './wanted.ts';

/** A whole answer in the shape of OpenAI's Responses interface. */
export function responseObject(wanted: Wanted): object {
  const { promptTokens: input_tokens, outputTokens: output_tokens, reasoningTokens, reasoning } = wanted;
  const status = statusOf(wanted);
  return {
    ...head(wanted),
    status,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    output: [...(reasoning === '' ? [] : [thoughts(wanted, reasoning)]), said(wanted, status, whole(wanted))],
    usage: {
      input_tokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens,
      output_tokens_details: { reasoning_tokens: reasoningTokens },
      total_tokens: input_tokens + output_tokens,
    },
  };
}

type Event = readonly [type: string, fields: object];

/** The same as events: response created; each of its items opened, filled and closed; response completed. */
export function responseEvents(wanted: Wanted, pieces: Pieces): string[] {
  const begun = { response: { ...head(wanted), status: 'in_progress', output: [], usage: null } };
  const events: readonly Event[] = [
    ['response.created', begun],
    ['response.in_progress', begun],
    ...thoughtEvents(wanted, pieces.reasoning),
    ...saidEvents(wanted, pieces),
    [`response.${statusOf(wanted)}`, { response: responseObject(wanted) }],
  ];
  return events.map(([type, fields], at) => {
    return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: at, ...fields })}\n\n`;
  });
}

function statusOf({ finish }: Wanted): 'incomplete' | 'completed' {
  return finish === 'length' ? 'incomplete' : 'completed';
}

function thoughtEvents(wanted: Wanted, pieces: readonly string[]): Event[] {
  if (pieces.length === 0) return [];
  const place = { item_id: `${wanted.id}-r`, output_index: 0, content_index: 0 };
  return [
    ['response.output_item.added', { output_index: 0, item: thoughts(wanted, null) }],
    ...pieces.map((delta): Event => ['response.reasoning_text.delta', { ...place, delta }]),
    ['response.reasoning_text.done', { ...place, text: wanted.reasoning }],
    ['response.output_item.done', { output_index: 0, item: thoughts(wanted, wanted.reasoning) }],
  ];
}

function saidEvents(wanted: Wanted, { reasoning, said: pieces }: Pieces): Event[] {
  const { id, tool, text } = wanted;
  const output_index = reasoning.length === 0 ? 0 : 1;
  const place = { item_id: `${id}-0`, output_index };
  const inPart = { ...place, content_index: 0 };
  const status = statusOf(wanted);
  const filled: readonly Event[] =
    tool === undefined
      ? [
          ['response.content_part.added', { ...inPart, part: part('') }],
          ...pieces.map((delta): Event => ['response.output_text.delta', { ...inPart, delta, logprobs: [] }]),
          ['response.output_text.done', { ...inPart, text, logprobs: [] }],
          ['response.content_part.done', { ...inPart, part: part(text) }],
        ]
      : [
          ...pieces.map((delta): Event => ['response.function_call_arguments.delta', { ...place, delta }]),
          ['response.function_call_arguments.done', { ...place, name: tool.name, arguments: tool.args }],
        ];
  return [
    ['response.output_item.added', { output_index, item: said(wanted, 'in_progress', null) }],
    ...filled,
    ['response.output_item.done', { output_index, item: said(wanted, status, whole(wanted)) }],
  ];
}

function thoughts({ id }: Wanted, text: string | null): object {
  const content = text === null ? [] : [{ type: 'reasoning_text', text }];
  return { type: 'reasoning', id: `${id}-r`, summary: [], content };
}

/** The item that holds the text or the tool call; `made` is null before it holds anything. */
function said({ id, tool }: Wanted, status: string, made: string | null): object {
  if (tool !== undefined) {
    const call = { call_id: `call_${id}`, name: tool.name, arguments: made ?? '' };
    return { type: 'function_call', id: `${id}-0`, status, ...call };
  }
  const content = made === null ? [] : [part(made)];
  return { type: 'message', id: `${id}-0`, status, role: 'assistant', content };
}

function whole({ tool, text }: Wanted): string {
  return tool?.args ?? text;
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

function part(text: string): object {
  return { type: 'output_text', text, annotations: [] };
}
