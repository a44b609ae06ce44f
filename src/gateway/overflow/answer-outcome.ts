import type { Outcome } from '../../core/outcome.ts';
import { saysOverloaded } from '../../core/overflow/overload-words.ts';
import type { Attempt } from '../attempt/attempt.ts';
import { ErrorReader } from '../attempt/error-reader.ts';
import { outcomeOfStatus } from '../attempt/outcome.ts';
import { pauseOf } from '../care/retry-after.ts';
import type { AnswerHeaders } from '../request/headers.ts';

/**
 * Tells the outcome of an answer that has begun, as far as its status shows it: at once, or when the body of an error is
 * read that may say that the endpoint is full. `tell`: also gets that body; null if it was not read.
 */
export function whenOutcomeKnown(
  attempt: Attempt,
  headers: AnswerHeaders,
  tell: (outcome: Outcome, body: Buffer | null) => void,
): void {
  const { upstream, status } = attempt;
  if (upstream === 'serverless' || (status !== 429 && status !== 503)) {
    return tell(outcomeOfStatus(status, upstream), null);
  }
  if (!mustBeRead(status, headers)) return tell(refusalOutcome(attempt, null), null);
  void new ErrorReader(attempt, (body) => tell(refusalOutcome(attempt, body.toString()), body));
}

/** Whether the body of an endpoint's answer must be read to know whether it says that the endpoint is full. */
export function mustBeRead(status: number, headers: AnswerHeaders): boolean {
  return status === 503 && pauseOf(headers) === null;
}

/** The outcome of an endpoint's attempt with a status of 429 or 503. `body`: of a 503 that had to be read; else null. */
export function refusalOutcome(attempt: Attempt, body: string | null): Outcome {
  const isSaid = body === null || saysOverloaded(body);
  if (isSaid && attempt.wasRefused()) return 'saturated';
  return outcomeOfStatus(attempt.status, 'dedicated');
}
