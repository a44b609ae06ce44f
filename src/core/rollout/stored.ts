import { z } from 'zod';
import { CAUSES } from '../cause.ts';
import { profileSchema, verdictSchema } from '../judge/stored.ts';
import { scalingSchema } from '../scaling/stored.ts';
import { instanceSchema } from '../sizing/stored.ts';
import { readStored, storedAs } from '../stored.ts';
import type { Ask, SaidCost, ShadowFigures, Terms } from './ask.ts';
import type { RolloutEvent } from './event.ts';
import { LEFT_FOR } from './instances.ts';
import type { Alternative, LeftInstance } from './instances.ts';
import type { Closings } from './closings.ts';
import type { Pause } from './pauses.ts';
import type { Detour, ProposedRollout, Rollout, Through, WarmEndpoint, WayBack } from './rollout.ts';

const time = z.number().min(0);
const step = z.int().min(0);
const count = z.int().min(0);
const text = z.string();
const about = z.enum(['step', 'budget', 'scaling']);
const outcome = z.enum(['aborted', 'failed', 'returned']);

/** The schema of an endpoint that has answered warm-up calls. */
export const warmEndpointSchema = storedAs<WarmEndpoint>()(
  z.strictObject({ url: text, servedModel: text, shapes: z.array(text), contextTokens: count.optional() }),
);

const wayBack = storedAs<WayBack>()(
  z.strictObject({ replaces: text, endpoint: warmEndpointSchema, profile: profileSchema, runsSince: time }),
);

/** The schema of the figures of the shadow stage. */
export const shadowFiguresSchema = storedAs<ShadowFigures>()(
  z.strictObject({ sent: count, ended: count, faults: count, dropped: count }),
);

const saidCost = storedAs<SaidCost>()(z.strictObject({ micros: z.number(), at: time }));

/** The schema of what a rollout leads to. */
export const termsSchema = storedAs<Terms>()(
  z.strictObject({
    monthMicros: z.number(),
    serverlessMonthMicros: z.number().nullable(),
    serverlessBefore: saidCost.optional(),
    presentMonthMicros: z.number().optional(),
    likelyMs: time.nullable(),
  }),
);

const ask = storedAs<Ask>()(
  z.strictObject({
    about: about.optional(),
    step,
    at: time,
    verdict: verdictSchema.nullable(),
    shadow: shadowFiguresSchema.optional(),
    terms: termsSchema.optional(),
    scaling: scalingSchema.optional(),
    approvals: z.array(z.strictObject({ uid: count, by: text })).optional(),
  }),
);

/** The schema of an instance that an approval covers. */
export const alternativeSchema = storedAs<Alternative>()(
  z.strictObject({ instance: instanceSchema, pricePerHourMicros: z.number() }),
);

const cause = z.enum(LEFT_FOR);

/** The schema of an instance that could not be had. */
export const leftInstanceSchema = storedAs<LeftInstance>()(
  z.strictObject({ instance: text, endpointName: text, cause, message: text, at: time }),
);

const saidBy = { by: text, reason: text.nullable() };

const fixed = {
  id: text,
  model: text,
  policyHash: text,
  toward: z.enum(['serverless', 'dedicated']),
  createdAt: time,
  endpointName: text,
  namespace: text,
  pricePerHourMicros: z.number(),
  instance: instanceSchema,
  alternatives: z.array(alternativeSchema).optional(),
  left: z.array(leftInstanceSchema).optional(),
  criteriaSince: time,
  proposedBy: z.strictObject(saidBy).optional(),
  wayBack: wayBack.optional(),
  budget: z.array(z.strictObject({ budget: text, mark: z.enum(['warned', 'asked', 'extended']) })).optional(),
};
const abortedBy = z.strictObject({ ...saidBy, at: time });
const pause = storedAs<Pause>()(z.strictObject({ from: time, until: time.optional() }));
const closings = storedAs<Closings>()(
  z.strictObject({ isClosed: z.boolean(), at: time, inStep: time, inRollout: time }),
);
const base = {
  ...fixed,
  isPaused: z.boolean(),
  pausedBy: z.strictObject(saidBy).optional(),
  isFrozen: z.boolean().optional(),
  pauses: z.array(pause).optional(),
  closings: closings.optional(),
  abortedBy: abortedBy.optional(),
  ask: ask.nullable(),
  serverlessMonth: saidCost.optional(),
  overruled: z.strictObject({ ...saidBy, step }).optional(),
  since: time,
};

/** The schema of a detour. */
export const detourSchema = storedAs<Detour>()(
  z.discriminatedUnion('why', [
    z.strictObject({ why: z.literal('rescale'), since: time, scaling: scalingSchema, bridgedBefore: count }),
    z.strictObject({ why: z.literal('sleep'), since: time, bridgedBefore: count, wokenAt: time.optional() }),
  ]),
);

/** The schema of an outage through which the endpoint takes the calls of serverless. */
export const throughSchema = storedAs<Through>()(z.strictObject({ since: time, by: text }));

const judged = { startedAt: time, endpoint: warmEndpointSchema, profile: profileSchema };
const over = { reason: text, hint: text.nullable(), cause: z.enum(CAUSES).optional() };

