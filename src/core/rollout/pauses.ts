/** A span in which a rollout was paused or frozen, clock ms. `until` is absent while it lasts. */
export interface Pause {
  readonly from: number;
  readonly until?: number;
}

/** Whether a rollout may move, and when it might not. */
interface Pausing {
  readonly isPaused: boolean;
  readonly pausedBy?: { readonly by: string; readonly reason: string | null };
  /** Absent: it is not. */
  readonly isFrozen?: boolean;
  readonly pauses?: readonly Pause[];
}

/** Whether nothing may be asked, approved or entered: a person has paused the rollout, or frozen all routes. */
export function isStill({ isPaused, isFrozen }: Pausing): boolean {
  return isPaused || isFrozen === true;
}

type StillEvent =
  | { readonly type: 'paused'; readonly by: string; readonly reason: string | null }
  | { readonly type: 'resumed' | 'frozen' | 'thawed' };

/** Whether an event stops a rollout where it is, or lets it go on. */
export function isStillEvent<E extends { readonly type: string }>(event: E): event is E & StillEvent {
  return ['paused', 'resumed', 'frozen', 'thawed'].includes(event.type);
}

/** A rollout after it was paused, resumed, frozen or thawed. */
export function stilled<R extends Pausing>(rollout: R, event: StillEvent, at: number): R {
  const { type } = event;
  const { isFrozen: wasFrozen, pausedBy: before, ...rest } = rollout;
  const isPaused = type === 'paused' || (type !== 'resumed' && rollout.isPaused);
  const isFrozen = type === 'frozen' || (type !== 'thawed' && wasFrozen === true);
  const pausedBy = type === 'paused' ? { by: event.by, reason: event.reason } : before;
  const said = isPaused && pausedBy !== undefined ? { pausedBy } : {};
  const next = { ...rest, isPaused, ...said, ...(isFrozen && { isFrozen }) };
  return { ...next, pauses: spansAfter(rollout.pauses ?? [], isStill(next), at) } as Pausing as R;
}

function spansAfter(pauses: readonly Pause[], isPaused: boolean, at: number): readonly Pause[] {
  const last = pauses.at(-1);
  const isOpen = last !== undefined && last.until === undefined;
  if (isPaused) return isOpen ? pauses : [...pauses, { from: at }];
  return isOpen ? [...pauses.slice(0, -1), { ...last, until: at }] : pauses;
}

/** How much of the time from `since` to `now` a rollout was not paused, ms. Deadlines count this, so that none runs meanwhile. */
export function unpausedMs({ pauses = [] }: Pick<Pausing, 'pauses'>, since: number, now: number): number {
  let [counted, at] = [0, since];
  for (const { from, until = now } of pauses) {
    counted += Math.max(0, Math.min(from, now) - at);
    at = Math.max(at, until);
  }
  return counted + Math.max(0, now - at);
}
