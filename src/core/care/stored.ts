import { z } from 'zod';
import { OUTCOMES } from '../outcome.ts';
import { storedAs } from '../stored.ts';
import type { BreakerState } from './breaker.ts';
import type { LearnedLane } from './lane-status.ts';

const time = z.number().min(0);
const cause = z.enum(OUTCOMES);

const agents = z.int().min(1).nullable();

/** A breaker as it is stored and shown. */
export const breakerSchema = storedAs<BreakerState>()(
  z.discriminatedUnion('state', [
    z.strictObject({ state: z.literal('closed') }),
    z.strictObject({ state: z.literal('open'), since: time, until: time, cause, agents }),
    z.strictObject({ state: z.literal('half-open'), since: time, probing: z.int().min(0), cause, agents }),
  ]),
);

/** The learned part of a lane, as it is stored. */
export const learnedLaneSchema = storedAs<LearnedLane>()(
  z.strictObject({
    rate: z.strictObject({ perSecond: z.number().positive().nullable() }),
    inFlight: z.strictObject({ most: z.int().min(1).nullable() }),
    breaker: breakerSchema,
  }),
);
