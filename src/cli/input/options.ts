import type { Argv } from 'yargs';
import { AppError } from '../../core/errors.ts';

/** What every command takes. */
export interface GlobalOptions {
  readonly db: string;
  readonly json: boolean;
}

/** A command's parser. It already has the options that every command takes. */
export function withGlobals(parser: Argv): Argv<GlobalOptions> {
  return parser as Argv<GlobalOptions>;
}

/** Adds `--policy FILE` for commands that read a policy without a daemon. */
export function withPolicy<T>(parser: Argv<T>): Argv<T & { readonly policy: string }> {
  return parser.option('policy', {
    type: 'string',
    default: 'policies/default.yaml',
    requiresArg: true,
    describe: 'Path of the policy file',
  });
}

/** Throws AppError `invalid` for a value that is not a number or out of range, with what is expected. */
export function checkNumber(flag: string, value: number, isGood: boolean, expected: string): void {
  if (isGood && !Number.isNaN(value)) return;
  const message = Number.isNaN(value) ? `--${flag} is not a number` : `--${flag} ${value} is out of range`;
  throw new AppError('invalid', message, { hint: `expected ${expected}` });
}

/** Throws AppError `invalid` if something was typed but is empty, as when a variable of a script is not set. */
export function checkGiven(name: string, value: string | undefined): void {
  if (value === undefined || value.trim() !== '') return;
  throw new AppError('invalid', `${name} is empty`, { hint: 'leave it out, or say what is meant' });
}
