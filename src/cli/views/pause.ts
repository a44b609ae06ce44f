import type { RolloutStatus } from '../../core/status.ts';
import { priceText, spanText } from '../../core/text.ts';
import { timeText } from '../terminal/format.ts';
import { entry } from './page.ts';
import type { Page } from './page.ts';

/** Since when a rollout is paused, what that means, and what its endpoint costs meanwhile. */
export function pauseLines({ pausedSince, startedAt, pricePerHourMicros }: RolloutStatus, page: Page): string[] {
  if (pausedSince === undefined) return [];
  const cost =
    startedAt === null
      ? 'it has no endpoint yet, and its proposal expires as any other'
      : `its endpoint costs up to ${priceText(pricePerHourMicros)} meanwhile; budgets and rollbacks still act`;
  const since = `since ${timeText(pausedSince)}, ${spanText(Math.max(0, page.now - pausedSince))}; no deadline runs`;
  return entry('paused', [since, cost], page);
}
