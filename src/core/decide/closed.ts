import type { Ask } from '../rollout/ask.ts';
import { closedMs, waitsForWindows } from '../rollout/closings.ts';
import { unpausedMs } from '../rollout/pauses.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { longText } from '../sweep/sweep.ts';
import { decision, refuse } from './decision.ts';
import type { Decision } from './decision.ts';
import type { Observation, OperatorRequest } from './observation.ts';
import { presentScaling } from './present-scaling.ts';

/** Until when no change may be made, for people: `closed until Tue 09:00 Europe/Berlin (in 14.0 h)`. */
export function closedText(closed: NonNullable<Observation['closed']>, now: number): string {
  const { until, opens } = closed;
  return `closed until ${opens}${until === null ? '' : ` (in ${longText(until - now)})`}`;
}

/** The decision to wait for a change window with what `text` says; null if one is open. */
export function waitClosed(
  { closed, now }: Observation,
  text: string,
  rest: Partial<Pick<Decision, 'verdict'>> = {},
): Decision | null {
  return closed === undefined ? null : decision('wait', 'closed_window', `${closedText(closed, now)}; ${text}`, rest);
}

/** Refuses what may only be done in a change window; null if one is open. */
export function refuseClosed({ closed, now }: Observation, request: OperatorRequest): Decision | null {
  if (closed === undefined) return null;
  const message = `the change window is ${closedText(closed, now)}; say it again then`;
  return refuse(request, 'closed_window', message);
}

/**
 * Whether what is asked may only be done in a change window: a step toward the endpoint, or a scaling that may cost more. What
 * goes back and what a budget needs may always be done.
 */
export function isBound(
  rollout: Rollout,
  { about = 'step', scaling }: Pick<Ask, 'about' | 'scaling'>,
  { policy }: Pick<Observation, 'policy'>,
): boolean {
  if (rollout.toward === 'serverless' || about === 'budget') return false;
  if (about === 'step') return true;
  if (scaling === undefined || rollout.phase !== 'promoted') return true;
  const present = presentScaling(rollout, policy.endpoint);
  return scaling.maxReplica > present.maxReplica || scaling.minReplica > present.minReplica;
}

/**
 * Notes in the rollout that the last change window closed or that one opened, so that no deadline runs meanwhile; null if it is
 * noted. What is noted holds until the next note, also while no daemon runs: an edit of the policy changes nothing of the past.
 */
export function noteWindow(rollout: Rollout, { closed, now }: Observation): Decision | null {
  if (!waitsForWindows(rollout)) return null;
  const isNoted = rollout.closings?.isClosed === true;
  if ((closed !== undefined) === isNoted) return null;
  if (closed === undefined) {
    return decision('open_window', 'open_window', 'changes may be made again', { events: [{ type: 'window_opened' }] });
  }
  const events = [{ type: 'window_closed' as const }];
  return decision('close_window', 'closed_window', closedText(closed, now), { events });
}

/** How long a step has lasted, ms, without the time in which it was paused or no change window was open. */
export function stepMs(rollout: Rollout, now: number): number {
  return unpausedMs(rollout, rollout.since, now) - closedMs(rollout, 'inStep', now);
}

/** The same of all the time since the endpoint was begun. */
export function rolloutMs(rollout: Rollout & { readonly startedAt: number }, now: number): number {
  return unpausedMs(rollout, rollout.startedAt, now) - closedMs(rollout, 'inRollout', now);
}
