import type { TakeBypassed } from '../gateway/bypass.ts';
import type { BypassLog } from '../ledger/calls/bypass.ts';
import type { Log } from './log.ts';
import type { Routes } from './route/routes.ts';

/** Stores calls that went past the gateway. New calls count as demand if they are recent. */
export function bypassTaker(ledger: Pick<BypassLog, 'record'>, routes: Routes, log: Log): TakeBypassed {
  return async (calls, dropped) => {
    const fresh = await ledger.record(calls);
    for (const call of fresh) routes.bypassed(call);
    if (fresh.length > 0 || dropped > 0) log('info', 'calls went past the gateway', { calls: fresh.length, dropped });
    return fresh.length;
  };
}
