import { knownAfterUs } from './call.ts';
import type { Call, Shadow } from './call.ts';
import type { JudgedCall } from './verdict.ts';

/** An ended call as the judge takes it; null where it takes no part. The ledger gives the same, bit for bit. */
export function judgedCall(call: Call): JudgedCall | null {
  if (call.role === null || !call.isEligible) return null;
  const [first] = call.attempts;
  return {
    arrivedAtUs: call.arrivedAtUs,
    role: call.role,
    step: call.step,
    weight: call.weight,
    outcome: call.outcome,
    knownAfterUs: first === undefined ? call.durationUs : knownAfterUs(first),
    durationUs: call.durationUs,
    firstTokenUs: call.firstTokenUs,
    promptTokens: call.promptTokens,
    outputTokens: call.outputTokens,
  };
}

/** The canary's half of a pair of the shadow stage. */
export function judgedShadow(shadow: Shadow): JudgedCall {
  const { rolloutId: _, status: __, firstByteUs: ___, ...kept } = shadow;
  return { ...kept, role: 'canary', step: 0, weight: 0 };
}
