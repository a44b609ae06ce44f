import { z } from 'zod';
import { CAUSES } from '../cause.ts';
import { ENDPOINT_STATES } from '../endpoint-state.ts';
import { sweepPolicySchema } from '../policy/stored.ts';
import { PHASES } from '../rollout/rollout.ts';
import { leftInstanceSchema } from '../rollout/stored.ts';
import { storedAs } from '../stored.ts';
import type { EndpointFound, SweepDecision, SweepSeen, SweptRollout } from './sweep.ts';

const time = z.number().min(0);
const text = z.string();
/** `watching` is the phase of a route without a rollout, so no rollout has it. */
const ROLLOUT_PHASES = PHASES.filter((phase) => phase !== 'watching');

const endpoint = storedAs<EndpointFound>()(
  z.strictObject({
    namespace: text,
    name: text,
    model: text,
    state: z.enum(ENDPOINT_STATES),
    tags: z.array(text),
    createdAt: time.nullable(),
    updatedAt: time.nullable(),
    pricePerHourMicros: z.number().nullable(),
  }),
);

const rollout = storedAs<SweptRollout>()(
  z.strictObject({
    id: text,
    model: text,
    endpointName: text,
    left: z.array(leftInstanceSchema).optional(),
    namespace: text,
    phase: z.enum(ROLLOUT_PHASES),
    since: time,
  }),
);

/** The input of a decision about an endpoint that no rollout uses. */
export const sweepInputSchema = storedAs<{ readonly sweep: SweepSeen }>()(
  z.strictObject({
    sweep: z.strictObject({
      now: time,
      endpoint,
      rollout: rollout.nullable(),
      ledgerId: text.nullable(),
      isIdle: z.boolean(),
      policy: sweepPolicySchema,
    }),
  }),
);

/** The output of a decision about an endpoint that no rollout uses. */
export const sweepDecisionSchema = storedAs<SweepDecision>()(
  z.strictObject({
    finding: z.enum(['foreign', 'in_use', 'idle', 'ended', 'lost', 'unknown', 'no_ledger']),
    action: z.enum(['wait', 'report_endpoint', 'pause_endpoint', 'delete_endpoint']),
    reason: z.enum(['endpoint_not_ours', 'endpoint_in_use', 'endpoint_idle', 'endpoint_orphaned', 'endpoint_unknown']),
    cause: z.enum(CAUSES).optional(),
    detail: text,
  }),
);
