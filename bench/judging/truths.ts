/** What is right in a world: whether the endpoint should be promoted, must not be, or either may be. */
export type Right = 'promote' | 'refuse' | 'either';

import type { Outcome } from '../../src/core/outcome.ts';

/** Calls that an upstream does not answer, although it may seem so. */
export interface Unanswered {
  /** What it is for a judge that reads the answers, and for one that reads the status. */
  readonly outcome: Outcome;
  readonly status: number;
  /** Of the calls with longer prompts than `longerThan` tokens. */
  readonly share: number;
  readonly longerThan: number;
  /** At what part of the answer it is known: at once, in place of the first token, or half-way. */
  readonly at: 'once' | 'first' | 'half';
}

/** How the answers of an upstream are formed. Shares 0..1. */
export interface FormBehaviour {
  /** Share of the calls of tools that do not satisfy their schema. */
  readonly badCalls: number;
  /** Whether calls of tools are taken out of the text. */
  readonly hasParser: boolean;
  /** Share of the demanded JSON that does not satisfy its schema. */
  readonly badJson: number;
  /** Whether some answers hold reasoning. */
  readonly reasons: boolean;
  /** An answer has at most so many tokens. */
  readonly maxOutput: number;
  /** How the tokens of a prompt are counted: a constant more, more for each message, by another tokenizer, or after a cut. */
  readonly prompts: 'same' | 'offset' | 'template' | 'tokenizer' | 'cut';
  readonly charsPerToken: number;
}

/** How one upstream behaves in a minute, beside its noise. Shares 0..1, factors on the time a call takes. */
export interface Behaviour extends FormBehaviour {
  readonly slower: number;
  /** Share of calls that fail, and whether they fail by refusing the connection. */
  readonly faults: number;
  readonly isDead: boolean;
  /** Share of calls that never end. */
  readonly hangs: number;
  /** Share of calls that take `tailFactor` times as long. */
  readonly tail: number;
  readonly tailFactor: number;
  /** Factor on the tokens of an answer. */
  readonly length: number;
  /** Share of answers that end as they should and have no token, beyond the usual ones. */
  readonly empty: number;
  readonly unanswered: Unanswered | null;
  /** What each of several providers does otherwise; null if there is one. */
  readonly providers: readonly Partial<FormBehaviour>[] | null;
}

/** What the two upstreams are truly like. */
export interface Truth {
  readonly name: string;
  readonly right: Right;
  /** So bad that every call counts. */
  readonly isGross?: true;
  /** Serverless in a minute since the rollout began; `incident`: the first minute of ten that may go wrong. */
  stable?(minute: number, incident: number): Partial<Behaviour>;
  /** The endpoint in a minute, while it carries `weight` (0..1) of the calls. */
  canary?(minute: number, weight: number): Partial<Behaviour>;
  /** Factor on the size of prompts and answers, for both. */
  size?(minute: number): number;
}

export const NORMAL: Behaviour = {
  slower: 1,
  faults: 0.005,
  isDead: false,
  hangs: 0,
  tail: 0,
  tailFactor: 4,
  length: 1,
  empty: 0,
  unanswered: null,
  badCalls: 0.01,
  hasParser: true,
  badJson: 0.01,
  reasons: true,
  maxOutput: 4_096,
  prompts: 'same',
  charsPerToken: 4.2,
  providers: null,
};

const INCIDENT_MINUTES = 10;

const incident = (minute: number, start: number): Partial<Behaviour> =>
  minute >= start && minute < start + INCIDENT_MINUTES ? { slower: 3, faults: 0.09 } : {};

const unanswered =
  (kind: Pick<Unanswered, 'outcome' | 'status' | 'at'>, share: number, longerThan = 0) =>
  (): Partial<Behaviour> => ({ unanswered: { ...kind, share, longerThan } });

const NO_ANSWER = { outcome: 'empty_answer', status: 200, at: 'first' } as const;
const CUT_SHORT = { outcome: 'incomplete_answer', status: 200, at: 'half' } as const;
const ERROR_IN_STREAM = { outcome: 'server_error', status: 200, at: 'half' } as const;
const REJECTED = { outcome: 'rejected_by_endpoint', status: 400, at: 'once' } as const;
const NO_MEMORY_424 = { outcome: 'rejected_by_endpoint', status: 424, at: 'first' } as const;
const NO_MEMORY_500 = { outcome: 'server_error', status: 500, at: 'first' } as const;
/** In a made-up trace 4.7 % of the prompts have more tokens than this, and 0.9 % more than twice as many. */
const LONG = 8_000;

/** From 1 to `to` over the first half hour. */
const ramp = (minute: number, to: number): number => 1 + (to - 1) * Math.min(1, minute / 30);

/** Of the calls of tools, which are 70 % of those that offer them, so many break their schema at the endpoint alone. */
const schemaKept = (share: number): Pick<Truth, 'stable' | 'canary'> => ({
  stable: () => ({ badCalls: 0 }),
  canary: () => ({ badCalls: 1 - share }),
});

