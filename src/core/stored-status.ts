import { z } from 'zod';
import { CAUSES } from './cause.ts';
import { breakerSchema } from './care/stored.ts';
import type { LaneKey, LaneStatus } from './care/lane-status.ts';
import { CRITERIA } from './policy/criteria.ts';
import { CRITERIA_SHAPE } from './policy/stored.ts';
import { ACTIONS, REASONS } from './decide/decision.ts';
import { demandSchema, endpointSeenSchema, faultRowSchema, stepFiguresSchema, trafficSchema } from './decide/stored.ts';
import { INELIGIBLE_REASONS } from './eligibility.ts';
import { verdictSchema } from './judge/stored.ts';
import { VERDICT_STATUSES } from './judge/verdict.ts';
import { PHASES } from './rollout/rollout.ts';
import {
  alternativeSchema,
  detourSchema,
  leftInstanceSchema,
  shadowFiguresSchema,
  termsSchema,
  throughSchema,
} from './rollout/stored.ts';
import { concurrencySeenSchema, scalingSchema } from './scaling/stored.ts';
import { instanceSchema } from './sizing/stored.ts';
import type { RolloutStatus, RouteStatus, StatusReport } from './status.ts';
import type { EndpointLoadStatus } from './overflow/load-status.ts';
import { readStored, storedAs } from './stored.ts';

const time = z.number().min(0);
const count = z.int().min(0);
const share = z.number().min(0).max(1);
const text = z.string();
const phase = z.enum(PHASES);
const saidBy = { by: text, reason: text.nullable() };

const load = storedAs<EndpointLoadStatus>()(
  z.strictObject({
    inFlight: count,
    limit: z.number().min(0).nullable(),
    fullAt: z.number().min(0).nullable(),
    sent: count,
    waiting: count,
    saturated: count,
    overflowed: count,
    waited: count,
    refused: count,
  }),
);

const rollout = storedAs<RolloutStatus>()(
  z.strictObject({
    id: text,
    toward: z.enum(['serverless', 'dedicated']),
    createdAt: time,
    since: time,
    startedAt: time.nullable(),
    proposedBy: z.strictObject(saidBy).optional(),
    isPaused: z.boolean(),
    pausedBy: z.strictObject(saidBy).optional(),
    overruledBy: z.strictObject(saidBy).optional(),
    pausedSince: time.optional(),
    step: count,
    steps: z.array(share),
    weight: share,
    assignedShare: share.nullable(),
    servedShare: share.nullable(),
    figures: stepFiguresSchema.nullable(),
    verdict: verdictSchema.nullable(),
    shadow: shadowFiguresSchema.nullable(),
    bakeMs: z.number(),
    minCalls: count,
    faultRow: faultRowSchema.optional(),
    endpointName: text,
    endpoint: endpointSeenSchema.nullable(),
    pricePerHourMicros: z.number(),
    instance: instanceSchema,
    alternatives: z.array(alternativeSchema).optional(),
    left: z.array(leftInstanceSchema).optional(),
    scaling: scalingSchema.optional(),
    load: load.optional(),
    concurrency: concurrencySeenSchema.optional(),
    detour: detourSchema.optional(),
    through: throughSchema.optional(),
    ask: z
      .strictObject({
        id: count.nullable(),
        about: z.enum(['step', 'budget', 'scaling']).optional(),
        step: count,
        at: time,
        isBound: z.literal(true).optional(),
        verdict: z.enum(VERDICT_STATUSES).optional(),
        terms: termsSchema.optional(),
      })
      .nullable(),
  }),
);

const met = Object.fromEntries(CRITERIA.map((name) => [name, z.boolean().optional()])) as Record<
  Exclude<(typeof CRITERIA)[number], 'calls' | 'agents' | 'refused'>,
  z.ZodOptional<z.ZodBoolean>
>;

const route = storedAs<RouteStatus>()(
  z.strictObject({
    model: text,
    phase,
    decision: z
      .strictObject({
        action: z.enum(ACTIONS),
        reason: z.enum(REASONS),
        cause: z.enum(CAUSES).optional(),
        detail: text,
        at: time,
      })
      .nullable(),
    demand: demandSchema,
    criteria: z.strictObject({
      ...CRITERIA_SHAPE,
      result: z.strictObject({
        holds: z.boolean(),
        met: z.strictObject({ ...met, calls: z.boolean(), agents: z.boolean(), refused: z.boolean() }),
      }),
    }),
    rollout: rollout.nullable(),
    outSince: time.optional(),
    windows: z.strictObject({ isOpen: z.boolean(), until: time.nullable(), untilText: text }).optional(),
    lastRollout: z
      .strictObject({
        id: text,
        phase,
        at: time,
        reason: text,
        hint: text.nullable(),
        cause: z.enum(CAUSES).optional(),
      })
      .nullable(),
    notes: z.array(text),
    traffic: trafficSchema.nullable(),
  }),
);

const lane = storedAs<LaneKey & LaneStatus>()(
  z.strictObject({
    model: text,
    provider: text,
    limit: z.number().nullable(),
    isBlocked: z.boolean(),
    isOut: z.boolean(),
    faultsInRow: z.int().min(0),
    inFlight: z.int(),
    inFlightLimit: z.number().nullable(),
    waiting: count,
    waitingAgents: count,
    breaker: breakerSchema,
    retryShare: z.number().min(0),
    noCreditsAt: time.nullable(),
    counts: z.strictObject({
      sent: count,
      refusedByUpstream: count,
      refusedHere: count,
      held: count,
      noCredits: count,
    }),
    providers: z.array(z.strictObject({ provider: text, tried: count, refused: count, faults: count })),
  }),
);

const report = storedAs<StatusReport>()(
  z.strictObject({
    version: text,
    pid: count,
    at: time,
    startedAt: time,
    gatewayPort: count,
    adminPort: count,
    timeScale: z.number().positive(),
    policy: z.strictObject({ path: text, hash: text, problem: text.nullable() }),
    account: z.strictObject({ state: z.enum(['ok', 'unchecked', 'refused']), name: text.nullable() }),
    frozen: z.strictObject({ by: text, reason: text.nullable(), at: time }).optional(),
    ledger: z.strictObject({ pending: count, lost: count, isDegraded: z.boolean(), fault: text.nullable() }),
    gateway: z.strictObject({
      inFlight: count,
      calls: count,
      ineligible: count,
      ineligibleBecause: z.partialRecord(z.enum(INELIGIBLE_REASONS), count),
      withoutToken: count,
      throughOutage: count,
      localTrouble: z.strictObject({ attempts: count, lastAt: time, error: text }).nullable(),
    }),
    routes: z.array(route),
    endpoints: z.array(text),
    lanes: z.array(lane),
  }),
);

/** Reads the row of the table `daemon_status`. Throws AppError `invalid`, which says what is wrong. */
export function readReport(status: string): StatusReport {
  return readStored(report, status, { table: 'daemon_status', row: 'column status' });
}
