import type { Rollout, RolloutEvent } from '../rollout.ts';
import type { ScalingPolicy } from './policy.ts';
import { scalingOf } from './policy.ts';
import type { Scaling } from './scaling.ts';

/**
 * A promoted endpoint's traffic is with serverless for a while, since the endpoint cannot take it: its scaling is being
 * changed, which has its proxy answer 503 for most of a minute, or it sleeps.
 */
export type Detour =
  | {
      readonly why: 'rescale';
      readonly since: number;
      readonly scaling: Scaling;
      /** Eligible calls that serverless had served in earlier detours. */
      readonly bridgedBefore: number;
    }
  | {
      readonly why: 'sleep';
      readonly since: number;
      readonly bridgedBefore: number;
      /** When there was demand again, and it was woken. */
      readonly wokenAt?: number;
    };

/** What a promoted rollout may have besides; each is absent where it does not apply. */
export interface Promoting {
  readonly detour?: Detour;
  /** What the endpoint's scaling was last changed to; absent: as the policy made it. */
  readonly scaling?: Scaling;
  /** When its scaling was last changed, or a change was asked for. */
  readonly rescaledAt?: number;
  /** A change that a person has said yes to and that has not begun. */
  readonly granted?: Scaling;
}

export type DetourEvent =
  | {
      readonly type: 'detour_began';
      readonly why: 'rescale';
      readonly scaling: Scaling;
      readonly bridgedBefore: number;
    }
  | { readonly type: 'detour_began'; readonly why: 'sleep'; readonly bridgedBefore: number }
  | { readonly type: 'waking' }
  | {
      readonly type: 'detour_ended';
      /** `given_up`: the endpoint is as it was. */
      readonly outcome: 'done' | 'given_up';
      /** Calls that serverless served meanwhile. */
      readonly bridged: number;
      /** For all replicas at most, where a change of the scaling has changed it. */
      readonly pricePerHourMicros: number | null;
    };

type Promoted = Extract<Rollout, { phase: 'promoted' }>;

export function isDetourEvent(event: RolloutEvent): event is DetourEvent {
  return event.type === 'detour_began' || event.type === 'waking' || event.type === 'detour_ended';
}

/** What becomes of a promoted rollout by an event of a detour. */
export function onDetour(rollout: Rollout, event: DetourEvent, at: number): Promoted {
  if (rollout.phase !== 'promoted') {
    throw new Error(`event "${event.type}" cannot happen to rollout ${rollout.id} in phase "${rollout.phase}"`);
  }
  const { detour, granted, ...rest } = rollout;
  const kept = granted === undefined ? rest : { ...rest, granted };
  switch (event.type) {
    case 'detour_began': {
      const { bridgedBefore } = event;
      if (event.why === 'sleep') return { ...kept, detour: { why: 'sleep', since: at, bridgedBefore } };
      return { ...rest, detour: { why: 'rescale', since: at, scaling: event.scaling, bridgedBefore } };
    }
    case 'waking':
      return detour?.why === 'sleep' ? { ...kept, detour: { ...detour, wokenAt: at } } : rollout;
    case 'detour_ended': {
      if (detour?.why !== 'rescale') return kept;
      if (event.outcome === 'given_up') return { ...kept, rescaledAt: at };
      const price = event.pricePerHourMicros ?? rollout.pricePerHourMicros;
      return { ...kept, scaling: detour.scaling, rescaledAt: at, pricePerHourMicros: price };
    }
  }
}

/** What becomes of it when a change of its scaling is asked for, or a person has said yes. */
export function onScalingAsk(rollout: Rollout, event: RolloutEvent, before: Rollout, at: number): Rollout {
  if (rollout.phase !== 'promoted' || !('about' in event) || event.about !== 'scaling') return rollout;
  if (event.type === 'asked') return { ...rollout, rescaledAt: at };
  const scaling = before.ask?.scaling;
  return event.type === 'approved' && scaling !== undefined ? { ...rollout, granted: scaling } : rollout;
}

/** Since when a promoted rollout's traffic is away from its endpoint; null where it is not. */
export function awaySince(rollout: Rollout | null): number | null {
  return rollout?.phase === 'promoted' && rollout.detour !== undefined ? rollout.detour.since : null;
}

/** Whether being scaled to zero is no fault of an endpoint. */
export function maySleep({ phase }: Pick<Rollout, 'phase'>, policy: { readonly scaling?: ScalingPolicy }): boolean {
  return phase === 'promoted' && scalingOf(policy).sleep !== null;
}
