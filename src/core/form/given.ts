import type { Finish } from './form.ts';

/** A call of a tool in an answer. */
export interface GivenCall {
  readonly name: string;
  /** The arguments as JSON; null if they were too long to be kept. */
  readonly args: string | null;
}

/** One choice of an answer. */
export interface GivenChoice {
  readonly finish: Finish | null;
  /** Null if it was too long to be kept. */
  readonly text: string | null;
  readonly calls: readonly GivenCall[];
  /** Characters of reasoning outside of the text. */
  readonly reasoningChars: number;
  readonly isRefusal: boolean;
}

/** What an answer holds. It lives in memory until the form of the answer is known, and nowhere else. */
export type Given = readonly GivenChoice[];

const FINISHES: ReadonlyMap<string, Finish> = new Map<string, Finish>([
  ['stop', 'stop'],
  ['eos', 'stop'],
  // TGI.
  ['eos_token', 'stop'],
  ['stop_sequence', 'stop'],
  ['length', 'length'],
  ['tool_calls', 'tool_calls'],
  ['function_call', 'tool_calls'],
  ['content_filter', 'content_filter'],
  // Anthropic's messages.
  ['end_turn', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['refusal', 'content_filter'],
  // OpenAI's responses.
  ['completed', 'stop'],
  ['max_output_tokens', 'length'],
]);

/** Why the model stopped, in any format's words; null if that is not said. */
export function finishOf(reason: unknown): Finish | null {
  if (typeof reason !== 'string' || reason === '') return null;
  return FINISHES.get(reason) ?? 'other';
}

/** From the best to the worst: of several choices the worst counts. */
const BY_WORTH: readonly Finish[] = ['stop', 'tool_calls', 'length', 'other', 'content_filter'];

/** Why an answer stopped; null if one of its choices does not say. */
export function finishOfAll(given: Given): Finish | null {
  let worst = -1;
  for (const { finish } of given) {
    if (finish === null) return null;
    worst = Math.max(worst, BY_WORTH.indexOf(finish));
  }
  return BY_WORTH[worst] ?? null;
}
