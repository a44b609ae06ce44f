import type { LaneKey, LaneStatus } from '../../core/care/lane-status.ts';
import type { Gateway } from '../../gateway/server.ts';
import type { RouteWatch } from './watch.ts';

type Route = Pick<RouteWatch, 'model' | 'filePolicy'>;
type WithLanes = Pick<Gateway, 'lanes'>;

/** Whether a route's calls to serverless fail, whichever provider they take: every lane that it uses is out. */
export function isServerlessOut(route: Route, gateway: WithLanes): boolean {
  const lanes = lanesOf(route, gateway);
  return lanes.length > 0 && lanes.every(({ isOut }) => isOut);
}

/** The faults of serverless since its last answer to the route, on the lane that has the fewest. */
export function serverlessFaultsInRow(route: Route, gateway: WithLanes): number {
  const lanes = lanesOf(route, gateway);
  return lanes.length === 0 ? 0 : Math.min(...lanes.map(({ faultsInRow }) => faultsInRow));
}

function lanesOf({ model, filePolicy }: Route, gateway: WithLanes): (LaneKey & LaneStatus)[] {
  const ways = new Set(['', ...filePolicy.care.providers]);
  return [...gateway.lanes()].filter((lane) => lane.model === model && ways.has(lane.provider));
}
