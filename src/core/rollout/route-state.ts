import type { RoutePolicy } from '../policy/policy.ts';
import type { RolloutEvent } from './event.ts';
import { evolve } from './evolve.ts';
import { isActive } from './rollout.ts';
import type { Rollout } from './rollout.ts';

/** One thing that happened to one rollout. `at`: epoch ms of clock time. */
export interface Happened {
  readonly rolloutId: string;
  readonly event: RolloutEvent;
  readonly at: number;
}

/** The rollouts of a route that matter for what comes next. They follow from events and from nothing else. */
export interface RouteRollouts {
  /** The one that is not over; null if the route is only watched. */
  readonly active: Rollout | null;
  /** The promoted rollout that the active one, a way back, has replaced. It is active again if the way back fails. */
  readonly replaced: Rollout | null;
  /** The one that ended last. If a way back ends together with the rollout that it replaced, it is the way back. */
  readonly last: Rollout | null;
}

/** A rollout that is not over, with what goes with it while it lasts. */
export interface HeldRollout {
  readonly rollout: Rollout;
  /** The policy that it pins: what the file said when it was proposed. */
  readonly policy: RoutePolicy;
  /** The number of its open question; null if none is open. */
  readonly askId: number | null;
}

/** The state of a route: its rollouts, with the policies that they pin and their open questions. */
export interface RouteState {
  readonly active: HeldRollout | null;
  readonly replaced: HeldRollout | null;
  readonly last: Rollout | null;
}

/** What a stored decision led to. */
export interface Taken {
  readonly happened: readonly Happened[];
  /** The route's policy in the file at the decision: a rollout that it proposes pins this one. */
  readonly filePolicy: RoutePolicy;
  /** The number of the question that the decision asks; null if it asks none. */
  readonly askId: number | null;
}

/** A route before its first rollout. */
export const NO_ROLLOUTS: RouteRollouts = { active: null, replaced: null, last: null };
export const WATCHED: RouteState = { active: null, replaced: null, last: null };

/**
 * The rollouts of a route after one more event. Throws if the event cannot happen in the phase of its rollout, or if its
 * rollout is not one that the route has.
 */
export function afterEvent(before: RouteRollouts, { rolloutId, event, at }: Happened): RouteRollouts {
  const { active, replaced } = before;
  if (event.type === 'proposed') return proposed(before, rolloutId, evolve(null, event, at));
  if (event.type === 'released' && before.last?.id === rolloutId) {
    return { ...before, last: evolve(before.last, event, at) };
  }
  if (replaced !== null && replaced.id === rolloutId) return { ...before, replaced: evolve(replaced, event, at) };
  if (active === null || active.id !== rolloutId) {
    throw new Error(`event "${event.type}" cannot happen to rollout ${rolloutId}: its route does not have it`);
  }
  const next = evolve(active, event, at);
  return isActive(next) ? { ...before, active: next } : ended(before, next);
}

/** A way back replaces the promoted rollout that it names. Any other rollout needs a route without one. */
function proposed(before: RouteRollouts, rolloutId: string, next: Rollout): RouteRollouts {
  if (next.id !== rolloutId) throw new Error(`the proposal of rollout ${next.id} is told of rollout ${rolloutId}`);
  const { active } = before;
  if (before.replaced !== null || active?.id !== next.wayBack?.replaces) {
    throw new Error(`rollout ${next.id} cannot be proposed: the route has ${active?.id ?? 'no rollout'}`);
  }
  return { ...before, active: next, replaced: active };
}

function ended({ replaced, last }: RouteRollouts, over: Rollout): RouteRollouts {
  const goesOn = replaced !== null && isActive(replaced) ? replaced : null;
  // The end of the rollout that a way back replaced belongs to the end of the way back, and is told after it.
  const endsWithLast = last?.phase === 'returned' && last.wayBack?.replaces === over.id;
  return { active: goesOn, replaced: null, last: endsWithLast ? last : over };
}

/** The state of a route after a decision was stored. */
export function nextState(before: RouteState, { happened, filePolicy, askId }: Taken): RouteState {
  if (happened.length === 0) return before;
  const held = [before.active, before.replaced];
  const isAsked = ({ id }: Rollout) =>
    happened.some(({ rolloutId, event }) => rolloutId === id && event.type === 'asked');
  return stateOf(happened.reduce(afterEvent, rolloutsOf(before)), (rollout) => {
    const known = held.find((each) => each?.rollout.id === rollout.id);
    const open = isAsked(rollout) ? askId : (known?.askId ?? null);
    return { policy: known?.policy ?? filePolicy, askId: rollout.ask === null ? null : open };
  });
}

/** The state of a route that has these rollouts. `goesWith`: what goes with a rollout that is not over. */
export function stateOf(
  { active, replaced, last }: RouteRollouts,
  goesWith: (rollout: Rollout) => Omit<HeldRollout, 'rollout'>,
): RouteState {
  const hold = (rollout: Rollout | null) => (rollout === null ? null : { rollout, ...goesWith(rollout) });
  return { active: hold(active), replaced: hold(replaced), last };
}

/** The rollouts in a state. */
export function rolloutsOf({ active, replaced, last }: RouteState): RouteRollouts {
  return { active: active?.rollout ?? null, replaced: replaced?.rollout ?? null, last };
}

/** The rollouts to which something happened, each as it is afterwards, by id. */
export function changedBy(
  { active, replaced, last }: RouteRollouts,
  happened: readonly Happened[],
): Map<string, Rollout> {
  const changed = new Map<string, Rollout>();
  for (const { rolloutId, event, at } of happened) {
    const before = changed.get(rolloutId) ?? [active, replaced, last].find((each) => each?.id === rolloutId) ?? null;
    changed.set(rolloutId, evolve(before, event, at));
  }
  return changed;
}
