import { z } from 'zod';
import { CAUSES } from '../cause.ts';
import { FIGURES } from '../criteria/criteria.ts';
import type { DemandFigures, NearMiss } from '../criteria/criteria.ts';
import { ENDPOINT_STATES } from '../endpoint-state.ts';
import { ERROR_CODES } from '../errors.ts';
import { FAULT_KINDS } from '../fault-kind.ts';
import type { FaultRow } from '../fault-kind.ts';
import { profileSchema, verdictSchema } from '../judge/stored.ts';
import type { Spending } from '../money/spending.ts';
import { backSchema, budgetSchema, routePolicySchema } from '../policy/stored.ts';
import type { Rollout } from '../rollout/rollout.ts';
import type { RoleFigures, StepFigures } from '../rollout/step-figures.ts';
import {
  alternativeSchema,
  eventSchema,
  rolloutSchema,
  shadowFiguresSchema,
  warmEndpointSchema,
} from '../rollout/stored.ts';
import { concurrencySeenSchema, scalingSchema } from '../scaling/stored.ts';
import { instanceSchema } from '../sizing/stored.ts';
import { storedAs } from '../stored.ts';
import type { Costs, TrafficFigures } from '../worth/traffic-history.ts';
import { ACTIONS, REASONS, RESULTS } from './decision.ts';
import type { Decision } from './decision.ts';
import { REQUEST_KINDS } from './observation.ts';
import type { BackSeen, EffectResult, EndpointSeen, Observation, OperatorRequest, Survey } from './observation.ts';

const time = z.number().min(0);
const count = z.int().min(0);
const amount = z.number().min(0);
const share = z.number().min(0).max(1);
const micros = z.number();
const text = z.string();

const effect = z.enum(['survey', 'ensure', 'warm', 'learn', 'pause', 'delete', 'rescale', 'sleep', 'wake']);

const effectResult = storedAs<EffectResult>()(
  z.strictObject({
    effect,
    at: time,
    problem: z.strictObject({ code: z.enum(ERROR_CODES), message: text, hint: text.nullable() }).nullable(),
    warmed: z.strictObject({ endpoint: warmEndpointSchema, failed: z.array(text), profile: profileSchema }).optional(),
    learned: profileSchema.optional(),
  }),
);

const survey = storedAs<Survey>()(
  z.strictObject({
    at: time,
    pricePerHourMicros: micros.nullable(),
    expectedPerHourMicros: micros.nullable(),
    problem: text.nullable(),
    hint: text.nullable(),
    instance: instanceSchema.nullable(),
    alternatives: z.array(alternativeSchema).optional(),
  }),
);

/** The schema of an endpoint's reading. */
export const endpointSeenSchema = storedAs<EndpointSeen>()(
  z.strictObject({
    at: time,
    state: z.enum(['absent', ...ENDPOINT_STATES]),
    url: text.nullable(),
    foreignUrl: text.optional(),
    isHealthy: z.boolean(),
    health: z.strictObject({ status: count.nullable(), said: text, since: time }).optional(),
    badReadings: count,
    isOurs: z.boolean(),
    message: text.nullable(),
    readyReplica: count.nullable(),
    targetReplica: count.nullable(),
    scaling: scalingSchema.nullable(),
  }),
);

const requestKind = z.enum(REQUEST_KINDS);
const said = { by: text, reason: text.nullable(), at: time };
const request = storedAs<OperatorRequest>()(
  z.strictObject({
    id: count,
    kind: requestKind,
    rolloutId: text.nullable(),
    askId: z.int().nullable(),
    step: count.nullable(),
    reason: text.nullable(),
    by: text,
    uid: count,
    withdrawnBy: z.strictObject({ kind: requestKind, by: text }).optional(),
  }),
);

/** The schema of how near the criteria came. */
export const nearMissSchema = storedAs<NearMiss>()(
  z.strictObject({ figure: z.enum(FIGURES), peak: z.number(), limit: z.number(), heldMs: amount }),
);

const demand = {
  calls: count,
  agents: count,
  derivedAgents: count,
  refused: count,
  refusedShare: amount,
  kinds: z.strictObject({ clients: count, here: count, delayed: count }).optional(),
  near: nearMissSchema.optional(),
  served: z
    .strictObject({
      answered: count,
      failed: count,
      p50: amount.nullable(),
      p95: amount.nullable(),
      p99: amount.nullable(),
    })
    .optional(),
  costs: z.strictObject({ serverlessPerHourMicros: micros, dedicatedPerHourMicros: micros }).nullable().optional(),
};

/** The schema of a window's figures, with the time since when the criteria hold. */
export const demandSchema = storedAs<DemandFigures & { readonly holdsSince: number | null }>()(
  z.strictObject({ ...demand, holdsSince: time.nullable() }),
);

