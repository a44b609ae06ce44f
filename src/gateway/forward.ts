import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Attempt, Outcome } from '../core/call.ts';
import type { UpstreamKind } from '../core/route.ts';
import type { Target } from './targets.ts';

/** Who made an attempt and is told how it goes. Nothing is told any more once the attempt was discarded or cancelled. */
export interface AttemptOwner {
  nowUs(): number;
  /** Real ms on a coarse clock: good enough for timeouts, and free. */
  coarseMs(): number;
  answered(attempt: Try, status: number, headers: IncomingHttpHeaders): void;
  data(attempt: Try, chunk: Buffer): void;
  completed(attempt: Try): void;
  /** No answer, or not all of it. `error` is the dispatcher's. */
  broke(attempt: Try, outcome: Outcome, error: Error): void;
}

/** What an attempt sends. */
export interface Sending {
  readonly path: string;
  readonly method: string;
  readonly headers: string[];
  readonly body: Buffer | null;
  /** Real ms. */
  readonly firstByteMs: number;
  readonly betweenChunksMs: number;
}

// Enough for any error's body; reading it to the end saves the connection.
const MOST_DISCARDED = 64 * 1024;
const LONGEST_DISCARD_MS = 5_000;

/** One try at one upstream: the handler that the dispatcher calls as the answer arrives. */
export class Try implements Dispatcher.DispatchHandler {
  readonly upstream: UpstreamKind;
  readonly startedAtUs: number;
  status = 0;
  /** Null until it is known. */
  outcome: Outcome | null = null;
  firstByteAtUs: number | null = null;
  endedAtUs = 0;
  private readonly owner: AttemptOwner;
  private controller: Dispatcher.DispatchController | null = null;
  private sending: Sending | null = null;
  private lastSignAtMs = 0;
  private isPaused = false;
  private isIgnored = false;
  private isCancelled = false;
  private discarded = 0;

  constructor(owner: AttemptOwner, upstream: UpstreamKind, startedAtUs: number) {
    this.owner = owner;
    this.upstream = upstream;
    this.startedAtUs = startedAtUs;
  }

  send(target: Target, sending: Sending): void {
    this.sending = sending;
    this.lastSignAtMs = this.owner.coarseMs();
    target.dispatcher.dispatch(
      {
        origin: target.origin,
        path: target.prefix + sending.path,
        method: sending.method,
        headers: sending.headers,
        body: sending.body,
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      this,
    );
  }

  /**
   * Gives the attempt up where it has been silent for too long; `nowMs` as from the owner's `coarseMs`. The dispatcher's
   * own timers are off: they cost each call more than one look at all of them now and then.
   */
  expire(nowMs: number): void {
    const { sending } = this;
    if (this.isIgnored || this.isPaused || sending === null) return;
    const hasAnswer = this.status !== 0;
    if (nowMs - this.lastSignAtMs < (hasAnswer ? sending.betweenChunksMs : sending.firstByteMs)) return;
    const error = new Error('timed out');
    this.cancel();
    this.owner.broke(this, hasAnswer ? 'idle_timeout' : 'first_byte_timeout', error);
  }

  /** Notes how it ended, unless that is known already, and when. */
  settle(outcome: Outcome, nowUs: number): void {
    this.outcome ??= outcome;
    this.endedAtUs = nowUs;
  }

  /** Reads what is left of the answer without telling anybody. */
  discard(): void {
    this.isIgnored = true;
    this.controller?.resume();
    setTimeout(() => this.cancel(), LONGEST_DISCARD_MS).unref();
  }

  /** Gives the request up: the upstream sees its connection close. */
  cancel(): void {
    this.isIgnored = true;
    this.isCancelled = true;
    this.controller?.abort(new Error('cancelled'));
  }

  pause(): void {
    this.isPaused = true;
    this.controller?.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.lastSignAtMs = this.owner.coarseMs();
    this.controller?.resume();
  }

  /** What the ledger keeps of it. */
  toRow(arrivedAtUs: number): Attempt {
    return {
      upstream: this.upstream,
      startedAfterUs: this.startedAtUs - arrivedAtUs,
      status: this.status,
      outcome: this.outcome ?? 'cut',
      firstByteUs: this.firstByteAtUs === null ? null : this.firstByteAtUs - this.startedAtUs,
      durationUs: this.endedAtUs - this.startedAtUs,
    };
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.isCancelled) controller.abort(new Error('cancelled'));
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.isIgnored || status < 200) return;
    this.status = status;
    this.lastSignAtMs = this.owner.coarseMs();
    this.firstByteAtUs = this.owner.nowUs();
    this.owner.answered(this, status, headers);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.isIgnored) {
      this.lastSignAtMs = this.owner.coarseMs();
      this.owner.data(this, chunk);
    } else if ((this.discarded += chunk.length) > MOST_DISCARDED) this.cancel();
  }

  onResponseEnd(): void {
    if (!this.isIgnored) this.owner.completed(this);
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    if (this.isIgnored) return;
    this.isIgnored = true;
    this.owner.broke(this, outcomeOfError(error, this.status !== 0), error);
  }
}

/** What an HTTP status says about an attempt. */
export function outcomeOfStatus(status: number): Outcome {
  if (status < 400) return 'ok';
  if (status >= 500) return status === 503 ? 'unavailable' : 'server_error';
  if (status === 429) return 'rate_limited';
  if (status === 402) return 'no_credits';
  if (status === 401 || status === 403) return 'unauthorized';
  return status === 404 || status === 410 ? 'not_found' : 'client_error';
}

// undici 8: docs/docs/api/Errors.md. What failed before the answer began is the connection's fault, also where a reused
// connection was reset; bytes that are no HTTP are a broken answer.
function outcomeOfError(error: Error, hasAnswer: boolean): Outcome {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'UND_ERR_INVALID_ARG') return 'gateway_error';
  return hasAnswer || code.startsWith('HPE_') ? 'broken_stream' : 'connect_failed';
}