/** The schema of a rollout's stored snapshot. */
export const rolloutSchema = storedAs<Rollout>()(
  z.discriminatedUnion('phase', [
    z.strictObject({ ...base, phase: z.literal('proposed') }),
    z.strictObject({
      ...base,
      phase: z.literal('provisioning'),
      startedAt: time,
      isMade: z.boolean(),
      isLeaving: z.literal(true).optional(),
    }),
    z.strictObject({ ...base, phase: z.literal('warming'), startedAt: time, url: text }),
    z.strictObject({ ...base, ...judged, phase: z.literal('shadowing') }),
    z.strictObject({
      ...base,
      ...judged,
      phase: z.literal('stepping'),
      step,
      shadow: shadowFiguresSchema.optional(),
      through: throughSchema.optional(),
    }),
    z.strictObject({ ...base, ...judged, phase: z.literal('holding'), step, through: throughSchema.optional() }),
    z.strictObject({
      ...base,
      phase: z.literal('promoted'),
      startedAt: time,
      step,
      endpoint: warmEndpointSchema,
      detour: detourSchema.optional(),
      scaling: scalingSchema.optional(),
      rescaledAt: time.optional(),
      granted: scalingSchema.optional(),
    }),
    z.strictObject({ ...base, ...over, phase: z.literal('draining'), outcome }),
    z.strictObject({ ...base, ...over, phase: outcome }),
  ]),
);

const requested = { by: text, reason: text.nullable() };

/** The schema of a rollout's stored event. */
export const eventSchema = storedAs<RolloutEvent>()(
  z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('proposed'),
      rollout: storedAs<ProposedRollout>()(z.strictObject(fixed)),
    }),
    z.strictObject({
      type: z.literal('asked'),
      about: about.optional(),
      step,
      verdict: verdictSchema.nullable(),
      shadow: shadowFiguresSchema.optional(),
      terms: termsSchema.optional(),
      scaling: scalingSchema.optional(),
    }),
    z.strictObject({ type: z.literal('ask_withdrawn'), about: about.optional(), step, reason: text }),
    z.strictObject({
      type: z.literal('approved'),
      about: about.optional(),
      step,
      overEvidence: z.literal(true).optional(),
      ...requested,
    }),
    z.strictObject({ type: z.literal('approval_added'), about: about.optional(), step, uid: count, ...requested }),
    z.strictObject({ type: z.enum(['budget_warned', 'budget_asked', 'budget_extended']), budget: text }),
    z.strictObject({ type: z.literal('provisioning_started') }),
    z.strictObject({ type: z.literal('endpoint_made'), state: text }),
    z.strictObject({ type: z.literal('instance_left'), instance: text, cause, message: text }),
    z.strictObject({
      type: z.literal('instance_next'),
      endpointName: text,
      instance: instanceSchema,
      pricePerHourMicros: z.number(),
    }),
    z.strictObject({ type: z.literal('endpoint_ready'), url: text }),
    z.strictObject({
      type: z.literal('warmed'),
      endpoint: warmEndpointSchema,
      failed: z.array(text),
      profile: profileSchema,
      next: z.enum(['shadowing', 'stepping']),
    }),
    z.strictObject({
      type: z.literal('shadow_ended'),
      verdict: verdictSchema.nullable(),
      shadow: shadowFiguresSchema.optional(),
    }),
    z.strictObject({
      type: z.literal('step_entered'),
      step,
      weight: z.number().min(0).max(1),
      phase: z.enum(['stepping', 'holding']),
    }),
    z.strictObject({ type: z.literal('promoted') }),
    z.strictObject({ type: z.literal('outage_bridged'), since: time, ...requested }),
    z.strictObject({ type: z.literal('outage_over') }),
    z.discriminatedUnion('why', [
      z.strictObject({
        type: z.literal('detour_began'),
        why: z.literal('rescale'),
        scaling: scalingSchema,
        bridgedBefore: count,
      }),
      z.strictObject({ type: z.literal('detour_began'), why: z.literal('sleep'), bridgedBefore: count }),
    ]),
    z.strictObject({ type: z.literal('waking') }),
    z.strictObject({
      type: z.literal('detour_ended'),
      outcome: z.enum(['done', 'given_up']),
      bridged: count,
      pricePerHourMicros: z.number().nullable(),
    }),
    z.strictObject({ type: z.literal('paused'), ...requested }),
    z.strictObject({ type: z.literal('resumed'), ...requested }),
    z.strictObject({ type: z.literal('frozen'), ...requested }),
    z.strictObject({ type: z.literal('thawed') }),
    z.strictObject({ type: z.enum(['window_closed', 'window_opened']) }),
    z.strictObject({ type: z.literal('released'), ...requested }),
    z.strictObject({ type: z.literal('draining'), outcome, ...over, by: z.strictObject(saidBy).optional() }),
    z.strictObject({ type: z.literal('ended'), outcome, ...over, by: z.strictObject(saidBy).optional() }),
  ]),
);

/** Reads a snapshot of the table `rollouts`. Throws AppError `invalid`, which says what is wrong. */
export function readRollout({ id, snapshot }: { readonly id: string; readonly snapshot: string }): Rollout {
  return readStored(rolloutSchema, snapshot, { table: 'rollouts', row: `${id}, column snapshot` });
}

/**
 * Reads rows of the table `rollouts`. A row that cannot be read is handed to `leaveOut`, with the AppError `invalid`, and
 * left out, unless `leaveOut` throws.
 */
export function readRollouts<R extends { readonly id: string; readonly snapshot: string }>(
  rows: readonly R[],
  leaveOut: (row: R, error: unknown) => void,
): Rollout[] {
  return rows.flatMap((row) => {
    try {
      return [readRollout(row)];
    } catch (error) {
      leaveOut(row, error);
      return [];
    }
  });
}

/** Reads an event of the table `events`. Throws AppError `invalid`, which says what is wrong. */
export function readEvent({ id, data }: { readonly id: number; readonly data: string }): RolloutEvent {
  return readStored(eventSchema, data, { table: 'events', row: `${id}, column data` });
}
