/** A span in which a person had paused a rollout, clock ms. `until` is absent while it lasts. */
export interface Pause {
  readonly from: number;
  readonly until?: number;
}

/** Whether a rollout is paused, and when it was. */
interface Pausing {
  readonly isPaused: boolean;
  readonly pauses?: readonly Pause[];
}

/** What changes in a rollout that is paused or resumed. */
export function pausedOrResumed({ pauses = [] }: Pausing, isPaused: boolean, at: number): Required<Pausing> {
  return { isPaused, pauses: afterPauseOrResume(pauses, isPaused, at) };
}

function afterPauseOrResume(pauses: readonly Pause[], isPaused: boolean, at: number): readonly Pause[] {
  const last = pauses.at(-1);
  const isOpen = last !== undefined && last.until === undefined;
  if (isPaused) return isOpen ? pauses : [...pauses, { from: at }];
  return isOpen ? [...pauses.slice(0, -1), { ...last, until: at }] : pauses;
}

/** How much of the time from `since` to `now` a rollout was not paused, ms. Deadlines count this, so that none runs meanwhile. */
export function unpausedMs({ pauses = [] }: Pick<Pausing, 'pauses'>, since: number, now: number): number {
  const paused = pauses.map(({ from, until = now }) => Math.max(0, Math.min(until, now) - Math.max(from, since)));
  return now - since - paused.reduce((sum, ms) => sum + ms, 0);
}
