import type { Verdict } from '../judge/verdict.ts';
import type { Scaling } from '../scaling/scaling.ts';

/**
 * What a question is about: the next step of the rollout, the budget or the scaling. The rollout waits only for the
 * answer about a step. A no about a step ends the rollout; a no about anything else changes nothing.
 */
export type AskAbout = 'step' | 'budget' | 'scaling';

/** Somebody who has approved what is asked, where more than one person must. */
interface Approval {
  /** Number of the user. */
  readonly uid: number;
  /** `user@host`. */
  readonly by: string;
}

/** Copies of the shadow stage, since the stage or this process began, whichever is later. */
export interface ShadowFigures {
  readonly sent: number;
  readonly ended: number;
  /** Copies that failed because of the endpoint. */
  readonly faults: number;
  /** Calls that were chosen but not copied, because too many copies were in flight or the gateway was too busy. */
  readonly dropped: number;
}

/** What all calls were said to cost on serverless in thirty days, micro-dollars, and when, clock ms. */
export interface SaidCost {
  readonly micros: number;
  readonly at: number;
}

/** What a rollout leads to if what is asked is approved. */
export interface Terms {
  /** What the endpoint costs in thirty days with all its replicas, on the dearest instance that the yes covers, micro-dollars. */
  readonly monthMicros: number;
  /** What all calls cost on serverless in thirty days, at the rate of the question; null if that is not known. */
  readonly serverlessMonthMicros: number | null;
  /** What was said last, if that is not known now; absent: it is known, or was never said. */
  readonly serverlessBefore?: SaidCost;
  /** About scaling: what the endpoint costs in thirty days as it is, micro-dollars; absent: as much. */
  readonly presentMonthMicros?: number;
  /** How long the rest takes if each step passes as soon as it may, clock ms; null without calls. */
  readonly likelyMs: number | null;
}

/** A question to the operator. */
export interface Ask {
  /** Absent: a step. */
  readonly about?: AskAbout;
  /**
   * 0 = provision, 1..n = enter the n-th step, n + 1 = promote. If it is not about a step: the rollout's present step.
   */
  readonly step: number;
  readonly at: number;
  readonly verdict: Verdict | null;
  /** About the first step: what became of the copies of calls. */
  readonly shadow?: ShadowFigures;
  readonly terms?: Terms;
  /** About scaling: what the endpoint would be changed to. */
  readonly scaling?: Scaling;
  /** The approvals so far; absent before the first. They go with the question. */
  readonly approvals?: readonly Approval[];
}

/** Whether a question is open and is about this. */
export function isAbout(ask: Ask | null, about: AskAbout): ask is Ask {
  return ask !== null && (ask.about ?? 'step') === about;
}

/** What a question is about, for people: `step 2`, `the budget`. */
export function askText({ about = 'step', step }: Pick<Ask, 'about' | 'step'>): string {
  return about === 'step' ? `step ${step}` : `the ${about}`;
}
