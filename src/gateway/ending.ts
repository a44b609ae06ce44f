import type { ServerResponse } from 'node:http';
import type { Call } from '../core/call.ts';
import { errorMessage } from '../core/errors.ts';
import type { Outcome } from '../core/outcome.ts';
import type { UpstreamKind } from '../core/route.ts';
import type { Delivery } from './attempt/delivery.ts';
import {
  INTERNAL,
  INVALID_REQUEST,
  LOCAL_TROUBLE,
  sendReply,
  UPSTREAM_TIMEOUT,
  UPSTREAM_UNAVAILABLE,
} from './request/reply.ts';
import type { Reply } from './request/reply.ts';
import type { Shared } from './shared.ts';

/** How a call ends, for the client and for the ledger. */
export interface Ending {
  /** How the call ended for the client. */
  readonly outcome: Outcome;
  /** How the attempt that was under way ended. */
  readonly attemptOutcome: Outcome;
  /** The status that the client got or is about to get; 0 if it gets none. */
  readonly status: number;
  /** The upstream whose status that is; null if the gateway answers by itself, or if the client gets no status. */
  readonly servedBy: UpstreamKind | null;
  /** The upstream's answer, if one was being passed on. */
  readonly delivery: Delivery | null;
  readonly hasClientLeft: boolean;
  /** Sends the end of the answer, or closes the connection. It is called once, after the row is written. */
  readonly finish: () => void;
}

/** Who made a call from a request, and has the client's connection. */
export interface CallOwner {
  /** Called once. The row is to be stored first, and then `finish` sends the end of the answer. */
  ended(row: Call, finish: () => void): void;
}

/** Stores the row of a request that has ended. `release`: called once it is stored; lets the end of the answer go out. */
export function storeRow({ recorder, observer, log }: Shared, row: Call, release: () => void): void {
  try {
    recorder.record(row, release);
  } catch (error) {
    log('error', 'a call could not be recorded', { error: errorMessage(error) });
    release();
  }
  observer.ended(row);
}

/** The upstream's answer is complete. */
export function delivered(delivery: Delivery): Ending {
  const outcome = delivery.judge();
  const finish = delivery.finish();
  return { ...servedBy(delivery), outcome, attemptOutcome: outcome, hasClientLeft: false, finish };
}

/**
 * An attempt broke, and no other follows. If a part of the answer has reached the client, the connection is closed.
 * Otherwise the gateway says why there is none. `error`: from the dispatcher.
 */
export function brokenOff(res: ServerResponse, delivery: Delivery | null, outcome: Outcome, error: Error): Ending {
  if (outcome === 'gateway_error') return replied(res, 'code' in error ? INVALID_REQUEST : INTERNAL, outcome);
  if (delivery === null || !res.headersSent) {
    if (outcome === 'local_error') return replied(res, LOCAL_TROUBLE, outcome);
    return replied(res, outcome.endsWith('_timeout') ? UPSTREAM_TIMEOUT : UPSTREAM_UNAVAILABLE, outcome);
  }
  const finish = () => void res.destroy();
  return { ...servedBy(delivery), outcome, attemptOutcome: outcome, hasClientLeft: false, finish };
}

/** The gateway answers by itself. */
export function replied(res: ServerResponse, reply: Reply, outcome: Outcome): Ending {
  const { status } = reply;
  const finish = () => sendReply(res, reply);
  return { outcome, attemptOutcome: outcome, status, servedBy: null, delivery: null, hasClientLeft: false, finish };
}

/** The client has left, or the gateway shuts down. A stream in which the model had finished counts as answered. */
export function stopped(res: ServerResponse, delivery: Delivery | null, why: 'client_left' | 'cut'): Ending {
  const isComplete = delivery !== null && delivery.isComplete;
  const hasClientLeft = why === 'client_left';
  const served = delivery !== null && res.headersSent ? servedBy(delivery) : { status: 0, servedBy: null, delivery };
  return {
    ...served,
    outcome: isComplete && hasClientLeft ? 'ok' : why,
    attemptOutcome: isComplete ? 'ok' : why,
    hasClientLeft,
    finish: () => void res.destroy(),
  };
}

function servedBy(delivery: Delivery): Pick<Ending, 'status' | 'servedBy' | 'delivery'> {
  return { status: delivery.status, servedBy: delivery.upstream, delivery };
}
