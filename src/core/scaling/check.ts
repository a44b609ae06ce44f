import type { RoutePolicy } from '../policy.ts';
import { scalingOf } from './policy.ts';

/** What of a route's scaling contradicts itself or its endpoint: the key, and what is wrong. */
export function checkScaling(route: Pick<RoutePolicy, 'endpoint' | 'scaling'>): [key: string, message: string][] {
  const { endpoint } = route;
  if (endpoint === null) return [];
  const { adjust, from, to } = scalingOf(route);
  const issues: [string, string][] = [];
  const most = to ?? endpoint.maxReplica;
  const least = from ?? endpoint.minReplica;
  if (least > most)
    issues.push([to === null ? 'from' : 'to', `expected at least as many as the ${least} that always run`]);
  if (adjust === 'automatic' && most > endpoint.maxReplica && endpoint.maxPricePerHour === undefined) {
    issues.push(['to', 'more than endpoint.maxReplica spends money without asking: set endpoint.maxPricePerHour']);
  }
  return issues;
}
