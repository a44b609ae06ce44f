import type { Role, RouteEntry, UpstreamKind } from '../../core/route.ts';
import type { Lanes } from '../care/lanes.ts';
import type { EndpointGates } from '../overflow/endpoint-gates.ts';

/** What shows whether serverless is out and the endpoint has room. */
export interface ThroughParts {
  readonly lanes: Lanes;
  readonly gates: EndpointGates;
}

/**
 * Where a call goes, without a role, while serverless is out and the endpoint takes its calls; null if the draw decides as
 * always. Serverless keeps the calls that it would take now, which are probes, and those for which the endpoint has no room.
 * `drawn`: the role that the draw gives the call.
 */
export function wayThroughOutage(
  { lanes, gates }: ThroughParts,
  { model, canary, care }: RouteEntry,
  agent: string,
  drawn: Role,
): UpstreamKind | null {
  if (canary?.through === undefined || care === null || !lanes.isOut(model, care)) return null;
  if (drawn === 'canary') return 'dedicated';
  const { load } = gates.of(canary.url);
  if (load.isFull || load.inFlight >= canary.through.atOnce) return 'serverless';
  return lanes.turnsAway(model, agent, care) ? 'dedicated' : 'serverless';
}
