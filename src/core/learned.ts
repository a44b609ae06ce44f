import { z } from 'zod';
import { learnedLaneSchema } from './care/stored.ts';
import type { LearnedLane } from './care/lane-status.ts';
import type { NearMiss } from './criteria/criteria.ts';
import { nearMissSchema } from './decide/stored.ts';
import type { LearnedRejections } from './rejected-shapes.ts';
import { SIGNS } from './scaling/signs.ts';
import type { LearnedConcurrency } from './scaling/route-concurrency.ts';
import { hourSchema } from './scaling/stored.ts';
import { readStored, storedAs } from './stored.ts';

/** The recent mean cost of a model's call on serverless, micro-dollars. */
interface LearnedCallCost {
  readonly perCallMicros: number;
}

/** The span in which every call of a model's route was seen, epoch ms. `until`: when the daemon last read the calls. */
export interface SeenTraffic {
  readonly knownSince: number;
  readonly until: number;
}

/** How near the criteria came to a proposal since the last rollout. */
export interface LearnedNearMiss {
  /** The criteria that were watched, as JSON: what was nearly met under others says nothing. */
  readonly criteria: string;
  readonly near: NearMiss;
}

/** What a daemon learns and the next daemon starts from, by the name that it has in the ledger. */
export interface Learned {
  /** The limits and the breaker of one lane. */
  readonly lane: LearnedLane;
  /** How many calls at once a model's endpoint can take, and the demand over the hours of a day. */
  readonly concurrency: LearnedConcurrency;
  readonly call_cost: LearnedCallCost;
  readonly traffic: SeenTraffic;
  /** Shapes of which a model's endpoint rejects most calls. */
  readonly rejections: LearnedRejections;
  readonly near_miss: LearnedNearMiss;
}

export type LearnedKind = keyof Learned;

/** One thing learned. `provider`: of a lane, '' if the router chooses; '' for everything else. */
export interface LearnedKey<K extends LearnedKind = LearnedKind> {
  readonly what: K;
  readonly model: string;
  readonly provider: string;
}

/** The ledger keeps at most this many rows of each kind: the ones that a daemon used last. */
export const MOST_LEARNED = 1_000;

const time = z.number().min(0);
const amount = z.number().min(0);

const levelSchema = z.strictObject({
  spans: amount,
  calls: amount,
  turnedAway: amount,
  concurrency: amount,
  counts: z.array(amount).length(SIGNS),
  sums: z.array(z.number()).length(SIGNS),
  squares: z.array(amount).length(SIGNS),
  isSlow: z.boolean(),
});

const concurrencySchema = storedAs<LearnedConcurrency>()(
  z.strictObject({
    endpointName: z.string().nullable(),
    capacity: z.array(z.tuple([z.int().min(0), levelSchema])),
    day: z.array(hourSchema).max(24),
  }),
);

const SCHEMAS: { readonly [K in LearnedKind]: z.ZodType<Learned[K]> } = {
  lane: learnedLaneSchema,
  concurrency: concurrencySchema,
  call_cost: storedAs<LearnedCallCost>()(z.strictObject({ perCallMicros: amount })),
  traffic: storedAs<SeenTraffic>()(z.strictObject({ knownSince: time, until: time })),
  near_miss: storedAs<LearnedNearMiss>()(z.strictObject({ criteria: z.string(), near: nearMissSchema })),
  rejections: storedAs<LearnedRejections>()(
    z.strictObject({
      endpointName: z.string(),
      withheld: z.array(z.strictObject({ shape: z.string(), until: time, spanMs: amount.positive() })),
    }),
  ),
};

/** Reads a value of the table `learned`. Throws AppError `invalid`, which names the row and what is wrong. */
export function readLearned<K extends LearnedKind>(key: LearnedKey<K>, value: string): Learned[K] {
  return readStored(SCHEMAS[key.what], value, { table: 'learned', row: learnedText(key) });
}

/** The name of a row, for people. */
function learnedText({ what, model, provider }: LearnedKey): string {
  return [what, 'of', model, ...(provider === '' ? [] : [`by ${provider}`])].join(' ');
}
