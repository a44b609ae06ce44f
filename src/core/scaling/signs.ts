import { meaningOf } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';

/** How many signs a call may give. Each is the logarithm of a time in µs; `signsOf` defines them. */
export const SIGNS = 4;

/** What calls showed: those of one span of ten seconds, or all of one level. */
export interface Signs {
  calls: number;
  turnedAway: number;
  /** Per sign: how many calls gave it, the sum of the logarithms, and the sum of their squares. */
  readonly counts: number[];
  readonly sums: number[];
  readonly squares: number[];
}

/** What capacity needs of a call. Times in µs from when it set out. */
export interface SignedCall {
  readonly outcome: Outcome;
  readonly durationUs: number;
  readonly firstTokenUs: number | null;
  readonly outputTokens: number | null;
}

/** With fewer output tokens than this, a call gives no time per token. */
const FEW_TOKENS = 4;

/**
 * The signs of a call: the time to the first token, the time per token after it, the time per token of an answer that does
 * not stream, and the time of an answer without tokens. Null for each that the call does not give.
 */
export function signsOf({ outcome, durationUs, firstTokenUs, outputTokens }: SignedCall): (number | null)[] {
  if (outcome !== 'ok' || durationUs <= 0) return [null, null, null, null];
  const tokens = outputTokens ?? 0;
  const log = (us: number) => Math.log(Math.max(1, us));
  if (firstTokenUs !== null) {
    const each = tokens < FEW_TOKENS ? null : log((durationUs - firstTokenUs) / (tokens - 1));
    return [log(firstTokenUs), each, null, null];
  }
  if (tokens >= FEW_TOKENS) return [null, null, log(durationUs / tokens), null];
  return outputTokens === null || tokens === 0 ? [null, null, null, log(durationUs)] : [null, null, null, null];
}

/** What one call shows. */
export function shownBy(call: SignedCall): Signs {
  const signs = signsOf(call);
  return {
    calls: 1,
    turnedAway: meaningOf(call.outcome).isTurnedAway ? 1 : 0,
    counts: signs.map((sign) => Number(sign !== null)),
    sums: signs.map((sign) => sign ?? 0),
    squares: signs.map((sign) => (sign ?? 0) ** 2),
  };
}

/** Of no call. */
export function noSigns(): Signs {
  const zeros = () => Array.from({ length: SIGNS }, () => 0);
  return { calls: 0, turnedAway: 0, counts: zeros(), sums: zeros(), squares: zeros() };
}

/** Adds what further calls showed. */
export function addSigns(signs: Signs, further: Readonly<Signs>): void {
  signs.calls += further.calls;
  signs.turnedAway += further.turnedAway;
  for (let i = 0; i < SIGNS; i++) {
    signs.counts[i] = (signs.counts[i] as number) + (further.counts[i] ?? 0);
    signs.sums[i] = (signs.sums[i] as number) + (further.sums[i] ?? 0);
    signs.squares[i] = (signs.squares[i] as number) + (further.squares[i] ?? 0);
  }
}

/** The mean of a sign, and the square of that mean's standard error; null if fewer than `least` calls gave it. */
export function meanSign(
  signs: Readonly<Signs>,
  sign: number,
  least: number,
): { mean: number; errorSquare: number } | null {
  const count = signs.counts[sign] as number;
  if (count < least || count === 0) return null;
  const mean = (signs.sums[sign] as number) / count;
  const variance = Math.max(0, (signs.squares[sign] as number) / count - mean * mean);
  return { mean, errorSquare: variance / count };
}
