/** The eight states of `status.state`. */
export type EndpointState =
  'pending' | 'initializing' | 'updating' | 'updateFailed' | 'running' | 'paused' | 'failed' | 'scaledToZero';

/** A change of state, past or planned. */
export interface Change {
  readonly at: number;
  readonly state: EndpointState;
  readonly message: string;
  /** What the state costs: micro-dollars per hour, all replicas together. */
  readonly microDollarsPerHour: number;
  readonly replicas: number;
  /** From when on the engine has its weights; only in `running`. */
  readonly loadedAt?: number;
}

/** The change in force at `now`: the last that is not in the future. */
export function changeAt(changes: readonly Change[], now: number): Change {
  const change = changes.findLast((each) => each.at <= now) ?? changes[0];
  if (!change) throw new RangeError('an endpoint has at least one change');
  return change;
}

/** The past of `changes` at `now`, followed by a new plan; a planned future is dropped. */
export function replan(changes: readonly Change[], now: number, plan: readonly Change[]): Change[] {
  return [...changes.filter((each) => each.at <= now), ...plan];
}

/** Micro-dollars up to `until`, metered to the millisecond and rounded once. */
export function spentMicroDollars(changes: readonly Change[], until: number): number {
  let product = 0;
  for (const [index, change] of changes.entries()) {
    const end = Math.min(until, changes[index + 1]?.at ?? until);
    if (end > change.at) product += change.microDollarsPerHour * (end - change.at);
  }
  return Math.round(product / 3_600_000);
}
