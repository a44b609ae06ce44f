import type { LaneKey, LaneStatus } from '../../core/care/lane-status.ts';
import { sumProviders } from '../../core/care/providers.ts';
import type { ProviderCounts } from '../../core/care/providers.ts';
import { spanText } from '../../core/text.ts';
import { countText, numberText, percentText } from '../terminal/format.ts';
import { alert, entry } from './page.ts';
import type { Page } from './page.ts';

const WINDOW = '5 min';
/** Events that are older are no longer shown. */
const NEWS_MS = 300_000;

/** How the gateway handles a model's calls to serverless: a line for each provider that refused, held or failed a call. */
export function laneLines(lanes: readonly (LaneKey & LaneStatus)[], page: Page): string[] {
  const own = lanes.flatMap((lane) => {
    const text = laneText(lane);
    const name = lane.provider === '' ? 'care' : lane.provider.slice(0, 9);
    const lines = text === '' ? [] : entry(name, [text], page);
    const { breaker, noCreditsAt, counts } = lane;
    if (noCreditsAt !== null && page.figuresAt - noCreditsAt < NEWS_MS) {
      const calls = countText(counts.noCredits, 'call');
      lines.push(...alert(`the account has no credits left (402): ${calls} refused; they are not repeated`, page));
    }
    if (breaker.state === 'closed') return lines;
    const next =
      breaker.state === 'open' ? `next attempt in ${spanText(Math.max(0, breaker.until - page.now))}` : 'trying';
    const cause = breaker.cause.replaceAll('_', ' ');
    const { agents } = breaker;
    const who = agents === null ? ['', 'calls'] : [` for ${countText(agents, 'agent')}`, 'their calls'];
    return [...lines, ...alert(`serverless fails${who[0]} (${cause}): ${who[1]} are refused, ${next}`, page)];
  });
  const providers = sumProviders(lanes);
  const isShown = providers.length > 1 || providers.some(({ refused }) => refused > 0);
  return isShown ? [...own, ...entry('providers', [providers.map(providerText).join('; ')], page)] : own;
}

/** `groq 12.1 % of 4 210 tries refused`. */
export function providerText({ provider, tried, refused, faults }: ProviderCounts): string {
  const name = provider === '' ? 'not named' : provider;
  const share = `${name} ${percentText(tried === 0 ? 0 : refused / tried)} of ${numberText(tried)} attempts refused`;
  return faults === 0 ? share : `${share}, ${countText(faults, 'fault')}`;
}

function laneText({ limit, isBlocked, waiting, waitingAgents, retryShare, counts, inFlightLimit }: LaneStatus): string {
  const facts: string[] = [];
  if (limit !== null) facts.push(`limit about ${numberText(limit)} in ${WINDOW}${isBlocked ? ', used up' : ''}`);
  if (inFlightLimit !== null) facts.push(`${inFlightLimit} at once`);
  if (waiting > 0) facts.push(`${countText(waiting, 'call')} of ${countText(waitingAgents, 'agent')} waiting`);
  if (counts.refusedByUpstream > 0)
    facts.push(`${percentText(counts.refusedByUpstream / counts.sent)} of attempts refused`);
  if (counts.refusedHere > 0) facts.push(`${numberText(counts.refusedHere)} refused by the gateway`);
  if (retryShare > 0) facts.push(`${percentText(retryShare)} retried`);
  return facts.join(', ');
}
