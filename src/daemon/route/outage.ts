import type { Gateway } from '../../gateway/server.ts';
import type { RouteWatch } from './watch.ts';

/** Whether a route's calls to serverless fail, whichever provider they take: every lane that it uses is out. */
export function isServerlessOut(
  { model, filePolicy }: Pick<RouteWatch, 'model' | 'filePolicy'>,
  gateway: Pick<Gateway, 'lanes'>,
): boolean {
  const ways = new Set(['', ...filePolicy.care.providers]);
  const lanes = [...gateway.lanes()].filter((lane) => lane.model === model && ways.has(lane.provider));
  return lanes.length > 0 && lanes.every(({ isOut }) => isOut);
}
