import { closedText } from '../../core/decide/closed.ts';
import { saidText } from '../../core/decide/holds.ts';
import type { Frozen } from '../../core/decide/observation.ts';
import type { RolloutStatus, RouteStatus } from '../../core/status.ts';
import { priceText, spanText } from '../../core/text.ts';
import { timeText } from '../terminal/format.ts';
import { alert, entry } from './page.ts';
import type { Page } from './page.ts';

/** Since when a rollout is paused or frozen, what that means, and what its endpoint costs meanwhile. */
export function pauseLines(
  { pausedSince, pausedBy, isPaused, startedAt, pricePerHourMicros }: RolloutStatus,
  page: Page,
): string[] {
  if (pausedSince === undefined) return [];
  const cost =
    startedAt === null
      ? 'it has no endpoint yet, and its proposal expires as any other'
      : `its endpoint costs up to ${priceText(pricePerHourMicros)} meanwhile; budgets and rollbacks still act`;
  const since = `since ${timeText(pausedSince)}, ${spanText(Math.max(0, page.now - pausedSince))}; no deadline runs`;
  const who = isPaused && pausedBy !== undefined ? [`by ${saidText(pausedBy)}`] : [];
  return entry(isPaused ? 'paused' : 'frozen', [...who, since, cost], page);
}

/** Until when no change window is open; or until when one is, if somebody must answer in it. */
export function windowLines({ windows, decision, rollout }: RouteStatus, page: Page): string[] {
  if (windows === undefined || (windows.until !== null && windows.until <= page.now)) return [];
  const { isOpen, until, untilText } = windows;
  if (isOpen) {
    if (rollout?.ask?.isBound !== true || until === null) return [];
    return entry('window', [`a yes is taken until ${untilText} (for ${spanText(until - page.now)})`], page);
  }
  const means = 'nothing is proposed, asked, approved or entered meanwhile; going back works';
  if (decision?.reason === 'closed_window') return entry('window', [means], page);
  return entry('window', [`${closedText({ until, opens: untilText }, page.now)}: ${means}`], page);
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