const role = storedAs<RoleFigures>()(
  z.strictObject({
    assigned: count,
    decided: count,
    faults: count,
    refused: count,
    saturated: count,
    rejected: count,
    left: count,
    servedElsewhere: count,
    p50: amount.nullable(),
    p95: amount.nullable(),
    ttftP50: amount.nullable(),
    ttftP95: amount.nullable(),
  }),
);

/** The schema of the figures of both roles of a step. */
export const stepFiguresSchema = storedAs<StepFigures>()(z.strictObject({ step: count, stable: role, canary: role }));

/** The schema of a route's whole traffic. */
export const trafficSchema = storedAs<TrafficFigures>()(
  z.strictObject({ calls: count, p95: amount, belowSince: time.nullable(), knownSince: time }),
);

const back = storedAs<BackSeen>()(
  z.strictObject({
    policy: backSchema,
    refusedMost: share,
    traffic: trafficSchema.nullable(),
    slo: z
      .strictObject({
        calls: count,
        slowShare: share.nullable(),
        availability: share,
        missedSince: time.nullable(),
      })
      .nullable(),
    serverlessLimit: amount.nullable(),
  }),
);

const spending = storedAs<Spending>()(
  z.strictObject({ hourMicros: micros, dayMicros: micros, rolloutMicros: micros, ratePerHourMicros: micros, at: time }),
);

const costs = storedAs<Costs>()(
  z.strictObject({
    serverlessPerHourMicros: micros,
    dedicatedPerHourMicros: micros,
    breakEvenCallsPerMinute: amount,
  }),
);

/** The schema of faults in a row. */
export const faultRowSchema = storedAs<FaultRow>()(
  z.strictObject({ kinds: z.partialRecord(z.enum(FAULT_KINDS), count), lastAt: time }),
);

/** The schema of an observation, as it is stored with its decision. */
const observationSchema = storedAs<Observation>()(
  z.strictObject({
    now: time,
    model: text,
    policy: routePolicySchema,
    policyHash: text,
    newPolicyHash: text.nullable(),
    account: z.enum(['ok', 'unchecked', 'refused']),
    demand: demandSchema,
    outage: z.strictObject({ since: time, until: time }).optional(),
    lastEndedAt: time.nullable(),
    lastToward: z.enum(['serverless', 'dedicated']).nullable(),
    survey: survey.nullable(),
    spending: spending.nullable(),
    budget: z.strictObject({ file: budgetSchema, rollbackMs: amount }),
    next: z.strictObject({ rolloutId: text, endpointName: text }),
    endpoint: endpointSeenSchema.nullable(),
    effects: z.array(effect),
    results: z.partialRecord(effect, effectResult),
    figures: stepFiguresSchema.nullable(),
    verdict: verdictSchema.nullable(),
    shadow: shadowFiguresSchema.nullable(),
    canaryFaultsInRow: count,
    endpointFaultsInRow: count,
    canaryFaultRow: faultRowSchema.optional(),
    endpointFaultRow: faultRowSchema.optional(),
    endpointAnsweredAt: time.optional(),
    lastCallAt: time.optional(),
    stableRecent: z.strictObject({
      attempts: count,
      faults: count,
      connectFailures: count,
      callers: count.optional(),
      denied: count.optional(),
      faultsInRow: count.optional(),
    }),
    isDrained: z.boolean(),
    request: request.nullable(),
    frozen: z.strictObject(said).optional(),
    closed: z.strictObject({ until: time.nullable(), opens: text }).optional(),
    held: z.strictObject({ ...said, rolloutId: text, toward: z.enum(['serverless', 'dedicated']) }).optional(),
    concurrency: concurrencySeenSchema.optional(),
    serverlessLimit: amount.nullable().optional(),
    endpointFullAt: amount.optional(),
    openAskId: count.nullable(),
    shapes: z.array(text),
    costs: costs.nullable(),
    back: back.nullable(),
  }),
);

/** What `decide` was called with. */
export interface DecisionInput {
  readonly rollout: Rollout | null;
  readonly observation: Observation;
}

/** The schema of a stored decision's input. */
export const decisionInputSchema = storedAs<DecisionInput>()(
  z.strictObject({ rollout: rolloutSchema.nullable(), observation: observationSchema }),
);

/** The schema of a stored decision's output. */
export const decisionSchema = storedAs<Decision>()(
  z.strictObject({
    action: z.enum(ACTIONS),
    reason: z.enum(REASONS),
    cause: z.enum(CAUSES).optional(),
    detail: text,
    verdict: verdictSchema.nullable(),
    events: z.array(eventSchema),
    effect: effect.nullable(),
    outcome: z.strictObject({ requestId: count, result: z.enum(RESULTS), message: text }).nullable(),
    replaced: z.strictObject({ rolloutId: text, event: eventSchema }).optional(),
  }),
);
