import { sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import type { TokenOwner } from '../limits.ts';
import type { World } from '../world.ts';

/**
 * `GET /api/organizations/{org}/billing/usage/inference?startDate&endDate`: the calls that the router billed to an
 * organization (`X-HF-Bill-To`), day by day: `[{period, usage: [{user, model, provider, requestCount, costCents,
 * inputTokens, outputTokens}]}]`. Returns false for any other path.
 */
export function answerBilling(world: World, exchange: Exchange, owner: TokenOwner | undefined): boolean {
  const asked = /^\/api\/organizations\/([^/]+)\/billing\/usage\/inference$/.exec(exchange.path);
  if (!asked) return false;
  const org = decodeURIComponent(asked[1] ?? '');
  if (!owner) sendJson(exchange, 401, { error: 'Invalid username or password.' });
  else if (!owner.orgs.includes(org)) sendJson(exchange, 404, { error: 'Organization not found' });
  else sendJson(exchange, 200, periods(world, org, exchange.query));
  return true;
}

function periods(world: World, org: string, query: URLSearchParams): object[] {
  const [from, until] = [query.get('startDate') ?? '', query.get('endDate') ?? '9'];
  const mine = world.usage
    .list()
    .filter((use) => use.payer === org && use.day >= from.slice(0, 10) && use.day <= until);
  return [...new Set(mine.map((use) => use.day))].sort().map((day) => ({
    period: day,
    usage: mine
      .filter((use) => use.day === day)
      .map(({ model, provider, requests, micros, inputTokens, outputTokens }) => ({
        user: null,
        model,
        provider,
        requestCount: requests,
        costCents: micros / 10_000,
        inputTokens,
        outputTokens,
      })),
  }));
}
