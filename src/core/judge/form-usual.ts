import type { AnswerForm } from '../form/form.ts';
import { MEASURES, scoreForm } from './form-scores.ts';
import type { Measure } from './form-scores.ts';

/** What is usual of one measure. */
export interface Usual {
  /** 0..1, of the calls that have it. */
  readonly share: number;
  /** Which share of the answers has it, 0..1; null if that is not known. */
  readonly covered: number | null;
}

/** What was usual of each measure, learned from answers. */
export type UsualForm = Readonly<Record<Measure, Usual & { readonly covered: number }>>;

/** With fewer answers than this whose form is known, nothing is known. */
const ENOUGH = 50;
/** The first guess of a share has the weight of this many calls. */
const PRIOR_CALLS = 100;
const PRIOR_SHARE = 0.005;

/** Learns the usual shares of each measure from past answers; undefined if the form of too few is known. */
export function learnForm(answers: readonly { readonly form?: AnswerForm | null }[]): UsualForm | undefined {
  const scores = answers.flatMap(({ form }) => (form == null ? [] : [scoreForm(form)]));
  if (scores.length < ENOUGH) return undefined;
  const entries = MEASURES.map((measure) => {
    const own = scores.flatMap((score) => score[measure] ?? []);
    const sum = own.reduce((all, score) => all + score, 0);
    const share = (sum + PRIOR_CALLS * PRIOR_SHARE) / (own.length + PRIOR_CALLS);
    return [measure, { share, covered: own.length / scores.length }] as const;
  });
  return Object.fromEntries(entries) as UsualForm;
}

/** What is usual of a measure by a profile, or the first guess. */
export function usualOf({ form }: { readonly form?: UsualForm }, measure: Measure): Usual {
  return form?.[measure] ?? { share: PRIOR_SHARE, covered: null };
}
