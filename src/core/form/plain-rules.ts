import { objectOf } from '../answer/output.ts';
import type { Json } from '../answer/output.ts';
import type { Score } from './form.ts';
import { allOf } from './scores.ts';

const TYPES: ReadonlyMap<unknown, (value: unknown) => boolean> = new Map<string, (value: unknown) => boolean>([
  ['string', (value) => typeof value === 'string'],
  ['number', (value) => typeof value === 'number'],
  ['integer', (value) => Number.isInteger(value)],
  ['boolean', (value) => typeof value === 'boolean'],
  ['null', (value) => value === null],
  ['array', Array.isArray],
  ['object', (value) => objectOf(value) !== null],
]);

/** There are seven types. A longer list is looked at by nobody. */
const MOST_TYPES = 16;

/** The keyword `type`. */
export function checkType(value: unknown, { type, nullable }: Json): Score {
  if (type === undefined) return 'good';
  const types: readonly unknown[] = Array.isArray(type) ? type : [type];
  if (types.length > MOST_TYPES) return 'unscored';
  if (types.some((each) => TYPES.get(each)?.(value) === true)) return 'good';
  // A name that JSON Schema does not have, as `float`, or OpenAPI's way to allow null.
  return types.every((each) => TYPES.has(each)) && !(value === null && nullable === true) ? 'bad' : 'unscored';
}

/** The keywords of numbers. */
export function checkNumber(value: number, rules: Json): Score {
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below, multipleOf } = rules;
  if (!isNumberOrNone(above) || !isNumberOrNone(below)) return 'unscored';
  if ((above !== undefined && value <= above) || (below !== undefined && value >= below)) return 'bad';
  return allOf([
    () => inRange(value, minimum, maximum),
    () => checkMultiple(value, multipleOf),
    () => ('format' in rules ? 'unscored' : 'good'),
  ]);
}

/** Of fractions that cannot be told, because a sum of them is not exact. */
function checkMultiple(value: number, unit: unknown): Score {
  if (unit === undefined) return 'good';
  if (!Number.isSafeInteger(unit) || !Number.isSafeInteger(value) || (unit as number) <= 0) return 'unscored';
  return value % (unit as number) === 0 ? 'good' : 'bad';
}

/** Whether a number lies within two limits, each of which may be missing. */
export function inRange(value: number, least: unknown, most: unknown): Score {
  if (!isNumberOrNone(least) || !isNumberOrNone(most)) return 'unscored';
  return (least !== undefined && value < least) || (most !== undefined && value > most) ? 'bad' : 'good';
}

/** Whether a keyword that takes a number is missing or has one. */
export function isNumberOrNone(value: unknown): value is number | undefined {
  return value === undefined || typeof value === 'number';
}
