import type { Call, CallKey } from '../core/call.ts';
import type { CallKind } from '../core/route.ts';
import type { Attempt } from './attempt/attempt.ts';
import type { Ending } from './ending.ts';
import type { Learned } from './form/forms.ts';
import type { Assignment } from './request/assignment.ts';

/** A request that ended before it was assigned: it was refused, its client left, or the gateway was shut down. */
export interface Unassigned extends CallKey {
  readonly kind: CallKind;
  readonly requestBytes: number;
}

/** A call that was assigned, and the attempts that were made. */
export interface Served {
  readonly assignment: Assignment;
  readonly attempts: readonly Attempt[];
  readonly hasShadow: boolean;
}

/** The ledger's row of a request that was never assigned. `endedAtUs`: epoch µs. */
export function unassignedRow(
  { gatewayId, arrivedAtUs, kind, requestBytes }: Unassigned,
  { outcome, status, hasClientLeft }: Ending,
  endedAtUs: number,
): Call {
  return {
    gatewayId,
    arrivedAtUs,
    durationUs: endedAtUs - arrivedAtUs,
    model: null,
    shape: kind,
    agent: '',
    isAgentDerived: true,
    rolloutId: null,
    step: 0,
    weight: 0,
    role: null,
    isEligible: false,
    servedBy: null,
    provider: null,
    status,
    outcome,
    finalOutcome: outcome,
    hasClientLeft,
    hasNoToken: false,
    firstByteUs: null,
    firstTokenUs: null,
    promptTokens: null,
    outputTokens: null,
    isEmpty: null,
    form: null,
    requestBytes,
    responseBytes: 0,
    repeatOfUs: null,
    hasShadow: false,
    waitedUs: 0,
    attempts: [],
  };
}

/** What is known of a call once it has ended. */
interface CallEnd extends Learned {
  /** Epoch µs. */
  readonly endedAtUs: number;
  readonly requestBytes: number;
}

/** The ledger's row of a call that was assigned. */
export function callRow(
  { assignment, attempts, hasShadow }: Served,
  { outcome, status, servedBy, delivery, hasClientLeft }: Ending,
  { endedAtUs, requestBytes, form, agreement }: CallEnd,
): Call {
  const { arrival, repeatOfUs } = assignment;
  const { gatewayId, arrivedAtUs } = arrival;
  const usage = delivery === null ? null : delivery.usage;
  const [first] = attempts;
  return {
    gatewayId,
    arrivedAtUs,
    durationUs: endedAtUs - arrivedAtUs,
    model: arrival.model,
    shape: arrival.shape,
    agent: arrival.agent,
    isAgentDerived: arrival.isAgentDerived,
    rolloutId: arrival.rolloutId,
    step: arrival.step,
    weight: arrival.weight,
    role: arrival.role,
    isEligible: arrival.isEligible,
    ...(arrival.ineligibleReason !== undefined && { ineligibleReason: arrival.ineligibleReason }),
    servedBy,
    provider: delivery === null ? null : delivery.provider,
    status,
    outcome: first === undefined || first.outcome === null ? outcome : first.outcome,
    finalOutcome: outcome,
    hasClientLeft,
    hasNoToken: arrival.hasNoToken,
    firstByteUs: delivery === null ? null : delivery.firstByteAtUs - arrivedAtUs,
    firstTokenUs: delivery === null || delivery.firstTokenAtUs === null ? null : delivery.firstTokenAtUs - arrivedAtUs,
    promptTokens: usage === null ? null : usage.promptTokens,
    outputTokens: usage === null ? null : usage.outputTokens,
    isEmpty: delivery === null || outcome !== 'ok' ? null : delivery.isEmpty,
    form,
    ...(agreement !== null && { agreement }),
    requestBytes,
    responseBytes: delivery === null ? 0 : delivery.sentBytes,
    repeatOfUs,
    hasShadow,
    waitedUs: arrival.waitedUs,
    ...(arrival.unit !== undefined && { unit: arrival.unit }),
    ...(arrival.isWayBack === true && { isWayBack: true }),
    ...(arrival.isThroughOutage === true && { isThroughOutage: true }),
    ...(arrival.wasOut === true && { wasOut: true }),
    ...(arrival.wasFull === true && { wasFull: true }),
    ...(arrival.isOverflow === true && { isOverflow: true }),
    attempts: attempts.map((attempt) => attempt.toRow(arrivedAtUs)),
  };
}
