import type { Observation } from './observation.ts';

/** Fewer attempts or callers in the last minute than this show nothing. */
const LEAST = 3;

/**
 * Why serverless can take no traffic now, for people; null if it can. It cannot if it accepts no connection, or if it
 * denies more than half of those who call it: their tokens are not accepted or have no credits. A 429 is no such answer,
 * because serverless that refuses some calls still takes others.
 */
export function serverlessUnable({ stableRecent: recent }: Pick<Observation, 'stableRecent'>): string | null {
  if (recent.attempts >= LEAST && recent.connectFailures >= recent.attempts) return 'serverless refuses connections';
  const { callers = 0, denied = 0 } = recent;
  if (callers < LEAST || denied * 2 <= callers) return null;
  return `serverless answers ${denied} of ${callers} callers with 402 or 401`;
}

/** The same, where it keeps the traffic on an endpoint that should be left; null if serverless can take it. */
export function staysText(seen: Pick<Observation, 'stableRecent'>): string | null {
  const unable = serverlessUnable(seen);
  return unable === null ? null : `${unable}: the traffic stays where it is`;
}
