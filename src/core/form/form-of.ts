import { objectOf } from '../answer/output.ts';
import type { Asked, Format } from './asked.ts';
import { Steps } from './canonical.ts';
import type { AnswerForm, Finish, Score, ToolsForm } from './form.ts';
import { finishOfAll } from './given.ts';
import type { Given, GivenChoice } from './given.ts';
import { MOST_STEPS, satisfies } from './json-schema.ts';
import { hasLeak } from './leaks.ts';
import { worstOf } from './scores.ts';
import { hasThought, isGarbled, isRepeating } from './text-form.ts';

const MOST_CALLED = 15;

/**
 * The form of an answer that ended well. `outputTokens`: as the upstream counted them; null if it did not say. It takes at
 * most a few milliseconds, whatever the answer and the request hold.
 */
export function formOf(given: Given, asked: Asked, outputTokens: number | null): AnswerForm {
  const finish = finishOfAll(given);
  const steps = new Steps(MOST_STEPS);
  return {
    finish,
    tools: toolsOf(given, asked, finish, steps),
    format: asked.format === null ? null : formatOf(given, asked.format, steps),
    hasLeak: anyText(given, (text) => hasLeak(text, asked.isNamed)),
    hasReasoning: given.some(({ reasoningChars }) => reasoningChars > 0) || anyText(given, hasThought),
    isRepeating: anyText(given, isRepeating),
    isGarbled: anyText(given, isGarbled),
    charsPerToken: charsPerToken(given, outputTokens),
  };
}

/** Whether it is so of any text; null if it is not so of those that are known, and one is not known. */
function anyText(given: Given, isSo: (text: string) => boolean): boolean | null {
  let isUnknown = false;
  for (const { text } of given) {
    if (text === null) isUnknown = true;
    else if (text !== '' && isSo(text)) return true;
  }
  return isUnknown ? null : false;
}

function toolsOf(given: Given, { tools }: Asked, finish: Finish | null, steps: Steps): ToolsForm | null {
  if (tools === null) return null;
  const { isDemanded, only } = tools;
  const called = Math.min(MOST_CALLED, ...given.map(({ calls }) => calls.length));
  const calls = given.flatMap(({ calls: each }) => each);
  const none = { isDemanded, called, areParsed: true, areOffered: true, schema: null };
  if (calls.length === 0) return isDemanded && tools.offered()?.size === 0 ? null : none;
  const offered = tools.offered();
  const scores: Score[] = [];
  let [areParsed, areOffered] = [true, true];
  for (const { name, args } of calls) {
    const value = args === null ? null : parsedObject(args);
    // What the limit of tokens cut off is no mistake of its form.
    const isCut = value === undefined && finish === 'length';
    if (value === undefined && !isCut) areParsed = false;
    if (offered !== null && (!offered.has(name) || (only !== null && only !== name))) areOffered = false;
    if (value === null || isCut || offered === null) scores.push('unscored');
    else if (value !== undefined && offered.has(name)) scores.push(satisfies(value, offered.get(name) ?? true, steps));
    else scores.push('bad');
  }
  return { isDemanded, called, areParsed, areOffered, schema: worstOf(scores) };
}

function formatOf(given: Given, { schema }: Format, steps: Steps): Score | null {
  const scores = given.flatMap((choice) => {
    // Who calls tools has not come to the answer yet.
    if (choice.calls.length > 0) return [];
    return [formatOfChoice(choice, schema, steps)];
  });
  return scores.length === 0 ? null : worstOf(scores);
}

function formatOfChoice({ text, finish, isRefusal }: GivenChoice, schema: unknown, steps: Steps): Score {
  if (text === null || isRefusal || finish === 'length' || finish === 'content_filter') return 'unscored';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'bad';
  }
  if (schema === undefined) return objectOf(value) === null ? 'bad' : 'good';
  return satisfies(value, schema, steps);
}

/** The object that arguments are; undefined if they are none. */
function parsedObject(args: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return objectOf(JSON.parse(args)) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Calls of tools have tokens that are no characters of the answer, so that it is not known of them. */
function charsPerToken(given: Given, outputTokens: number | null): number | null {
  let chars = 0;
  for (const { text, calls, reasoningChars } of given) {
    if (text === null || calls.length > 0) return null;
    chars += text.length + reasoningChars;
  }
  if (chars === 0 || outputTokens === null || outputTokens === 0) return null;
  return Math.max(1, Math.min(255, Math.round((4 * chars) / outputTokens))) / 4;
}
