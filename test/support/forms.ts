import type { AnswerForm } from '../../src/core/form/form.ts';

/** How often answers have what; shares 0..1. */
export interface FormManner {
  /** Of all calls, those that offer tools; of the others, those that demand JSON. */
  readonly offers?: number;
  readonly demands?: number;
  /** Of the answers that may call a tool, those that do, and of those the broken ones. */
  readonly calls?: number;
  readonly broken?: number;
  /** Of the demanded JSON. */
  readonly badJson?: number;
  readonly cut?: number;
  readonly leak?: number;
  readonly reasoning?: number;
}

/** An answer in plain text. */
export const PLAIN_FORM: AnswerForm = {
  finish: 'stop',
  tools: null,
  format: null,
  hasLeak: false,
  hasReasoning: false,
  isRepeating: false,
  isGarbled: false,
  charsPerToken: 4,
};

/** The form of an answer in that manner. */
export function formOf(roll: () => number, manner: FormManner = {}): AnswerForm {
  const { offers = 0.5, demands = 0.2, calls = 0.7, broken = 0.01, badJson = 0.01 } = manner;
  const rest = {
    ...PLAIN_FORM,
    finish: roll() < (manner.cut ?? 0.03) ? ('length' as const) : ('stop' as const),
    hasLeak: roll() < (manner.leak ?? 0),
    hasReasoning: roll() < (manner.reasoning ?? 0.4),
  };
  if (roll() < offers) {
    const isCalled = roll() < calls;
    const isBroken = isCalled && roll() < broken;
    const schema = isCalled ? (isBroken ? ('bad' as const) : ('good' as const)) : null;
    const tools = { isDemanded: false, called: Number(isCalled), areParsed: true, areOffered: true, schema };
    return { ...rest, tools };
  }
  if (roll() >= demands) return rest;
  return { ...rest, format: roll() < badJson ? 'bad' : 'good' };
}
