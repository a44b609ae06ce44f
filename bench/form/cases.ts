/** An answer that is read, and its request. */
export interface Case {
  readonly what: string;
  readonly request: object;
  /** The answer in the pieces in which it comes. */
  readonly pieces: readonly string[];
  readonly isStream: boolean;
}

const MODEL = 'org/model';
const PARAMETERS = {
  type: 'object',
  properties: {
    city: { type: 'string', description: 'the city' },
    days: { type: 'integer', minimum: 1 },
    unit: { enum: ['celsius', 'fahrenheit'] },
  },
  required: ['city'],
  additionalProperties: false,
};
const ARGS = JSON.stringify({ city: 'Oslo', days: 3, unit: 'celsius' });
const TOOLS = Array.from({ length: 12 }, (_, n) => ({
  type: 'function',
  function: { name: `tool_${n}`, description: 'What it does, in some words. '.repeat(8), parameters: PARAMETERS },
}));
const WORDS = ['The', ' quick', ' brown', ' fox,', ' jumps', ' over', '\n', ' the', ' lazy', ' dog.'];
const CHINESE = ['你好', '世界', '，', '今天', '天气', '不错'];

const ask = (more: object = {}) => ({
  model: MODEL,
  messages: [{ role: 'user', content: 'word '.repeat(200) }],
  ...more,
});
/** The n-th token, not the same again and again. */
const token = (n: number, words: readonly string[]) => `${words[n % words.length]}${n % 7 === 0 ? n : ''}`;
const event = (choices: readonly object[], more: object = {}) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: MODEL, choices, ...more })}\n\n`;
const delta = (made: object, finish: string | null = null) =>
  event([{ index: 0, delta: made, logprobs: null, finish_reason: finish }]);
const last = (tokens: number) =>
  `${event([], { usage: { prompt_tokens: 210, completion_tokens: tokens, total_tokens: 210 + tokens } })}data: [DONE]\n\n`;

function streamOf(tokens: number, words = WORDS): string[] {
  const made = Array.from({ length: tokens }, (_, n) => delta({ content: token(n, words) }));
  return [delta({ role: 'assistant', content: '' }), ...made, delta({}, 'stop'), last(tokens)];
}

function wholeOf(tokens: number, message: object, finish: string): string[] {
  const choices = [{ index: 0, message: { role: 'assistant', ...message }, logprobs: null, finish_reason: finish }];
  const usage = { prompt_tokens: 210, completion_tokens: tokens, total_tokens: 210 + tokens };
  return [JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: MODEL, choices, usage })];
}

function textOf(tokens: number): object {
  return { content: Array.from({ length: tokens }, (_, n) => token(n, WORDS)).join('') };
}

function toolStream(): string[] {
  const begin = { index: 0, id: 'call-1', type: 'function', function: { name: 'tool_3', arguments: '' } };
  const parts = ARGS.match(/.{1,4}/g) ?? [];
  return [
    delta({ role: 'assistant', content: null, tool_calls: [begin] }),
    ...parts.map((part) => delta({ tool_calls: [{ index: 0, function: { arguments: part } }] })),
    delta({}, 'tool_calls'),
    last(20),
  ];
}

function together(pieces: readonly string[], count: number): string[] {
  return Array.from({ length: Math.ceil(pieces.length / count) }, (_, n) =>
    pieces.slice(n * count, (n + 1) * count).join(''),
  );
}

const TOOL_CALL = {
  content: null,
  tool_calls: [{ id: 'call-1', type: 'function', function: { name: 'tool_3', arguments: ARGS } }],
};
const FORMAT = { response_format: { type: 'json_schema', json_schema: { name: 'a', schema: PARAMETERS } } };

export const CASES: readonly Case[] = [
  ...[20, 150, 600].map((tokens) => ({
    what: `whole, ${tokens} tokens`,
    request: ask(),
    pieces: wholeOf(tokens, textOf(tokens), 'stop'),
    isStream: false,
  })),
  {
    what: 'whole, a tool call of 12 tools',
    request: ask({ tools: TOOLS }),
    pieces: wholeOf(20, TOOL_CALL, 'tool_calls'),
    isStream: false,
  },
  {
    what: 'whole, JSON with a schema',
    request: ask(FORMAT),
    pieces: wholeOf(20, { content: ARGS }, 'stop'),
    isStream: false,
  },
  ...[20, 150, 600].map((tokens) => ({
    what: `stream, ${tokens} tokens`,
    request: ask(),
    pieces: streamOf(tokens),
    isStream: true,
  })),
  { what: 'stream, 600 tokens, 8 in a piece', request: ask(), pieces: together(streamOf(600), 8), isStream: true },
  { what: 'stream, 150 tokens of Chinese', request: ask(), pieces: streamOf(150, CHINESE), isStream: true },
  { what: 'stream, a tool call of 12 tools', request: ask({ tools: TOOLS }), pieces: toolStream(), isStream: true },
];
