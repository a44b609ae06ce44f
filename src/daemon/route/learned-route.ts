import type { LearnedNearMiss } from '../../core/learned.ts';
import type { LearnedRejections } from '../../core/rejected-shapes.ts';
import type { LearnedConcurrency } from '../../core/scaling/route-concurrency.ts';

/** What former processes have learned of a route; null if they have not learned it. */
export interface LearnedRoute {
  readonly concurrency: LearnedConcurrency | null;
  /** What a call lately cost on serverless in the mean, micro-dollars. */
  readonly perCallMicros: number | null;
  readonly rejections: LearnedRejections | null;
  readonly nearMiss: LearnedNearMiss | null;
}

export const NOTHING_LEARNED: LearnedRoute = {
  concurrency: null,
  perCallMicros: null,
  rejections: null,
  nearMiss: null,
};
