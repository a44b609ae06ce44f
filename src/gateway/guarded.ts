import type { CallObserver } from '../core/call.ts';
import { errorMessage } from '../core/errors.ts';
import type { Log } from './shared.ts';

/** An error of the observer must not break a call. */
export function guarded(observer: CallObserver, log: Log): CallObserver {
  const guard = <Args extends readonly unknown[]>(observe: (...args: Args) => void) => {
    return (...args: Args): void => {
      try {
        observe(...args);
      } catch (error) {
        log('error', 'a call could not be observed', { error: errorMessage(error) });
      }
    };
  };
  return {
    arrived: guard((arrival) => observer.arrived(arrival)),
    sent: guard((arrival) => observer.sent(arrival)),
    failed: guard((...failure) => observer.failed(...failure)),
    ended: guard((call) => observer.ended(call)),
    shadowed: guard((arrival, shadow) => observer.shadowed(arrival, shadow)),
  };
}
