import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Arrival, Call } from '../core/call.ts';
import type { GatewayPolicy } from '../core/policy/gateway.ts';
import { errorMessage } from '../core/errors.ts';
import { locate } from '../core/wire/destination.ts';
import type { Destination } from '../core/wire/destination.ts';
import { AssignedCall } from './assigned-call.ts';
import { replied, stopped, storeRow } from './ending.ts';
import type { CallOwner, Ending } from './ending.ts';
import type { Indexed } from './live-set.ts';
import { assignCall } from './request/assignment.ts';
import { Body } from './request/body.ts';
import type { BodyOwner } from './request/body.ts';
import { admitPage } from './request/browser.ts';
import { decodeBody, isEncoded } from './request/decode.ts';
import { readContent, readEncoded, unreadContent } from './request/incoming-call.ts';
import type { CallContent } from './request/incoming-call.ts';
import {
  foreignOrigin,
  INTERNAL,
  tooLarge,
  UNKNOWN_EXPECTATION,
  unknownPath,
  unreadableRequest,
} from './request/reply.ts';
import type { Reply } from './request/reply.ts';
import { Upload } from './request/upload.ts';
import { unassignedRow } from './row.ts';
import type { Shared } from './shared.ts';

/** How far a request has come. */
type Stage =
  /** None of its body is kept. `destination`: null if its path is not one that the gateway serves. */
  | { readonly name: 'arrived'; readonly destination: Destination | null }
  /** Its body is being read. */
  | { readonly name: 'reading'; readonly destination: Destination; readonly body: Body }
  /** It is a call that was assigned to an upstream. */
  | { readonly name: 'serving'; readonly call: AssignedCall }
  /** Its row is written or about to be; then the end of the answer goes out. */
  | { readonly name: 'over' };

const NO_BODY = Buffer.alloc(0);
const OVER: Stage = { name: 'over' };

/** A call that has been assigned and has not ended. */
export interface InFlight {
  readonly arrival: Arrival;
  readonly hasFirstByte: boolean;
  /** Whether the first attempt's outcome is known already. */
  readonly isDecided: boolean;
  /** Whether the endpoint is working on it. */
  readonly isOnEndpoint: boolean;
}

/** One HTTP request of a client and the answer to it: reads the request, has it served as a call, stores the row. */
export class Exchange implements BodyOwner, CallOwner, Indexed {
  index = -1;
  readonly #shared: Shared;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #arrivedAtUs: number;
  readonly #settings: GatewayPolicy;
  /** Null unless the body is too large to be kept. */
  #upload: Upload | null = null;
  #stage: Stage;

  constructor(shared: Shared, req: IncomingMessage, res: ServerResponse) {
    this.#shared = shared;
    this.#req = req;
    this.#res = res;
    this.#arrivedAtUs = shared.nextArrivalUs();
    this.#settings = shared.settings();
    this.#stage = { name: 'arrived', destination: locate(req.method ?? '', req.url ?? '') };
  }

  /** Begins to read the request. The exchange must be in the set of live ones. */
  start(): void {
    const req = this.#req;
    const stage = this.#stage;
    this.#res.on('close', () => this.#stop('client_left'));
    if (stage.name !== 'arrived') return;
    const { destination } = stage;
    const refusal = this.#refusal(destination);
    if (destination !== null && refusal === null) {
      const { maxBody } = this.#settings;
      const body = new Body(req, maxBody, this);
      this.#stage = { name: 'reading', destination, body };
      if (Number(req.headers['content-length'] ?? 0) > maxBody && this.outgrown([])) body.leave();
      return;
    }
    req.resume();
    this.#refuse(refusal ?? unknownPath(req.method ?? '', req.url ?? ''));
  }

