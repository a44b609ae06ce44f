import type { Verdict } from '../judge/verdict.ts';
import type { Ask, ShadowFigures } from '../rollout/ask.ts';
import type { Rollout } from '../rollout/rollout.ts';
import type { Observation } from './observation.ts';
import { stepVerdict } from './rollback.ts';

type Stopped = Extract<Rollout, { phase: 'stepping' | 'holding' }>;

/** On what a step is asked about: the verdict, and for the first step the copies of the shadow stage. */
export interface Evidence {
  readonly verdict: Verdict | null;
  readonly shadow: ShadowFigures | null;
}

/** What is known for the next step. Before the first step no call was on the endpoint, so that the copies are all there is. */
export function evidenceOf(rollout: Stopped, seen: Observation): Evidence {
  if (rollout.step > 0 || rollout.toward === 'serverless') return { verdict: stepVerdict(rollout, seen), shadow: null };
  const shadow = rollout.phase === 'stepping' ? (rollout.shadow ?? null) : null;
  const isJudged = seen.verdict !== null && (shadow !== null || seen.verdict.status !== 'no data');
  return { verdict: isJudged ? seen.verdict : null, shadow };
}

/** The evidence for people; empty if there is none. */
export function evidenceText({ verdict, shadow }: Evidence): string {
  const copies = shadow === null ? null : `shadow: ${copiesText(shadow, verdict)}`;
  return [copies, verdict?.summary ?? null].filter((part) => part !== null).join('; ');
}

/** What became of the copies, for people: `7 of 208 copies failed (3.4 %), 200 pairs compared`. */
export function copiesText({ sent, ended, faults, dropped }: ShadowFigures, verdict: Verdict | null): string {
  if (sent === 0) return 'no call was copied';
  const share = ended === 0 ? '' : ` (${((faults / ended) * 100).toFixed(1)} %)`;
  const pairs = verdict === null ? '' : `, ${verdict.taken.pairs} pairs compared`;
  const open = ended === sent ? '' : `, ${sent - ended} not ended yet`;
  const left = dropped === 0 ? '' : `, ${dropped} calls were not copied`;
  return `${faults} of ${ended} copies failed${share}${pairs}${open}${left}`;
}

/**
 * Why the evidence is not the one that the question about the first step was asked with; null if it is. Further steps are asked
 * about only on a pass, and wait without one.
 */
export function changedText({ step, verdict: asked }: Ask, { verdict }: Evidence): string | null {
  if (step > 1) return null;
  const [before, now] = [asked?.status ?? 'none', verdict?.status ?? 'none'];
  if (before === now) return null;
  return `the verdict was "${before}" when it was asked and is "${now}" now${verdict === null ? '' : `: ${verdict.summary}`}`;
}
