import { z } from 'zod';
import { AppError } from '../errors.ts';
import { BYPASS_ENDS, LONGEST_AGENT, LONGEST_MODEL, MOST_REPORTED } from './bypass.ts';
import type { BypassReport } from './bypass.ts';

/** 2020, in epoch µs: no call is older. */
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
    .refine((text) => text.isWellFormed() && !CONTROL.test(text), 'holds characters that no name has');

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
  .refine(({ startedAfterUs, durationUs }) => startedAfterUs <= durationUs, 'ends before it sets out')
  .refine(
    ({ firstByteUs, startedAfterUs, durationUs }) =>
      firstByteUs === null || (firstByteUs >= startedAfterUs && firstByteUs <= durationUs),
    'has its first byte before it sets out, or after its end',
  )
  .refine(({ status, firstByteUs }) => (status === 0) === (firstByteUs === null), 'has a status or a first byte alone')
  .refine(
    ({ status, end }) => end === 'left' || (status === 0) === (end === 'unreached'),
    'has an end that its status denies',
  );

const report = z.strictObject({
  dropped: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
  outcomes: z.array(outcome).max(MOST_REPORTED),
});

/** Reads a report, all of it or nothing. `nowUs`: epoch µs. Throws AppError `invalid` that says what is wrong, and where. */
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
