import { MINUTE_MS } from '../../core/time.ts';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { parseObject, readBody, sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';

/** The minutes of one week. */
const MOST_MINUTES = 10_080;

/**
 * `POST .../metrics {start, stop}`: how many replicas ran. It is the only graph of the real API that the simulation can
 * give correctly. It has one point per minute, at the start of the minute in epoch seconds: the most replicas at any
 * moment of that minute, by status. (The real API does not document its status labels, nor how it sums up a window.)
 */
export async function answerMetrics(exchange: Exchange, endpoint: Endpoint): Promise<void> {
  const body = parseObject(await readBody(exchange.request));
  const start = Date.parse(String(body?.['start']));
  const stop = Date.parse(String(body?.['stop']));
  if (Number.isNaN(start) || Number.isNaN(stop) || stop < start) {
    return sendJson(exchange, 400, { error: 'VALIDATION_FAILED: start and stop: expected two times in order' });
  }
  const minutes = endpoint
    .minutes(start)
    .filter(({ minute }) => minute * MINUTE_MS < stop)
    .slice(0, MOST_MINUTES);
  const series = (status: 'ready' | 'starting') => ({
    status,
    data: minutes.map((each) => ({ x: each.minute * 60, y: each[status] })),
  });
  sendJson(exchange, 200, {
    timeWindowSeconds: 60,
    replicasRunning: { series: [series('ready'), series('starting')] },
  });
}
