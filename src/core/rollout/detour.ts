import type { ScalingPolicy } from '../policy/scaling.ts';
import type { DetourEvent, RolloutEvent } from './event.ts';
import type { Rollout } from './rollout.ts';

type Promoted = Extract<Rollout, { phase: 'promoted' }>;

export function isDetourEvent(event: RolloutEvent): event is DetourEvent {
  return event.type === 'detour_began' || event.type === 'waking' || event.type === 'detour_ended';
}

/** The promoted rollout after an event of a detour. Throws if the rollout is not promoted. */
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

/** The rollout after a question about its scaling was asked or approved; unchanged after any other event. */
export function onScalingAsk(rollout: Rollout, event: RolloutEvent, before: Rollout, at: number): Rollout {
  if (rollout.phase !== 'promoted' || !('about' in event) || event.about !== 'scaling') return rollout;
  if (event.type === 'asked') return { ...rollout, rescaledAt: at };
  const scaling = before.ask?.scaling;
  return event.type === 'approved' && scaling !== undefined ? { ...rollout, granted: scaling } : rollout;
}

/** When the calls of a promoted rollout began to go to serverless in a detour, clock ms; null if there is no detour. */
export function awaySince(rollout: Rollout | null): number | null {
  return rollout?.phase === 'promoted' && rollout.detour !== undefined ? rollout.detour.since : null;
}

/** Whether the policy lets the endpoint be scaled to zero, so that this is not a reason for a rollback. */
export function maySleep({ phase }: Pick<Rollout, 'phase'>, policy: { readonly scaling: ScalingPolicy }): boolean {
  return phase === 'promoted' && policy.scaling.sleep !== null;
}
