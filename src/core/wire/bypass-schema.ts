import { z } from 'zod';
import { AppError } from '../errors.ts';
import { BYPASS_ENDS, LONGEST_AGENT, LONGEST_MODEL, MOST_REPORTED } from './bypass.ts';
import type { BypassReport } from './bypass.ts';

/** The start of 2020, epoch µs: older times are refused. */
const LEAST_US = 1_577_836_800_000_000;
const LONGEST_US = 86_400_000_000;
/** How far the caller's clock may be ahead. */
const AHEAD_US = 60_000_000;

const SHAPE =
  /^(?:chat|completion|embedding|response|message|models|native)(?:\+stream)?(?:\+tools)?(?:\+structured)?(?:\+media)?$/;
const CONTROL = /[\x00-\x1f\x7f]/;

const span = z.int().min(0).max(LONGEST_US);
const name = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .refine((text) => text.isWellFormed() && !CONTROL.test(text), 'contains characters that are not allowed in a name');

const outcome = z
  .strictObject({
    arrivedAtUs: z.int().min(LEAST_US),
    startedAfterUs: span,
    durationUs: span,
    firstByteUs: span.nullable(),
    model: name(LONGEST_MODEL).nullable(),
    shape: z.string().regex(SHAPE),
    agent: name(LONGEST_AGENT),
    status: z.literal(0).or(z.int().min(100).max(599)),
    end: z.enum(BYPASS_ENDS),
    hasNoToken: z.boolean(),
  })
  .refine(({ startedAfterUs, durationUs }) => startedAfterUs <= durationUs, 'ends before it starts')
  .refine(
    ({ firstByteUs, startedAfterUs, durationUs }) =>
      firstByteUs === null || (firstByteUs >= startedAfterUs && firstByteUs <= durationUs),
    'has its first byte before its start or after its end',
  )
  .refine(
    ({ status, firstByteUs }) => (status === 0) === (firstByteUs === null),
    'has only one of status and first byte',
  )
  .refine(
    ({ status, end }) => end === 'left' || (status === 0) === (end === 'unreached'),
    'has an end that contradicts its status',
  );

const report = z.strictObject({
  dropped: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
  outcomes: z.array(outcome).max(MOST_REPORTED),
});

/**
 * Reads a report; one wrong outcome refuses all of it. `nowUs`: epoch µs. Throws AppError `invalid`: what is wrong,
 * where.
 */
export function readBypassReport(value: unknown, nowUs: number): BypassReport {
  const read = report.safeParse(value);
  if (!read.success) {
    const { path, message } = read.error.issues[0] as z.core.$ZodIssue;
    throw new AppError('invalid', `${path.join('.') || 'the report'}: ${message}`);
  }
  const early = read.data.outcomes.findIndex(
    ({ arrivedAtUs, durationUs }) => arrivedAtUs + durationUs > nowUs + AHEAD_US,
  );
  if (early >= 0) throw new AppError('invalid', `outcomes.${early}: ends in the future`);
  return read.data;
}
