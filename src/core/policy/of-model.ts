import type { Policy, RoutePolicy } from './policy.ts';

/** The policy of a model: its own route, or what the policy says of models that it does not name. */
export function policyOf({ routes, watched }: Pick<Policy, 'routes' | 'watched'>, model: string): RoutePolicy {
  return routes.find((route) => route.model === model) ?? { ...watched, model };
}
