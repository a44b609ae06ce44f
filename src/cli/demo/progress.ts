import type { RoutePolicy } from '../../core/policy/policy.ts';
import type { Phase } from '../../core/rollout/rollout.ts';
import { MINUTE_MS, SECOND_MS } from '../../core/time.ts';

/** Clock time for which the traffic goes on after the end, so that what came of it is seen under traffic. */
export const AFTERMATH_MS = 3 * MINUTE_MS;
/** How long the simulated endpoint needs until it runs, and until it is warm. */
const PROVISIONING_MS = 2 * MINUTE_MS;
const WARMING_MS = MINUTE_MS;
/** Serverless refuses its first call once its first window of five minutes is used up. */
const FIRST_REFUSAL_MS = 3 * MINUTE_MS;
/** The first step has few calls, so that its evidence takes longer than `limits.bake`. */
const FIRST_STEP_MS = 11 * MINUTE_MS;
/** From a question to its answer, and to the next step. */
const ANSWER_MS = MINUTE_MS;
/** A part that takes longer than expected is taken to last so much longer. */
const LEAST_LEFT_MS = MINUTE_MS / 2;

/** Where a run is. `since`: when this phase, or this step of it, began; epoch ms of clock time, as `now`. */
export interface Stand {
  readonly phase: Phase;
  readonly step: number;
  readonly since: number;
}

/**
 * The clock ms until a run ends, if it is promoted and nothing holds it up: a promotion is the last of the ends that a run
 * may have, except for holding.
 */
export function expectedLeft(
  { phase, step, since }: Stand,
  policy: Pick<RoutePolicy, 'criteria' | 'shadow' | 'limits' | 'holdBack' | 'steps'>,
  now: number,
): number {
  const { criteria, shadow, limits, holdBack, steps } = policy;
  const parts: readonly (readonly [Phase, number])[] = [
    ['watching', criteria.window + FIRST_REFUSAL_MS + criteria.sustain],
    ['proposed', ANSWER_MS],
    ['provisioning', PROVISIONING_MS],
    ['warming', WARMING_MS],
    ...(shadow.share > 0 ? [['shadowing', shadow.time] as const] : []),
    ...steps.slice(1).map((_, i) => {
      return ['stepping', ANSWER_MS + (i === 0 ? Math.max(FIRST_STEP_MS, limits.bake) : limits.bake)] as const;
    }),
    ['holding', ANSWER_MS + Math.max(limits.bake, holdBack.time)],
    ['promoted', AFTERMATH_MS],
  ];
  const first = parts.findIndex(([name]) => name === phase);
  // Nothing but the aftermath follows a rollback.
  if (first < 0) return Math.max(LEAST_LEFT_MS, AFTERMATH_MS - (now - since));
  const at = phase === 'stepping' ? first + Math.max(0, step - 1) : first;
  const [, expected] = parts[at] as readonly [Phase, number];
  const rest = parts.slice(at + 1).reduce((sum, [, ms]) => sum + ms, 0);
  return Math.max(LEAST_LEFT_MS, expected - (now - since)) + rest;
}

/** Real ms as `about 1 min 40 s left`, in steps of five seconds. */
export function leftText(ms: number): string {
  const seconds = Math.max(5, Math.round(ms / SECOND_MS / 5) * 5);
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60];
  const parts = [...(minutes > 0 ? [`${minutes} min`] : []), ...(rest > 0 ? [`${rest} s`] : [])];
  return `about ${parts.join(' ')} left`;
}
