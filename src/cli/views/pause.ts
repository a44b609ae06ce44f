import type { Frozen } from '../../core/decide/observation.ts';
import type { RolloutStatus } from '../../core/status.ts';
import { priceText, spanText } from '../../core/text.ts';
import { timeText } from '../terminal/format.ts';
import { alert, entry } from './page.ts';
import type { Page } from './page.ts';

/** Since when a rollout is paused or frozen, what that means, and what its endpoint costs meanwhile. */
export function pauseLines(
  { pausedSince, isPaused, startedAt, pricePerHourMicros }: RolloutStatus,
  page: Page,
): string[] {
  if (pausedSince === undefined) return [];
  const cost =
    startedAt === null
      ? 'it has no endpoint yet, and its proposal expires as any other'
      : `its endpoint costs up to ${priceText(pricePerHourMicros)} meanwhile; budgets and rollbacks still act`;
  const since = `since ${timeText(pausedSince)}, ${spanText(Math.max(0, page.now - pausedSince))}; no deadline runs`;
  return entry(isPaused ? 'paused' : 'frozen', [since, cost], page);
}

/** Who has frozen all routes, what that means, and what ends it. */
export function frozenLines({ by, at, reason }: Frozen, page: Page): string[] {
  const suffix = page.commandSuffix === undefined ? '' : ` ${page.commandSuffix}`;
  const why = reason === null ? '' : `: "${reason}"`;
  return alert(
    `FROZEN since ${timeText(at)} by ${by}${why}. Nothing is proposed, asked, approved or entered on any route; going back works. To end it: npx upshift thaw${suffix}`,
    page,
  );
}
