import type { Verdict } from '../judge/verdict.ts';
import type { Scaling } from '../scaling/scaling.ts';

/**
 * What a question is about: the next step of the way, or something that the rollout does not wait for. Only a step is
 * ended by a no.
 */
export type AskAbout = 'step' | 'budget' | 'scaling';

/** What a person's word is wanted on. */
export interface Ask {
  /** Absent: a step. */
  readonly about?: AskAbout;
  /** 0 = provision, 1..n = enter the n-th step, n + 1 = promote. Not about a step: where the rollout stands. */
  readonly step: number;
  readonly at: number;
  readonly verdict: Verdict | null;
  /** About scaling: what the endpoint would be changed to. */
  readonly scaling?: Scaling;
}

/** Whether a question is open and about this. */
export function isAbout(ask: Ask | null, about: AskAbout): ask is Ask {
  return ask !== null && (ask.about ?? 'step') === about;
}

/** What a question is about, for people: `step 2`, `the budget`. */
export function askText({ about = 'step', step }: Pick<Ask, 'about' | 'step'>): string {
  return about === 'step' ? `step ${step}` : `the ${about}`;
}
