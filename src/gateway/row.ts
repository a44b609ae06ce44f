import type { Call, Outcome } from '../core/call.ts';
import type { CallKind } from '../core/route.ts';
import type { Attempt } from './attempt/attempt.ts';
import type { Delivery } from './attempt/delivery.ts';
import type { Assignment } from './request/assignment.ts';

/** All that is known of a call when it ends. */
interface Ending {
  readonly arrivedAtUs: number;
  readonly endedAtUs: number;
  readonly kind: CallKind;
  /** Null where the call ended before it was assigned. */
  readonly assignment: Assignment | null;
  readonly attempts: readonly Attempt[];
  /** The answer that was being passed on; null where none was, or the gateway made its own. */
  readonly delivery: Delivery | null;
  /** Whether the client got, or is about to get, the upstream's status. */
  readonly isVisible: boolean;
  /** The status of the gateway's own answer; 0 where it made none. */
  readonly madeStatus: number;
  readonly outcome: Outcome;
  readonly finalOutcome: Outcome;
  readonly hasClientLeft: boolean;
  readonly hasShadow: boolean;
  readonly requestBytes: number;
}

/** What the ledger keeps of a call. */
export function toRow(ending: Ending): Call {
  const { assignment, arrivedAtUs, delivery, attempts } = ending;
  const arrival = assignment === null ? null : assignment.arrival;
  const served = ending.isVisible ? delivery : null;
  const usage = delivery === null ? null : delivery.usage;
  return {
    arrivedAtUs,
    durationUs: ending.endedAtUs - arrivedAtUs,
    model: arrival === null ? null : arrival.model,
    shape: arrival === null ? ending.kind : arrival.shape,
    agent: arrival === null ? '' : arrival.agent,
    isAgentDerived: arrival === null || arrival.isAgentDerived,
    rolloutId: arrival === null ? null : arrival.rolloutId,
    step: arrival === null ? 0 : arrival.step,
    weight: arrival === null ? 0 : arrival.weight,
    role: arrival === null ? null : arrival.role,
    isEligible: arrival !== null && arrival.isEligible,
    servedBy: served === null ? null : (attempts.at(-1) as Attempt).upstream,
    provider: delivery === null ? null : delivery.provider,
    status: served === null ? ending.madeStatus : served.status,
    outcome: ending.outcome,
    finalOutcome: ending.finalOutcome,
    hasClientLeft: ending.hasClientLeft,
    hasNoToken: arrival !== null && arrival.hasNoToken,
    firstByteUs: delivery === null ? null : delivery.firstByteAtUs - arrivedAtUs,
    firstTokenUs: delivery === null || delivery.firstTokenAtUs === null ? null : delivery.firstTokenAtUs - arrivedAtUs,
    promptTokens: usage === null ? null : usage.promptTokens,
    outputTokens: usage === null ? null : usage.outputTokens,
    requestBytes: ending.requestBytes,
    responseBytes: delivery === null ? 0 : delivery.sentBytes,
    repeatOfUs: assignment === null ? null : assignment.repeatOfUs,
    hasShadow: ending.hasShadow,
    waitedUs: arrival === null ? 0 : arrival.waitedUs,
    ...(arrival?.isWayBack === true && { isWayBack: true }),
    attempts: attempts.map((attempt) => attempt.toRow(arrivedAtUs)),
  };
}
