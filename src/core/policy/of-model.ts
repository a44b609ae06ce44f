import type { Policy, RoutePolicy } from './policy.ts';

/** The policy of a model: its own route, or the policy of models that are not listed. */
export function policyOf({ routes, watched }: Pick<Policy, 'routes' | 'watched'>, model: string): RoutePolicy {
  return routes.find((route) => route.model === model) ?? { ...watched, model };
}
