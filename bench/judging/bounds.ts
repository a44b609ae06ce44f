import { OURS, OURS_WITHOUT_SHADOW } from './ours.ts';
import type { Cell } from './cells.ts';

/** What our judge must keep in the short form, cell by cell. The seeds are fixed, so the figures are too. */
interface Bound {
  readonly judge?: string;
  readonly world: string;
  readonly truth: string;
  readonly falseRollback?: number;
  readonly falsePromotion?: number;
  readonly hold?: number;
  /** Canary calls until a rollback, in the median: there must be one. */
  readonly exposedMedian?: number;
  /** Minutes until a promotion, in the median: there must be one. */
  readonly minutesMedian?: number;
}

// Of twenty traces: a little more room than the figures of a thousand need.
const BOUNDS: readonly Bound[] = [
  { world: 'calm', truth: 'identical', falseRollback: 0.05, hold: 0.05, minutesMedian: 105 },
  { world: 'calm', truth: '20 % faster', falseRollback: 0.05 },
  { world: 'calm', truth: 'serverless incident', falseRollback: 0.05 },
  { world: 'calm', truth: '30 % slower', falsePromotion: 0.05 },
  { world: 'calm', truth: 'incident, 30 % slower', falsePromotion: 0.05 },
  { world: 'calm', truth: '6 % take 4x', falsePromotion: 0.05 },
  { world: 'calm', truth: '2 % never end', falsePromotion: 0.05 },
  { world: 'calm', truth: 'faults 3 %', falsePromotion: 0.05 },
  { world: 'calm', truth: 'faults 10 %', falsePromotion: 0 },
  { world: 'calm', truth: '60 % slower from half', falsePromotion: 0.05 },
  { world: 'calm', truth: 'latency x2', falsePromotion: 0 },
  { world: 'calm', truth: 'dead', falsePromotion: 0 },
  { world: 'calm', truth: 'empty answers 5 %', falsePromotion: 0.05 },
  { world: 'calm', truth: 'no answer 2 %', falsePromotion: 0.05 },
  { world: 'calm', truth: 'cut short 2 %', falsePromotion: 0.05 },
  { world: 'calm', truth: 'error in stream 2 %', falsePromotion: 0.05 },
  { world: 'calm', truth: 'rejected 2 %', falsePromotion: 0.05 },
  { world: 'calm', truth: 'context 8k', falsePromotion: 0.05 },
  { world: 'calm', truth: 'parser missing', falsePromotion: 0 },
  { world: 'calm', truth: 'wrong template', falsePromotion: 0 },
  { world: 'calm', truth: 'schema 86.3 %', falsePromotion: 0 },
  { world: 'calm', truth: 'fewer bad tool calls', falseRollback: 0.05, hold: 0.05 },
  ...['agents', 'sessions'].flatMap((world) => [
    { world, truth: 'identical', falseRollback: 0 },
    { world, truth: 'serverless incident', falseRollback: 0.05 },
    { world, truth: '30 % slower', falsePromotion: 0 },
    { world, truth: 'faults 10 %', falsePromotion: 0 },
  ]),
  { judge: OURS_WITHOUT_SHADOW.name, world: 'calm', truth: 'no answer 50 %', falsePromotion: 0, exposedMedian: 30 },
  { judge: OURS_WITHOUT_SHADOW.name, world: 'calm', truth: 'rejected 50 %', falsePromotion: 0, exposedMedian: 30 },
  { judge: OURS_WITHOUT_SHADOW.name, world: 'calm', truth: 'faults 10 %', falsePromotion: 0, exposedMedian: 75 },
  { judge: OURS_WITHOUT_SHADOW.name, world: 'calm', truth: 'latency x2', falsePromotion: 0, exposedMedian: 75 },
  { judge: OURS_WITHOUT_SHADOW.name, world: 'calm', truth: 'dead', falsePromotion: 0, exposedMedian: 5 },
];

/** Whether the short form runs a cell. */
export function isBounded(world: string, truth: string): boolean {
  return BOUNDS.some((bound) => bound.world === world && bound.truth === truth);
}

/** One sentence for each figure of ours that is worse than its bound. */
export function broken(cells: readonly Cell[]): readonly string[] {
  return BOUNDS.flatMap((bound) => {
    const judge = bound.judge ?? OURS.name;
    const cell = cells.find(
      (candidate) => candidate.judge === judge && candidate.world === bound.world && candidate.truth === bound.truth,
    );
    const name = `${judge}: ${bound.world}, ${bound.truth}`;
    if (cell === undefined) return [`${name}: not run`];
    return (['falseRollback', 'falsePromotion', 'hold', 'exposedMedian', 'minutesMedian'] as const).flatMap(
      (figure) => {
        const limit = bound[figure];
        const value = cell[figure];
        if (limit === undefined || (value !== null && value <= limit)) return [];
        return [`${name}: ${figure} is ${value ?? 'missing'}, more than ${limit}`];
      },
    );
  });
}
