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

/**
 * The form as a whole number below 2^31, as the ledger stores it. From the lowest bit on: `finish` in 3 bits, whether tools
 * were asked for, whether a call was demanded, `called` in 4, `areParsed`, `areOffered`, `schema` in 2; then 2 bits for
 * each of `format`, `hasLeak`, `hasReasoning`, `isRepeating` and `isGarbled`, and 8 for `charsPerToken`. 0 stands for null.
 */
export function encodeForm(form: AnswerForm): number {
  const { finish, tools, format, charsPerToken } = form;
  const ofTools =
    tools === null
      ? 0
      : (1 << 3) |
        (Number(tools.isDemanded) << 4) |
        (Math.min(15, tools.called) << 5) |
        (Number(tools.areParsed) << 9) |
        (Number(tools.areOffered) << 10) |
        (scoreBits(tools.schema) << 11);
  return (
    (finish === null ? 0 : FINISHES.indexOf(finish) + 1) |
    ofTools |
    (scoreBits(format) << 13) |
    (triple(form.hasLeak) << 15) |
    (triple(form.hasReasoning) << 17) |
    (triple(form.isRepeating) << 19) |
    (triple(form.isGarbled) << 21) |
    (quarters(charsPerToken) << 23)
  );
}

/** The form that `encodeForm` made into a number. */
export function decodeForm(stored: number): AnswerForm {
  const bits = (shift: number, count: number): number => (stored >> shift) & (2 ** count - 1);
  const tools = {
    isDemanded: bits(4, 1) === 1,
    called: bits(5, 4),
    areParsed: bits(9, 1) === 1,
    areOffered: bits(10, 1) === 1,
    schema: scoreOf(bits(11, 2)),
  };
  const chars = bits(23, 8);
  return {
    finish: FINISHES[bits(0, 3) - 1] ?? null,
    tools: bits(3, 1) === 1 ? tools : null,
    format: scoreOf(bits(13, 2)),
    hasLeak: bitOf(bits(15, 2)),
    hasReasoning: bitOf(bits(17, 2)),
    isRepeating: bitOf(bits(19, 2)),
    isGarbled: bitOf(bits(21, 2)),
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
