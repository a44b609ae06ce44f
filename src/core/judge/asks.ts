import type { CallShape } from '../route.ts';
import type { Measure } from './form-scores.ts';

/** What a call asks of the form of its answer, by its shape. It is known of calls without an answer too. */
export interface Asks {
  readonly tools: boolean;
  readonly json: boolean;
}

/** All that there are, by the number that stands for each: 1 for tools, 2 for JSON. */
const ALL: readonly Asks[] = [0, 1, 2, 3].map((bits) => ({ tools: (bits & 1) !== 0, json: (bits & 2) !== 0 }));

/** What calls of a shape ask for. */
export function asksOf(shape: CallShape): Asks {
  const features = shape.split('+');
  return decodeAsks(Number(features.includes('tools')) + 2 * Number(features.includes('structured')));
}

/** What a number stands for: 0..3, 1 for tools and 2 for JSON. */
export function decodeAsks(bits: number): Asks {
  return ALL[bits & 3] as Asks;
}

/** What at least one of two calls asks for; undefined if it is not known of both. */
export function either(one: Asks | undefined, other: Asks | undefined): Asks | undefined {
  if (one === undefined || other === undefined) return undefined;
  return decodeAsks(Number(one.tools || other.tools) + 2 * Number(one.json || other.json));
}

/** Whether a call may have a measure; true if it is not known what it asks for. */
export function mayHave(measure: string, asks: Asks | undefined): boolean {
  if (asks === undefined) return true;
  return ASKED_BY[measure as Measure]?.(asks) ?? true;
}

const ASKED_BY: Readonly<Partial<Record<Measure, (asks: Asks) => boolean>>> = {
  tools: ({ tools }) => tools,
  calls: ({ tools }) => tools,
  format: ({ json }) => json,
};
