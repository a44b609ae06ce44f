import type { Ending } from './contest.ts';
import type { Right } from './truths.ts';

/** What one judge did in one world under one truth. Shares 0..1. */
export interface Cell {
  readonly judge: string;
  readonly world: string;
  readonly truth: string;
  readonly right: Right;
  readonly traces: number;
  readonly rolledBack: number;
  readonly promoted: number;
  readonly hold: number;
  /** Rolled back where promoting is right, promoted where it is not; 0 where either can be defended. */
  readonly falseRollback: number;
  readonly falsePromotion: number;
  readonly falseRollbackRange: readonly [number, number];
  readonly falsePromotionRange: readonly [number, number];
  /** Canary calls until the rollback; null where none was. */
  readonly exposedMedian: number | null;
  readonly exposedP90: number | null;
  /** Share of traces that were rolled back before half of the calls went to the canary. */
  readonly backBeforeHalf: number;
  /** Minutes until it was promoted; null where none was. */
  readonly minutesMedian: number | null;
  readonly minutesP90: number | null;
  /** Share of traces that were promoted within two hours. */
  readonly withinTwoHours: number;
  /** Share of the promotions that took half to twice the minutes forecast; null where none was forecast. */
  readonly asForecast: number | null;
}

export function cellOf(
  names: { readonly judge: string; readonly world: string; readonly truth: string; readonly right: Right },
  endings: readonly Ending[],
): Cell {
  const of = (end: Ending['end']) => endings.filter((ending) => ending.end === end);
  const traces = endings.length;
  const [back, up] = [of('rolledBack'), of('promoted')];
  const falseBack = names.right === 'promote' ? back.length : 0;
  const falseUp = names.right === 'refuse' ? up.length : 0;
  const exposed = back.map((ending) => ending.exposed);
  const minutes = up.map((ending) => ending.minutes);
  const told = up.flatMap((ending) => (ending.forecast === null ? [] : ending.minutes / ending.forecast));
  return {
    ...names,
    traces,
    rolledBack: back.length / traces,
    promoted: up.length / traces,
    hold: of('held').length / traces,
    falseRollback: falseBack / traces,
    falsePromotion: falseUp / traces,
    falseRollbackRange: wilson(falseBack, traces),
    falsePromotionRange: wilson(falseUp, traces),
    exposedMedian: atShare(exposed, 0.5),
    exposedP90: atShare(exposed, 0.9),
    backBeforeHalf: back.filter(({ weight }) => weight < 0.5).length / traces,
    minutesMedian: atShare(minutes, 0.5),
    minutesP90: atShare(minutes, 0.9),
    withinTwoHours: minutes.filter((taken) => taken <= 120).length / traces,
    asForecast: told.length === 0 ? null : told.filter((ratio) => ratio >= 0.5 && ratio <= 2).length / told.length,
  };
}

function atShare(values: readonly number[], share: number): number | null {
  return values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? null;
}

/** The 95 % range of a share (Wilson, 1927). */
export function wilson(hits: number, of: number): readonly [number, number] {
  const z2 = 1.959964 ** 2;
  const middle = (hits + z2 / 2) / (of + z2);
  const half = (Math.sqrt(z2) / (of + z2)) * Math.sqrt((hits * (of - hits)) / of + z2 / 4);
  return [hits === 0 ? 0 : Math.max(0, middle - half), hits === of ? 1 : Math.min(1, middle + half)];
}
