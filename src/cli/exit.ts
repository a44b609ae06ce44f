import { AppError, errorCode, errorMessage } from '../core/errors.ts';
import type { ErrorCode } from '../core/errors.ts';
import { labelled, painter } from './terminal/print.ts';

/** What a command's exit status says. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  needsDaemon: 3,
  refused: 4,
  rolledBack: 5,
  noneSucceeded: 6,
  /** Of `compare`. */
  different: 1,
  untold: 6,
  interrupted: 130,
} as const;

/** The exit status of each kind of error. */
const EXIT_OF: Readonly<Record<ErrorCode, number>> = {
  invalid: EXIT.usage,
  not_found: EXIT.usage,
  unauthorized: EXIT.usage,
  conflict: EXIT.refused,
  unavailable: EXIT.failed,
  timeout: EXIT.failed,
  internal: EXIT.failed,
};

/** The exit status for any thrown value. */
export function exitStatus(error: unknown): number {
  return EXIT_OF[errorCode(error)];
}

/** Prints an error on standard error: a sentence and a hint, or with `json` one `{"error":{code,message,hint}}`. */
export function reportError(error: unknown, json: boolean): void {
  const [code, message] = [errorCode(error), errorMessage(error)];
  const hint = error instanceof AppError ? error.hint : undefined;
  if (json) {
    process.stderr.write(`${JSON.stringify({ error: { code, message, hint: hint ?? null } })}\n`);
    return;
  }
  const paint = painter(process.stderr);
  process.stderr.write(labelled('error:', message, { paint: paint.red, stream: process.stderr }));
  if (hint !== undefined) process.stderr.write(labelled('hint:', hint, { paint: paint.dim, stream: process.stderr }));
  if (code === 'internal' && error instanceof Error && process.env['UPSHIFT_DEBUG'] === '1') {
    process.stderr.write(`${error.stack}\n`);
  }
}
