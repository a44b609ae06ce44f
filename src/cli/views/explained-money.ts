import { budgetOf } from '../../core/decide/budget-proposal.ts';
import type { Observation } from '../../core/decide/observation.ts';
import { moneyText } from '../../core/money/text.ts';
import { longText } from '../../core/sweep/sweep.ts';
import type { SweepSeen } from '../../core/sweep/sweep.ts';
import { priceText } from '../../core/text.ts';
import { dateText } from '../terminal/format.ts';

/** A sentence under a label; nothing for null. */
export type Line = (label: string, text: string | null) => string[];

/** What was spent and the limits of the budget, as a decision saw them. */
export function moneyLines(observation: Observation, line: Line): string[] {
  const { perHour, perDay, perRollout } = budgetOf(observation);
  const limits = [
    [perHour, 'an hour'],
    [perDay, 'a day'],
    [perRollout, 'a rollout'],
  ].flatMap(([dollars, span]) => (typeof dollars === 'number' ? [`${moneyText(dollars * 1_000_000)} ${span}`] : []));
  const { spending } = observation;
  const isWorthIt = limits.length > 0 || (spending != null && spending.ratePerHourMicros > 0);
  return [
    ...line('spent', !isWorthIt ? null : spending == null ? 'not known' : spentText(spending)),
    ...line('budget', limits.length === 0 ? null : limits.join(', ')),
  ];
}

function spentText({ hourMicros, dayMicros, rolloutMicros, ratePerHourMicros }: NonNullable<Observation['spending']>) {
  const spent = `${moneyText(rolloutMicros)} on this rollout, ${moneyText(dayMicros)} today`;
  return `${spent}, ${moneyText(hourMicros)} in the last hour; ${priceText(ratePerHourMicros)} now`;
}

/** What a sweep saw of an endpoint. */
export function swept({ endpoint, rollout, ledgerId, isIdle, policy, now }: SweepSeen, line: Line): string[] {
  const { namespace, name, state, tags, updatedAt, pricePerHourMicros } = endpoint;
  const price = pricePerHourMicros === null ? 'price not known' : priceText(pricePerHourMicros);
  const grace = policy.deleteAfter === null ? 'never deleted' : `deleted after ${longText(policy.deleteAfter)}`;
  const idle = isIdle ? ', without calls for a long time' : '';
  return [
    ...line('endpoint', `${namespace}/${name}: ${state}, ${price}`),
    ...line(
      'changed',
      updatedAt === null ? null : `${dateText(updatedAt)}, ${longText(Math.max(0, now - updatedAt))} earlier`,
    ),
    ...line('tags', tags.join(', ')),
    ...line('ledger', ledgerId),
    ...line('rollout', rollout === null ? 'none of that name' : `${rollout.id}: ${rollout.phase}${idle}`),
    ...line('policy is', `ended: ${policy.ended}, ${grace}; unknown: ${policy.unknown}`),
  ];
}
