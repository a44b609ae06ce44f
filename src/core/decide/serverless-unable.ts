import type { Observation } from './observation.ts';

/** Fewer attempts or callers in the last minute than this show nothing. */
const LEAST = 3;

type Seen = Pick<Observation, 'now' | 'outage' | 'stableRecent'>;

/** Since when serverless has been out without interruption, clock ms; null if it is not out now. */
export function outSince({ now, outage }: Pick<Observation, 'now' | 'outage'>): number | null {
  return outage !== undefined && outage.until >= now ? outage.since : null;
}

/**
 * Why serverless can take no traffic now, for people; null if it can. It cannot if it is out, if it accepts no connection, or
 * if it denies more than half of those who call it: their tokens are not accepted or have no credits. A 429 is no such answer,
 * because serverless that refuses some calls still takes others.
 */
export function serverlessUnable(seen: Seen): string | null {
  const { stableRecent: recent } = seen;
  if (outSince(seen) !== null) return 'serverless is out';
  if (recent.attempts >= LEAST && recent.connectFailures >= recent.attempts) return 'serverless refuses connections';
  const { callers = 0, denied = 0 } = recent;
  if (callers < LEAST || denied * 2 <= callers) return null;
  return `serverless answers ${denied} of ${callers} callers with 402 or 401`;
}

/** The same, where it keeps the traffic on an endpoint that should be left; null if serverless can take it. */
export function staysText(seen: Seen): string | null {
  const unable = serverlessUnable(seen);
  return unable === null ? null : `${unable}: the traffic stays where it is`;
}

/** Why faults in a row are no reason to leave the endpoint: serverless fails as well. Null if it does not. */
export function bothFailText({ stableRecent: { attempts, faults, faultsInRow = 0 } }: Seen): string | null {
  const stays = 'the traffic stays where it is';
  if (attempts >= 5 && faults * 2 >= attempts) {
    return `serverless fails ${faults} of ${attempts} too: ${stays}`;
  }
  if (faultsInRow >= LEAST) return `serverless has failed ${faultsInRow} times in a row at the same time: ${stays}`;
  return null;
}