/** Of the form of answers: neither slow nor a fault. */
export const FORM_TRUTHS: readonly Truth[] = [
  { name: 'parser missing', right: 'refuse', isGross: true, canary: () => ({ hasParser: false }) },
  { name: 'wrong template', right: 'refuse', canary: () => ({ prompts: 'template' }) },
  { name: 'three tokens more', right: 'promote', canary: () => ({ prompts: 'offset' }) },
  { name: 'another tokenizer', right: 'refuse', canary: () => ({ prompts: 'tokenizer', charsPerToken: 3.9 }) },
  { name: 'prompts cut to 8k', right: 'refuse', canary: () => ({ prompts: 'cut' }) },
  { name: 'JSON schema ignored', right: 'refuse', canary: () => ({ badJson: 0.3 }) },
  { name: 'quantised, 3 % more bad tool calls', right: 'refuse', canary: () => ({ badCalls: 0.01 + 0.03 / 0.7 }) },
  { name: 'reasoning dropped', right: 'refuse', canary: () => ({ reasons: false }) },
  { name: 'max_tokens 256', right: 'refuse', canary: () => ({ maxOutput: 256 }) },
  {
    name: 'one provider of three other',
    right: 'promote',
    stable: () => ({ providers: [{}, {}, { badCalls: 0.06, prompts: 'offset' }] }),
  },
  { name: 'fewer bad tool calls', right: 'promote', stable: () => ({ badCalls: 0.1 }) },
  { name: 'schema 99.7 %', right: 'promote', ...schemaKept(0.997) },
  { name: 'schema 96.9 %', right: 'either', ...schemaKept(0.969) },
  { name: 'schema 86.3 %', right: 'refuse', ...schemaKept(0.863) },
  { name: 'schema 76 %', right: 'refuse', ...schemaKept(0.76) },
  { name: 'schema 72 %', right: 'refuse', ...schemaKept(0.72) },
];

/**
 * `refuse` is used where the endpoint is worse than serverless by more than the default margin. Exactly at a margin,
 * and where it is bad only for its first minutes, either answer can be defended.
 */
export const TRUTHS: readonly Truth[] = [
  { name: 'identical', right: 'promote' },
  { name: '20 % faster', right: 'promote', canary: () => ({ slower: 0.8 }) },
  { name: '5 % slower', right: 'promote', canary: () => ({ slower: 1.05 }) },
  {
    name: 'both drift +40 %',
    right: 'promote',
    stable: (minute) => ({ slower: ramp(minute, 1.4) }),
    canary: (minute) => ({ slower: ramp(minute, 1.4) }),
  },
  { name: 'mix shifts', right: 'promote', size: (minute) => ramp(minute, 2) },
  { name: 'serverless incident', right: 'promote', stable: incident },
  { name: '20 % slower', right: 'refuse', canary: () => ({ slower: 1.2 }) },
  { name: '30 % slower', right: 'refuse', canary: () => ({ slower: 1.3 }) },
  { name: 'incident, 30 % slower', right: 'refuse', stable: incident, canary: () => ({ slower: 1.3 }) },
  { name: '6 % take 4x', right: 'refuse', canary: () => ({ tail: 0.06 }) },
  { name: '2 % never end', right: 'refuse', canary: () => ({ hangs: 0.02 }) },
  { name: 'answers 30 % shorter', right: 'refuse', canary: () => ({ length: 0.7 }) },
  { name: 'faults 1.5 %', right: 'either', canary: () => ({ faults: 0.015 }) },
  { name: 'faults 3 %', right: 'refuse', canary: () => ({ faults: 0.03 }) },
  { name: 'faults 10 %', right: 'refuse', isGross: true, canary: () => ({ faults: 0.1 }) },
  { name: '60 % slower from half', right: 'refuse', canary: (_, weight) => ({ slower: weight >= 0.5 ? 1.6 : 1 }) },
  { name: 'latency x2', right: 'refuse', isGross: true, canary: () => ({ slower: 2 }) },
  { name: 'dead', right: 'refuse', isGross: true, canary: () => ({ faults: 1, isDead: true }) },
  { name: 'empty answers 2 %', right: 'refuse', canary: () => ({ empty: 0.02 }) },
  { name: 'empty answers 5 %', right: 'refuse', canary: () => ({ empty: 0.05 }) },
  { name: 'no answer 1 %', right: 'either', canary: unanswered(NO_ANSWER, 0.01) },
  { name: 'no answer 2 %', right: 'refuse', canary: unanswered(NO_ANSWER, 0.02) },
  { name: 'no answer 5 %', right: 'refuse', canary: unanswered(NO_ANSWER, 0.05) },
  { name: 'no answer 50 %', right: 'refuse', isGross: true, canary: unanswered(NO_ANSWER, 0.5) },
  { name: 'cut short 2 %', right: 'refuse', canary: unanswered(CUT_SHORT, 0.02) },
  { name: 'cut short 5 %', right: 'refuse', canary: unanswered(CUT_SHORT, 0.05) },
  { name: 'error in stream 2 %', right: 'refuse', canary: unanswered(ERROR_IN_STREAM, 0.02) },
  { name: 'error in stream 5 %', right: 'refuse', canary: unanswered(ERROR_IN_STREAM, 0.05) },
  { name: 'rejected 1 %', right: 'either', canary: unanswered(REJECTED, 0.01) },
  { name: 'rejected 2 %', right: 'refuse', canary: unanswered(REJECTED, 0.02) },
  { name: 'rejected 5 %', right: 'refuse', canary: unanswered(REJECTED, 0.05) },
  { name: 'rejected 50 %', right: 'refuse', isGross: true, canary: unanswered(REJECTED, 0.5) },
  { name: 'context 16k', right: 'either', canary: unanswered(REJECTED, 1, 2 * LONG) },
  { name: 'context 8k', right: 'refuse', canary: unanswered(REJECTED, 1, LONG) },
  { name: 'no memory, 424', right: 'refuse', canary: unanswered(NO_MEMORY_424, 1, LONG) },
  { name: 'no memory, 500', right: 'refuse', canary: unanswered(NO_MEMORY_500, 1, LONG) },
  { name: 'cold for 3 min', right: 'either', canary: (minute) => ({ slower: minute < 3 ? 5 : 1 }) },
  ...FORM_TRUTHS,
];
