import type { Canary } from '../route.ts';

/** Whether some of a route's calls are drawn for its endpoint: on a way back all but the canary's share. */
export function servesCalls({ toward, weight }: Pick<Canary, 'toward' | 'weight'>): boolean {
  return toward === 'dedicated' ? weight > 0 : weight < 1;
}
