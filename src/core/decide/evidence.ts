import { isTwoSided } from '../judge/form-sentence.ts';
import { metricName } from '../judge/sentence.ts';
import type { MetricVerdict, Verdict } from '../judge/verdict.ts';
import { isShare } from '../policy/judge.ts';
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
  const pairs = verdict === null ? '' : `, ${verdict.taken.pairs} pair${verdict.taken.pairs === 1 ? '' : 's'} compared`;
  const open = ended === sent ? '' : `, ${sent - ended} not ended yet`;
  const left = dropped === 0 ? '' : `, ${dropped === 1 ? '1 call was' : `${dropped} calls were`} not copied`;
  return `${faults} of ${ended} copies failed${share}${pairs}${open}${left}`;
}

/**
 * Why the evidence is not the one that the question about a step was asked with; null if it is. Before the first step the status
 * of the verdict must be the same; further steps are asked about only on a pass, and wait without one. A figure that may by now
 * be clearly worse than was shown is new evidence at any step.
 */
export function changedText({ step, verdict: asked }: Ask, { verdict }: Evidence): string | null {
  const [before, now] = [asked?.status ?? 'none', verdict?.status ?? 'none'];
  if (step > 1 || before === now) return worseText(asked, verdict);
  return `the verdict was "${before}" when it was asked and is "${now}" now${verdict === null ? '' : `: ${verdict.summary}`}`;
}

/** If the worst that a figure may be has risen by more than this share of its margin, it is news. */
const NEWS_SHARE = 0.2;

function worseText(asked: Verdict | null, now: Verdict | null): string | null {
  for (const metric of now?.metrics ?? []) {
    const before = asked?.metrics.find((one) => one.metric === metric.metric);
    const [was, is] = [worstOf(before), worstOf(metric)];
    // The range of prompt tokens is of single prompts; whether they differ is in the verdict's cause.
    if (
      metric.judge === 'advise' ||
      metric.metric === 'promptTokens' ||
      was === null ||
      is === null ||
      is <= was + NEWS_SHARE * metric.margin
    )
      continue;
    const text = (value: number) => `+${(value * 100).toFixed(2)} ${isShare(metric.metric) ? 'points' : '%'}`;
    return `${metricName(metric.metric)}: up to ${text(is)} now, up to ${text(was)} when it was asked (limit ${text(metric.margin)})`;
  }
  return null;
}

/**
 * The worst that a figure may be with 95 % certainty; null if that is not known. Answers may be too long or too short, and some
 * shares too large or too small.
 */
function worstOf(metric: MetricVerdict | undefined): number | null {
  if (metric === undefined || metric.high === null || metric.low === null) return null;
  return metric.metric === 'length' || isTwoSided(metric.metric) ? Math.max(metric.high, -metric.low) : metric.high;
}
