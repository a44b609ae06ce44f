import type { Verdict } from '../judge/verdict.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { spanText } from '../text.ts';
import type { Observation } from './observation.ts';

/** An endpoint that began to work so recently may be slow because it is cold, and is said to be. */
const COLD_MS = 600_000;

/** What a failed verdict says to people. */
export function failureText(
  rollout: Extract<Rollout, { phase: 'shadowing' | 'stepping' | 'holding' }>,
  seen: Observation,
  verdict: Verdict,
): string {
  const { summary } = verdict;
  if (rollout.toward === 'serverless') return summary;
  const age = seen.now - rollout.since;
  const isEarly = rollout.phase === 'shadowing' || (rollout.phase === 'stepping' && rollout.step === 1);
  if (!isEarly || age >= COLD_MS || !isSlowAsAWhole(verdict)) return summary;
  const what = rollout.phase === 'shadowing' ? 'copies' : 'live traffic';
  return `${summary}; it has had ${what} for ${spanText(age)} only and may still have been cold: a later rollout may do better`;
}

/** Beyond this share of slow calls they are not a few any more. */
const MANY_SLOW = 0.2;

/** A few slow calls, or some that never end, are no sign of a cold endpoint: that is slow in all it does. */
function isSlowAsAWhole({ cause, metrics }: Verdict): boolean {
  if (cause !== 'tail') return cause === 'speed' || cause === 'firstToken' || cause === 'perToken';
  const tail = metrics.find(({ metric }) => metric === 'tail');
  if ((tail?.canary ?? 0) >= MANY_SLOW) return true;
  const speed = metrics.find(({ metric }) => metric === 'speed');
  if (speed === undefined || speed.stable === null || speed.canary === null) return false;
  return speed.canary > speed.stable * (1 + speed.margin);
}
