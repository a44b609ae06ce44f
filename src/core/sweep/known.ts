import type { Rollout } from '../rollout/rollout.ts';
import type { LedgerKnown, SweptRollout } from './sweep.ts';

/**
 * What the sweep must know of a ledger's rollouts. `hasServedSince` says whether a rollout's endpoint served a call that
 * ended at or after a time. It is called only for rollouts that have been promoted for at least `idleMs`, and for the ways
 * back from them. If `idleMs` is null, no endpoint counts as idle.
 */
export async function knownOf(
  ledgerId: string,
  rollouts: readonly Rollout[],
  hasServedSince: (rolloutId: string, since: number) => boolean | Promise<boolean>,
  { idleMs, now }: { readonly idleMs: number | null; readonly now: number },
): Promise<LedgerKnown> {
  const idle: string[] = [];
  for (const { id, phase, since } of rollouts) {
    if (idleMs === null || phase !== 'promoted' || now - since < idleMs) continue;
    // A way back that was aborted or failed used the same endpoint meanwhile.
    const its = rollouts.filter(({ wayBack }) => wayBack?.replaces === id).map((one) => one.id);
    let isUsed = false;
    for (const each of [id, ...its]) isUsed ||= await hasServedSince(each, now - idleMs);
    if (!isUsed) idle.push(id);
  }
  const swept = ({ id, model, endpointName, left, namespace, phase, since }: Rollout): SweptRollout => {
    return { id, model, endpointName, ...(left !== undefined && { left }), namespace, phase, since };
  };
  return { ledgerId, rollouts: rollouts.map((rollout) => swept(rollout)), idle };
}
