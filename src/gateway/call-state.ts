import type { Attempt } from './attempt/attempt.ts';
import type { Delivery } from './attempt/delivery.ts';

/** What a call is doing. */
export type CallState =
  /** It waits for a permit or for its next retry: no attempt is under way. */
  | { readonly name: 'waiting' }
  /** An attempt is under way, and nothing of its answer is passed on. */
  | { readonly name: 'trying'; readonly attempt: Attempt }
  | { readonly name: 'delivering'; readonly attempt: Attempt; readonly delivery: Delivery }
  | { readonly name: 'over' };

export const WAITING: CallState = { name: 'waiting' };
export const OVER: CallState = { name: 'over' };

/** The attempt that is under way; null if none is. */
export function attemptOf(state: CallState): Attempt | null {
  return state.name === 'trying' || state.name === 'delivering' ? state.attempt : null;
}

/** The answer that is being passed on; null if none is. */
export function deliveryOf(state: CallState): Delivery | null {
  return state.name === 'delivering' ? state.delivery : null;
}
