import type { Collecting } from '../form/collecting.ts';
import { skipSpace, topMembers, walkMembers } from '../json-scan.ts';
import {
  NO_USAGE,
  hasOutput,
  isReason,
  isSomething,
  objectOf,
  objectsOf,
  parseAnswer,
  saysError,
  usageOf,
} from './output.ts';
import type { Json, Usage } from './output.ts';
import type { AnswerOutcome } from './stream.ts';

/** What a whole answer was. */
export interface WholeAnswer {
  readonly outcome: AnswerOutcome;
  /** Whether it holds a text, a tool call, reasoning or data; null if that is not known. */
  readonly hasOutput: boolean | null;
  readonly usage: Usage;
}

/** A larger text is not parsed: only its top level is read. Parsing 32 KB costs five times as much as scanning it. */
const LARGEST_PARSED = 8 * 1024;
/** What a larger one holds is not gathered: to parse it would hold up all other calls. */
const LARGEST_GATHERED = 128 * 1024;
/** Values of the top level that are parsed even if the answer is large. */
const SMALL_MEMBERS: ReadonlySet<string> = new Set(['error', 'error_message', 'object', 'type', 'usage', 'x_groq']);
/** Of the names that matter, `error_message` is the longest. */
const LONGEST_USUAL_KEY = 13;
const LARGEST_MEMBER = 16 * 1024;
// A text within a string does not match these, because the quotes within a string are escaped.
const TEXT = /"(?:content|text|reasoning_content)"\s*:\s*"[^"]/;
const UNUSUAL_KIND = /error|failed|\\/;
const FAILED_CHOICE = /"finish_reason"\s*:\s*"error"/;
/** Lists of the top level that hold an answer, in any format. */
const ANSWERS: readonly string[] = ['choices', 'output', 'content', 'data'];

const EMPTY: WholeAnswer = { outcome: 'empty_answer', hasOutput: false, usage: NO_USAGE };
const CUT_OFF: WholeAnswer = { outcome: 'incomplete_answer', hasOutput: null, usage: NO_USAGE };

/**
 * Reads the body of an answer with a success status that is no stream. `text`: one character for each byte, or decoded.
 * `isOpenAi`: whether the call is in one of OpenAI's or Anthropic's formats, whose answers are JSON objects. Other
 * answers may be anything; if they are JSON they must be whole and must not say that they failed.
 * `collecting`: gathers what the answer holds; null if nobody wants it.
 */
export function readWhole(text: string, isOpenAi: boolean, collecting: Collecting | null = null): WholeAnswer {
  const start = skipSpace(text, 0);
  if (start >= text.length) return EMPTY;
  if (text.length > LARGEST_PARSED) {
    const large = collecting === null || text.length > LARGEST_GATHERED ? null : objectOf(parseAnswer(text));
    if (large !== null) collecting?.whole(large, text);
    return readLarge(text, isOpenAi);
  }
  const usual = isOpenAi ? readUsual(text, collecting) : null;
  if (usual !== null) return usual;
  const value = parseAnswer(text);
  const object = objectOf(value);
  if (object !== null) collecting?.whole(object, text);
  if (object !== null) return judge(object, isOpenAi);
  if (!isOpenAi && value !== undefined) return { outcome: 'ok', hasOutput: null, usage: NO_USAGE };
  return CUT_OFF;
}

/**
 * Reads an answer whose choices hold a text, at a part of what parsing it costs: most answers are so. Null if that does
 * not show at once.
 */
function readUsual(text: string, collecting: Collecting | null): WholeAnswer | null {
  let made = '';
  let usage: unknown;
  const isObject = walkMembers(text, 0, (_, quote, keyEnd, start, end) => {
    const length = keyEnd - quote - 1;
    if (length > LONGEST_USUAL_KEY) return true;
    const key = text.slice(quote + 1, keyEnd);
    if (key === 'choices') made = text.slice(start, end);
    else if (key === 'usage') usage = parseAnswer(text.slice(start, end));
    else if (key === 'object' || key === 'type') return !UNUSUAL_KIND.test(text.slice(start, end));
    else if (SMALL_MEMBERS.has(key)) return text.startsWith('null', start);
    return true;
  });
  if (!isObject || !TEXT.test(made) || FAILED_CHOICE.test(made)) return null;
  collecting?.choices(made);
  return { outcome: 'ok', hasOutput: true, usage: usage === undefined ? NO_USAGE : usageOf({ usage }) };
}

function judge(answer: Json, isOpenAi: boolean): WholeAnswer {
  const usage = usageOf(answer);
  if (saysError(answer)) return { outcome: 'server_error', hasOutput: false, usage };
  if (!isOpenAi) return { outcome: 'ok', hasOutput: null, usage };
  const choices = objectsOf(answer.choices);
  const made =
    choices.some((choice) => hasOutput(objectOf(choice.message)) || hasOutput(choice)) ||
    ANSWERS.slice(1).some((key) => isSomething(answer[key])) ||
    typeof answer.input_tokens === 'number';
  const isFinished =
    choices.some(({ finish_reason: reason }) => isReason(reason)) ||
    isReason(answer.stop_reason) ||
    answer.status === 'completed' ||
    objectOf(answer.incomplete_details)?.reason === 'max_output_tokens';
  return { outcome: made || isFinished ? 'ok' : 'empty_answer', hasOutput: made, usage };
}

function readLarge(text: string, isOpenAi: boolean): WholeAnswer {
  const members = topMembers(text);
  if (members === null) {
    const isList = text.charCodeAt(skipSpace(text, 0)) === 0x5b;
    return !isOpenAi && isList && parseAnswer(text) !== undefined
      ? { outcome: 'ok', hasOutput: null, usage: NO_USAGE }
      : CUT_OFF;
  }
  const small: Record<string, unknown> = {};
  let made = false;
  for (const { key, start, end } of members) {
    const isSmall = SMALL_MEMBERS.has(key) && end - start <= LARGEST_MEMBER;
    if (isSmall) small[key] = parseAnswer(text.slice(start, end));
    else if (ANSWERS.includes(key)) {
      // So large an answer is not empty unless its list is.
      const isList = text.charCodeAt(start) === 0x5b && text.charCodeAt(skipSpace(text, start + 1)) !== 0x5d;
      made ||= isList;
      if (isList) small[key] = FAILED_CHOICE.test(text.slice(start, end)) ? [{ finish_reason: 'error' }] : [1];
    }
  }
  const usage = usageOf(small);
  if (saysError(small)) return { outcome: 'server_error', hasOutput: false, usage };
  if (!isOpenAi) return { outcome: 'ok', hasOutput: null, usage };
  return { outcome: made ? 'ok' : 'empty_answer', hasOutput: made, usage };
}
