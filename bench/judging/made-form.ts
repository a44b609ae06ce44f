import { decodeForm, encodeForm } from '../../src/core/form/form.ts';
import type { AnswerForm } from '../../src/core/form/form.ts';
import type { Role } from '../../src/core/route.ts';
import { uniformAt } from './chance.ts';
import type { FormBehaviour } from './truths.ts';

/** Of all calls, those that offer tools; of the others, those that demand JSON. */
const OFFER_SHARE = 0.5;
const DEMAND_SHARE = 0.2;
/** Of the calls that offer tools, those in which one is called; and how often that is decided anew at each upstream. */
const CALL_SHARE = 0.7;
const UNDECIDED_SHARE = 0.1;
/** Clients set `max_tokens` so low for some calls that their answers are cut. */
const CUT_SHARE = 0.03;
const REASONING_SHARE = 0.4;
/** A call of a tool that no parser takes out of the text shows in its tokens so often. */
const SHOWN_SHARE = 0.9;
const MOST_MESSAGES = 12;
const PROVIDERS = 3;
const CONTEXT_CUT = 8_000;

/** What is drawn for each question, and for each answer to it. */
const QUESTION = ['offers', 'demands', 'calls', 'cut', 'reasons', 'messages', 'provider'] as const;
const ANSWER = ['undecided', 'calls', 'broken', 'shown', 'density'] as const;

/** Chances of one trace, found by call, without memory. */
export class FormDraws {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  question(call: number, what: (typeof QUESTION)[number]): number {
    return uniformAt(this.#seed, call * STREAMS + QUESTION.indexOf(what));
  }

  answer(call: number, role: Role, what: (typeof ANSWER)[number]): number {
    const own = QUESTION.length + (role === 'canary' ? ANSWER.length : 0);
    return uniformAt(this.#seed, call * STREAMS + own + ANSWER.indexOf(what));
  }
}

const STREAMS = QUESTION.length + 2 * ANSWER.length;

/** Which of the providers behind serverless serves a call; 0.. */
export function providerOf(draws: FormDraws, call: number): number {
  return Math.floor(draws.question(call, 'provider') * PROVIDERS);
}

/** The tokens that an upstream counts for a prompt. */
export function countedTokens(draws: FormDraws, call: number, prompt: number, { prompts }: FormBehaviour): number {
  switch (prompts) {
    case 'same':
      return prompt;
    case 'offset':
      return prompt + 3;
    case 'template':
      return prompt + 4 + 3 * Math.ceil(draws.question(call, 'messages') * MOST_MESSAGES);
    case 'tokenizer':
      return Math.round(prompt * 1.08);
    case 'cut':
      return Math.min(prompt, CONTEXT_CUT);
  }
}

const made = new Map<number, AnswerForm>();

/** The form of an answer of an upstream. `isCut`: whether the upstream's own limit of tokens cut it. */
export function madeForm(
  draws: FormDraws,
  { call, role, isCut }: { readonly call: number; readonly role: Role; readonly isCut: boolean },
  is: FormBehaviour,
): AnswerForm {
  const wouldCall = draws.question(call, 'calls') < CALL_SHARE;
  const isUndecided = draws.answer(call, role, 'undecided') < UNDECIDED_SHARE;
  const offers = draws.question(call, 'offers') < OFFER_SHARE;
  const calls = offers && (isUndecided ? draws.answer(call, role, 'calls') < CALL_SHARE : wouldCall);
  const isCalled = calls && is.hasParser;
  const demands = !offers && draws.question(call, 'demands') < DEMAND_SHARE;
  const broken = draws.answer(call, role, 'broken');
  const stops = isCut || draws.question(call, 'cut') < CUT_SHARE;
  const form = encodeForm({
    finish: stops ? 'length' : isCalled ? 'tool_calls' : 'stop',
    tools: offers
      ? {
          isDemanded: false,
          called: Number(isCalled),
          areParsed: true,
          areOffered: true,
          schema: isCalled ? (broken < is.badCalls ? 'bad' : 'good') : null,
        }
      : null,
    format: demands ? (broken < is.badJson ? 'bad' : 'good') : null,
    hasLeak: calls && !is.hasParser && draws.answer(call, role, 'shown') < SHOWN_SHARE,
    hasReasoning: is.reasons && draws.question(call, 'reasons') < REASONING_SHARE,
    isRepeating: false,
    isGarbled: false,
    charsPerToken: is.charsPerToken * (0.8 + 0.4 * draws.answer(call, role, 'density')),
  });
  const known = made.get(form) ?? decodeForm(form);
  made.set(form, known);
  return known;
}
