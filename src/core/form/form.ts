/** Why the model stopped, as the answer says. `other`: a reason that is none of the usual ones. */
export const FINISHES = ['stop', 'length', 'tool_calls', 'content_filter', 'other'] as const;

export type Finish = (typeof FINISHES)[number];

/**
 * How a part of an answer compares with what its request asked for. `unscored`: that could not be told within the
 * bounds of time and memory, or the request's schema uses what is not checked.
 */
export const SCORES = ['good', 'bad', 'unscored'] as const;

export type Score = (typeof SCORES)[number];

/** What became of the tools that a request offered. Of several calls of tools in one answer, the worst one counts. */
export interface ToolsForm {
  /** Whether the request demanded a call (`tool_choice`). */
  readonly isDemanded: boolean;
  /** How many tools the answer called, up to 15. */
  readonly called: number;
  /** Whether the arguments parse as JSON objects; true if none was called. */
  readonly areParsed: boolean;
  /** Whether each name is one that the request offered; true if none was called. */
  readonly areOffered: boolean;
  /** Whether the arguments satisfy the schemas of the request; null if none was called. */
  readonly schema: Score | null;
}

/**
 * The form of an answer that ended well, against what its request asked for. It holds numbers and bits only, never text,
 * and nothing from which a text could be guessed. Null: not asked for, or not known because the answer was not read.
 */
export interface AnswerForm {
  readonly finish: Finish | null;
  /** Null if the request offered no tools, or forbade their use. */
  readonly tools: ToolsForm | null;
  /** Whether a demanded JSON answer parses and satisfies its schema; null if none was demanded. */
  readonly format: Score | null;
  /** Whether tokens of the chat template stand in the text, as `<tool_call>` or `<|im_end|>`. */
  readonly hasLeak: boolean | null;
  /** Whether the answer holds reasoning, in a field of its own or within `<think>` in the text. */
  readonly hasReasoning: boolean | null;
  /** Whether the end of the text repeats itself over and over. */
  readonly isRepeating: boolean | null;
  /** Whether the text holds replacement characters or other characters that no writer means. */
  readonly isGarbled: boolean | null;
  /** Characters of output per output token, 0.25 to 63.75 in quarters; null without text or without a count of tokens. */
  readonly charsPerToken: number | null;
}

/** Values of two bits and more are stored with 0 for null. */
const FIELDS = { finish: 3, toolsAsked: 1, demanded: 1, called: 4, parsed: 1, offered: 1, schema: 2 } as const;
const REST = { format: 2, leak: 2, reasoning: 2, repeating: 2, garbled: 2, charsPerToken: 8 } as const;

/** The form as a whole number below 2^31, as the ledger stores it. */
export function encodeForm(form: AnswerForm): number {
  const { tools } = form;
  const values = [
    [FIELDS.finish, form.finish === null ? 0 : FINISHES.indexOf(form.finish) + 1],
    [FIELDS.toolsAsked, Number(tools !== null)],
    [FIELDS.demanded, Number(tools?.isDemanded === true)],
    [FIELDS.called, Math.min(15, tools?.called ?? 0)],
    [FIELDS.parsed, Number(tools?.areParsed === true)],
    [FIELDS.offered, Number(tools?.areOffered === true)],
    [FIELDS.schema, scoreBits(tools?.schema ?? null)],
    [REST.format, scoreBits(form.format)],
    [REST.leak, triple(form.hasLeak)],
    [REST.reasoning, triple(form.hasReasoning)],
    [REST.repeating, triple(form.isRepeating)],
    [REST.garbled, triple(form.isGarbled)],
    [REST.charsPerToken, quarters(form.charsPerToken)],
  ] as const;
  let [all, shift] = [0, 1];
  for (const [bits, value] of values) {
    all += value * shift;
    shift *= 2 ** bits;
  }
  return all;
}

/** The form that `encodeForm` made into a number. */
export function decodeForm(stored: number): AnswerForm {
  let rest = stored;
  const next = (bits: number): number => {
    const value = rest % 2 ** bits;
    rest = Math.floor(rest / 2 ** bits);
    return value;
  };
  const finish = FINISHES[next(FIELDS.finish) - 1] ?? null;
  const isAsked = next(FIELDS.toolsAsked) === 1;
  const tools = {
    isDemanded: next(FIELDS.demanded) === 1,
    called: next(FIELDS.called),
    areParsed: next(FIELDS.parsed) === 1,
    areOffered: next(FIELDS.offered) === 1,
    schema: scoreOf(next(FIELDS.schema)),
  };
  const format = scoreOf(next(REST.format));
  const [hasLeak, hasReasoning] = [bitOf(next(REST.leak)), bitOf(next(REST.reasoning))];
  const [isRepeating, isGarbled] = [bitOf(next(REST.repeating)), bitOf(next(REST.garbled))];
  const chars = next(REST.charsPerToken);
  return {
    finish,
    tools: isAsked ? tools : null,
    format,
    hasLeak,
    hasReasoning,
    isRepeating,
    isGarbled,
    charsPerToken: chars === 0 ? null : chars / 4,
  };
}

function scoreBits(score: Score | null): number {
  return score === null ? 0 : SCORES.indexOf(score) + 1;
}

function scoreOf(bits: number): Score | null {
  return SCORES[bits - 1] ?? null;
}

function triple(value: boolean | null): number {
  return value === null ? 0 : value ? 2 : 1;
}

function bitOf(bits: number): boolean | null {
  return bits === 0 ? null : bits === 2;
}

function quarters(value: number | null): number {
  return value === null ? 0 : Math.max(1, Math.min(255, Math.round(value * 4)));
}
