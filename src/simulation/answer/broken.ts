import type { Exchange } from '../exchange.ts';
import { sendBytes } from '../exchange.ts';
import type { BrokenAnswer } from '../fault-kinds.ts';

const EVENTS = 'text/event-stream; charset=utf-8';
const PAGE = '<!DOCTYPE html><html><head><title>Please wait</title></head><body>Please wait a moment.</body></html>';
const ERROR = '{"error":{"message":"EngineCore encountered an issue.","type":"InternalServerError","code":500}}';

/** Answers 200 with something that is no answer. */
export function giveBroken(exchange: Exchange, kind: BrokenAnswer, isStreamed: boolean): void {
  const { type, body } = MADE[kind](isStreamed);
  if (kind === 'html') sendInChunks(exchange, type, body);
  else sendBytes(exchange, type, Buffer.from(body), {});
}

/** As proxies send a page: without its length. */
function sendInChunks({ response, counters, upstream }: Exchange, type: string, body: string | Uint8Array): void {
  if (response.destroyed) return;
  counters.add(upstream, 200);
  response.writeHead(200, { 'content-type': type });
  response.write(body);
  response.end();
}

const MADE: Readonly<Record<BrokenAnswer, (isStreamed: boolean) => { type: string; body: string | Uint8Array }>> = {
  empty: (isStreamed) => ({
    type: isStreamed ? EVENTS : 'application/json',
    body: isStreamed ? 'data: [DONE]\n\n' : '',
  }),
  garbage: (isStreamed) => ({ type: isStreamed ? EVENTS : 'application/json', body: NOISE }),
  html: () => ({ type: 'text/html; charset=utf-8', body: PAGE }),
  error200: () => ({ type: 'application/json', body: ERROR }),
};

/** The same bytes each time, none of which begins a JSON text or a line of an event. */
const NOISE = Uint8Array.from({ length: 512 }, (_, at) => 128 + ((at * 97) % 127));
