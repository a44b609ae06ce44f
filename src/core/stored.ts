import type { z } from 'zod';
import { AppError, errorMessage } from './errors.ts';

/** A type without readonly and with all optional keys required. Two types count as the same if these are the same. */
type Plain<T> = T extends readonly unknown[]
  ? { -readonly [I in keyof T]: Plain<T[I]> }
  : T extends object
    ? { -readonly [K in keyof T]-?: Plain<T[K]> }
    : T;

/** `unknown` if a schema reads exactly the values of T; else the schema does not compile. */
type Exactly<T, S extends z.ZodType> = [Plain<T>, Plain<z.output<S>>] extends [Plain<z.output<S>>, Plain<T>]
  ? unknown
  : { readonly differsFrom: Plain<T> };

/**
 * The schema of values of type T as they are stored: JSON. It is a compile error if the schema has a key more or less
 * than T, or another type. A schema only checks: it has no defaults and changes nothing.
 */
export function storedAs<T>(): <S extends z.ZodType<T>>(schema: S & Exactly<T, S>) => z.ZodType<T> {
  return (schema) => schema;
}

/** Which stored value it is: the table and, in words, the row and the column. */
export interface StoredAt {
  readonly table: string;
  readonly row: string;
}

const MOST_PROBLEMS = 3;

/**
 * Reads a stored JSON text. Returns exactly the value in the text, with its keys in the same order, so that it can be
 * hashed or stored again unchanged. `choose`: the schema, or a function that chooses it by the value. Throws AppError
 * `invalid`, which names the table, the row and what is wrong.
 */
export function readStored<T>(
  choose: z.ZodType<T> | ((value: unknown) => z.ZodType<T>),
  text: string,
  at: StoredAt,
): T {
  const value = parse(text, at);
  const schema = typeof choose === 'function' ? choose(value) : choose;
  const { error } = schema.safeParse(value);
  if (error === undefined) return value as T;
  const problems = error.issues.slice(0, MOST_PROBLEMS).map(({ path, message }) => {
    return path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`;
  });
  throw new AppError('invalid', `${textOf(at)}: ${problems.join('; ')}`, {
    hint: 'the row was changed by another program or another version of upshift',
  });
}

function parse(text: string, at: StoredAt): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AppError('invalid', `${textOf(at)}: not JSON: ${errorMessage(error)}`, { cause: error });
  }
}

function textOf({ table, row }: StoredAt): string {
  return `table ${table}, ${row}`;
}
