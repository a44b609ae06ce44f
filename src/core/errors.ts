/** The kind of an error. Callers branch on this and on nothing else. */
export const ERROR_CODES = [
  'invalid',
  'not_found',
  'conflict',
  'unauthorized',
  'unavailable',
  'timeout',
  'internal',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * The one error type. `message` says what failed, with the value; `hint` says what the operator can do; `cause` is
 * chained and never copied into the message.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.hint = options.hint;
  }
}

/** The code of any thrown value; `internal` if it is no AppError. */
export function errorCode(error: unknown): ErrorCode {
  return error instanceof AppError ? error.code : 'internal';
}

/** The text of any thrown value, for people. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
