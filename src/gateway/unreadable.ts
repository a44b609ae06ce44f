import { maxHeaderSize, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { storeRow } from './ending.ts';
import type { Exchange } from './exchange.ts';
import type { LiveSet } from './live-set.ts';
import { replyParts, REQUEST_TIMEOUT, unreadableRequest } from './request/reply.ts';
import type { Reply } from './request/reply.ts';
import { unassignedRow } from './row.ts';
import type { Shared } from './shared.ts';

/** A client that does not take the answer keeps its connection for so long, real ms. */
const LONGEST_GOODBYE_MS = 1_000;

const REPLIES: Readonly<Record<string, Reply>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'headers_too_large',
    message: `The request line and the headers are larger than ${maxHeaderSize} bytes, the most that the gateway accepts.`,
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    code: 'chunk_extensions_too_large',
    message: 'The extensions of the chunks of the request body are too large. Send chunks without extensions.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: REQUEST_TIMEOUT,
};

/**
 * Answers requests that Node's parser gives up: those that are no HTTP, too large in their headers, or too slow. Each
 * leaves a row in the ledger, as every other request does.
 */
export class UnreadableRequests {
  readonly #shared: Shared;
  readonly #live: LiveSet<Exchange>;
  /** Node reports the same connection again if more comes on it. */
  readonly #given = new WeakSet<Socket>();

  constructor(shared: Shared, live: LiveSet<Exchange>) {
    this.#shared = shared;
    this.#live = live;
  }

  /** Takes an error that Node's server reports of a connection. */
  take(error: NodeJS.ErrnoException, socket: Socket): void {
    if (this.#given.has(socket)) return;
    this.#given.add(socket);
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy(error);
      return;
    }
    const reply = REPLIES[error.code ?? ''] ?? unreadableRequest(error.message);
    const hasLeft = error.code === 'HPE_INVALID_EOF_STATE';
    for (const exchange of this.#live) if (exchange.spoiled(socket, hasLeft ? null : reply)) return;
    if (socket.bytesRead === 0) end(socket, reply);
    else this.#record(reply, () => end(socket, reply));
  }

  #record({ status }: Reply, finish: () => void): void {
    const shared = this.#shared;
    shared.counters.requests++;
    shared.counters.refused++;
    const outcome = 'gateway_error' as const;
    const ending = { outcome, attemptOutcome: outcome, status, servedBy: null, delivery: null, hasClientLeft: false };
    const { gatewayId } = shared;
    const request = { gatewayId, arrivedAtUs: shared.nextArrivalUs(), kind: 'native', requestBytes: 0 } as const;
    storeRow(shared, unassignedRow(request, { ...ending, finish }, shared.nowUs()), finish);
  }
}

/** Answers on a connection that has no request, and ends it. */
function end(socket: Socket, reply: Reply): void {
  const { status } = reply;
  const { headers, body } = replyParts(reply);
  const lines = headers.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${headers[i + 1]}`] : []));
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, 'connection: close', ...lines].join('\r\n');
  socket.end(`${head}\r\n\r\n${body}`);
  // If it were closed while the client still sends, the client might lose the answer.
  setTimeout(() => socket.destroy(), LONGEST_GOODBYE_MS).unref();
}