  /** Why a request is refused, whatever its body is; null if it is not, or if it has no destination. */
  #refusal(destination: Destination | null): Reply | null {
    const req = this.#req;
    const { host, origin, expect } = req.headers;
    if (!admitPage(req, this.#res, this.#settings)) return foreignOrigin(origin ?? '');
    if (destination === null) return null;
    if (host === undefined && req.httpVersion === '1.1') return unreadableRequest('it has no Host header');
    return expect === undefined || /\b100-continue\b/i.test(expect) ? null : UNKNOWN_EXPECTATION;
  }

  outgrown(first: readonly Buffer[]): boolean {
    const stage = this.#stage;
    if (stage.name !== 'reading' || this.#settings.oversized === 'reject') return false;
    const { destination } = stage;
    this.#upload = new Upload(this.#req, first);
    this.#handle(() => this.#assign(NO_BODY, destination, unreadContent(destination)));
    return true;
  }

  flooded(): void {
    if (this.#stage.name === 'over') return;
    this.#res.shouldKeepAlive = false;
    this.#refuse(tooLarge(this.#settings.maxBody));
  }

  received(body: Buffer | null): void {
    const stage = this.#stage;
    if (stage.name !== 'reading') return;
    if (body === null) return this.#refuse(tooLarge(this.#settings.maxBody));
    const { destination } = stage;
    const encoding = this.#req.headers['content-encoding'];
    if (isEncoded(encoding)) {
      // `#decode` handles its own errors: its promise never rejects.
      void this.#decode(encoding, body, destination);
      return;
    }
    this.#handle(() => {
      const content = readContent(destination, body);
      if ('code' in content) this.#refuse(content);
      else this.#assign(body, destination, content);
    });
  }

  /** Looks into an encoded body to find out whose call it is. The body goes on as it came. */
  async #decode(encoding: string, body: Buffer, destination: Destination): Promise<void> {
    const { maxBody, oversized } = this.#settings;
    const text = await decodeBody(encoding, body, maxBody);
    // The client may have left meanwhile.
    if (this.#stage.name !== 'reading') return;
    this.#handle(() => {
      if (text === 'bomb' || (text === 'oversized' && oversized === 'reject'))
        this.#refuse(tooLarge(maxBody, 'decoded'));
      else this.#assign(body, destination, readEncoded(destination, typeof text === 'string' ? null : text));
    });
  }

  /** Does something with the request; an error of the gateway itself becomes an answer. */
  #handle(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#shared.log('error', 'a call could not be handled', { error: errorMessage(error) });
      this.#endUnassigned(replied(this.#res, INTERNAL, 'gateway_error'));
    }
  }

  /** Ends the exchange at once because the gateway shuts down. */
  cut(): void {
    this.#stop('cut');
  }

  /** Gives up an attempt that has been silent for too long. `nowMs`: as from the coarse clock. */
  expire(nowMs: number): void {
    if (this.#stage.name === 'serving') this.#stage.call.expire(nowMs);
  }

  /** Makes the answer, if it has not begun yet, tell the client that its connection ends with it. */
  closeAfter(): void {
    if (!this.#res.headersSent) this.#res.shouldKeepAlive = false;
  }

  /** The call, from its assignment to its end; null before and after. */
  get inFlight(): InFlight | null {
    return this.#stage.name === 'serving' ? this.#stage.call : null;
  }

  ended(row: Call, finish: () => void): void {
    this.#stage = OVER;
    this.#upload?.end();
    storeRow(this.#shared, row, () => this.#release(finish));
  }

  /**
   * What comes on a connection cannot be read any more. Returns whether this exchange uses the connection; then it
   * answers, if its own request is what cannot be read. `reply`: null if the client has left.
   */
  spoiled(socket: Socket, reply: Reply | null): boolean {
    if (this.#req.socket !== socket) return false;
    this.closeAfter();
    const { name } = this.#stage;
    if (this.#req.complete) this.#res.on('finish', () => socket.end());
    else if (name === 'serving' || reply === null) socket.destroy();
    else if (name !== 'over') this.#refuse(reply);
    return true;
  }

  #assign(body: Buffer, destination: Destination, content: CallContent): void {
    const shared = this.#shared;
    const { headers, rawHeaders, method = '' } = this.#req;
    const request = { arrivedAtUs: this.#arrivedAtUs, method, headers, rawHeaders, destination };
    const incoming = { ...request, body, upload: this.#upload, content };
    const assignment = assignCall(shared, incoming);
    const call = new AssignedCall(this, shared, this.#res, { incoming, assignment });
    this.#stage = { name: 'serving', call };
    call.start();
  }

  #stop(why: 'client_left' | 'cut'): void {
    const stage = this.#stage;
    if (stage.name === 'over') return;
    const { counters } = this.#shared;
    if (why === 'cut') counters.cut++;
    else counters.clientsLeft++;
    if (stage.name === 'serving') stage.call.stop(why);
    else this.#endUnassigned(stopped(this.#res, null, why));
  }

  /** Refuses a request that does not become a call. */
  #refuse(reply: Reply): void {
    this.#shared.counters.refused++;
    this.#endUnassigned(replied(this.#res, reply, 'gateway_error'));
  }

  #endUnassigned(ending: Ending): void {
    const stage = this.#stage;
    if (stage.name === 'serving' || stage.name === 'over') return;
    const kind = stage.destination === null ? 'native' : stage.destination.kind;
    const requestBytes = stage.name === 'reading' ? stage.body.bytes : 0;
    const key = { gatewayId: this.#shared.gatewayId, arrivedAtUs: this.#arrivedAtUs };
    const request = { ...key, kind, requestBytes };
    this.ended(unassignedRow(request, ending, this.#shared.nowUs()), ending.finish);
  }

  /** Lets the end of the answer go out, once. */
  #release(finish: () => void): void {
    if (this.index < 0) return;
    this.#shared.live.delete(this);
    try {
      finish();
    } catch (error) {
      this.#shared.log('error', 'an answer could not be sent', { error: errorMessage(error) });
      this.#res.destroy();
    }
  }
}
