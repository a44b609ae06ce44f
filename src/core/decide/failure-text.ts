import type { Verdict } from '../judge/verdict.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { spanText } from '../text.ts';
import { withQuestion } from './form-question.ts';
import type { Observation } from './observation.ts';

/** An endpoint that has had traffic for less than this time may be slow because it is cold. */
const COLD_MS = 600_000;

/** A failed verdict in one sentence, for people. It adds that the endpoint may have been cold, if that is possible. */
export function failureText(
  rollout: Extract<Rollout, { phase: 'shadowing' | 'stepping' | 'holding' }>,
  seen: Observation,
  verdict: Verdict,
): string {
  const summary = withQuestion(rollout, seen, verdict);
  if (rollout.toward === 'serverless') return summary;
  const age = seen.now - rollout.since;
  const isEarly = rollout.phase === 'shadowing' || (rollout.phase === 'stepping' && rollout.step === 1);
  if (!isEarly || age >= COLD_MS || !isSlowAsAWhole(verdict)) return summary;
  const what = rollout.phase === 'shadowing' ? 'copies' : 'live traffic';
  return `${summary}; the endpoint had ${what} for only ${spanText(age)} and may still have been cold: a later rollout may pass`;
}

/** If more than this share of calls is slow, the endpoint counts as slow as a whole. */
const MANY_SLOW = 0.2;

/** Whether most calls are slow. A cold endpoint answers all calls slowly; a few slow calls have another cause. */
function isSlowAsAWhole({ cause, metrics }: Verdict): boolean {
  if (cause !== 'tail') return cause === 'speed' || cause === 'firstToken' || cause === 'perToken';
  const tail = metrics.find(({ metric }) => metric === 'tail');
  if ((tail?.canary ?? 0) >= MANY_SLOW) return true;
  const speed = metrics.find(({ metric }) => metric === 'speed');
  if (speed === undefined || speed.stable === null || speed.canary === null) return false;
  return speed.canary > speed.stable * (1 + speed.margin);
}
