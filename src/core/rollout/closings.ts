import { isStill } from './pauses.ts';

/**
 * How long no change window was open, as it was noted while it happened. These are sums and no spans, so that a rollout of months
 * is no larger than one of an hour.
 */
export interface Closings {
  /** Whether no window is open. */
  readonly isClosed: boolean;
  /** Up to when the sums reach, clock ms. */
  readonly at: number;
  /** Since the phase or step was entered, ms. The time in which the rollout was paused or frozen as well is not in it. */
  readonly inStep: number;
  /** The same since the endpoint was begun. */
  readonly inRollout: number;
}

/** What is read of a rollout. */
interface Timed {
  readonly phase: string;
  readonly toward: string;
  readonly since: number;
  readonly startedAt?: number;
  readonly isPaused: boolean;
  readonly isFrozen?: boolean;
  readonly closings?: Closings;
}

const WINDOW_EVENTS = ['window_closed', 'window_opened'] as const;

export type WindowEvent = { readonly type: (typeof WINDOW_EVENTS)[number] };

/** Whether an event says that the last change window closed, or that one opened. */
export function isWindowEvent<E extends { readonly type: string }>(event: E): event is E & WindowEvent {
  return WINDOW_EVENTS.some((type) => type === event.type);
}

const TIMED: ReadonlySet<string> = new Set(['provisioning', 'warming', 'shadowing', 'stepping', 'holding']);

/** Whether a rollout has a deadline which does not count the time in which no change window is open. A way back has none. */
export function waitsForWindows({ phase, toward }: Pick<Timed, 'phase' | 'toward'>): boolean {
  return toward === 'dedicated' && TIMED.has(phase);
}

/** A rollout after an event, with what is known of closed time. `before`: as it was; `after`: what the event has made of it. */
export function withClosings<R extends Timed>(before: R, after: R, event: { readonly type: string }, at: number): R {
  const { closings: _, ...rest } = after;
  const { closings } = before;
  const isClosed = isWindowEvent(event) ? event.type === 'window_closed' : closings?.isClosed === true;
  if (!waitsForWindows(after) || (closings === undefined && !isClosed)) return rest as Timed as R;
  const isSameStep = after.since === before.since && after.phase === before.phase;
  const isSameStart = after.startedAt === before.startedAt;
  const next = {
    isClosed,
    // What has counted once counts no second time if the clock is set back.
    at: Math.max(at, closings?.at ?? at),
    inStep: isSameStep ? closedMs(before, 'inStep', at) : 0,
    inRollout: isSameStart ? closedMs(before, 'inRollout', at) : 0,
  };
  return { ...rest, closings: next } as Timed as R;
}

/** For how long of a step, or of all the time since the endpoint was begun, no change window was open up to `now`, ms. */
export function closedMs(rollout: Timed, since: 'inStep' | 'inRollout', now: number): number {
  const { closings } = rollout;
  if (closings === undefined) return 0;
  const isCounted = closings.isClosed && !isStill(rollout);
  return closings[since] + (isCounted ? Math.max(0, now - closings.at) : 0);
}
