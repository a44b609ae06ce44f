import { AppError } from '../../core/errors.ts';
import { isOver } from '../../core/rollout/rollout.ts';
import type { RolloutRow } from '../../ledger/journal/rows.ts';

type Listed = Pick<RolloutRow, 'id' | 'model' | 'phase' | 'toward'>;

/** The rollout that is meant. Throws AppError `not_found`, or `invalid` if several fit. */
export function chooseRollout<R extends Listed>(rollouts: readonly R[], named: string | undefined): R {
  const running = rollouts.filter(({ phase }) => !isOver(phase));
  // While a way back is running, it stands for the promoted rollout that it replaces.
  const active = running.filter((one) => !running.some((other) => replaces(other, one)));
  const meant = named === undefined ? active : rollouts.filter(({ id }) => id.startsWith(named));
  const exact = meant.find(({ id }) => id === named);
  const chosen = exact ?? (meant.length === 1 ? meant[0] : undefined);
  if (chosen !== undefined) return chosen;
  const list = (rows: readonly R[]) => rows.map(({ id, model, phase }) => `${id} (${model}, ${phase})`).join(', ');
  if (meant.length > 1) {
    const what = named === undefined ? `${meant.length} rollouts are active` : `"${named}" begins several rollouts`;
    throw new AppError('invalid', `${what}: ${list(meant)}`, { hint: 'name the one you mean' });
  }
  if (named === undefined) {
    throw new AppError('not_found', 'no rollout is active', {
      hint: 'see what the daemon waits for: npx upshift status',
    });
  }
  const hint = active.length === 0 ? 'no rollout is active' : `active: ${list(active)}`;
  throw new AppError('not_found', `there is no rollout "${named}"`, { hint });
}

function replaces(one: Listed, other: Listed): boolean {
  return one.toward === 'serverless' && other.toward !== 'serverless' && one.model === other.model;
}
