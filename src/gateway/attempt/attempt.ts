import type { Dispatcher } from 'undici';
import type { AttemptRecord } from '../../core/call.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { UpstreamKind } from '../../core/route.ts';
import type { OutboundRequest } from './outbound.ts';
import { outcomeOfError } from './outcome.ts';
import { codeOf } from './unreached.ts';
import type { Target } from './targets.ts';
import type { EndpointGate } from '../overflow/endpoint-gate.ts';
import type { AnswerHeaders } from '../request/headers.ts';

/** The clocks of an attempt. */
export interface Clocks {
  /** Epoch µs. */
  nowUs(): number;
  /** Real ms, updated every 50 ms: exact enough for timeouts, and reading it costs nothing. */
  readonly coarse: { readonly nowMs: number };
}

/** Receives the answer to an attempt. It is not called any more once the attempt is discarded or cancelled. */
export interface AttemptOwner {
  answered(attempt: Attempt, status: number, headers: AnswerHeaders): void;
  data(attempt: Attempt, chunk: Buffer): void;
  completed(attempt: Attempt): void;
  /** There was no answer, or it was not complete. `error`: from the dispatcher. */
  broke(attempt: Attempt, outcome: Outcome, error: Error): void;
}

/** What an attempt has received and not reported. */
interface Held {
  readonly headers: AnswerHeaders | null;
  readonly chunks: Buffer[];
  bytes: number;
  /** Reports how the answer ended; null while it goes on. */
  end: (() => void) | null;
  /** Called once, when the answer has ended or when as much of it is held as may be; null: not called. */
  whenHeld: (() => void) | null;
}

/** So many bytes of an answer that may be passed on later are kept. Beyond that, reading waits. */
const MOST_HELD = 64 * 1024;
const MOST_DISCARDED = 64 * 1024; // Enough for an error: read to its end, the connection can be used again.
const LONGEST_DISCARD_MS = 5_000;

/** One request to one upstream: the handler that the dispatcher calls as the answer arrives. */
export class Attempt implements Dispatcher.DispatchHandler {
  readonly upstream: UpstreamKind;
  readonly startedAtUs: number;
  status = 0;
  /** Null until it is known. */
  outcome: Outcome | null = null;
  /** Code of the dispatcher's error that ended it; empty if there is none. */
  errorCode = '';
  firstByteAtUs: number | null = null;
  endedAtUs = 0;
  #owner: AttemptOwner;
  readonly #clocks: Clocks;
  readonly #request: OutboundRequest;
  #controller: Dispatcher.DispatchController | null = null;
  readonly #sentAtMs: number;
  #lastSignAtMs = 0;
  #isPaused = false;
  /** What the owner has not been told yet; null if it is told everything at once. */
  #held: Held | null = null;
  #isIgnored = false;
  #isCancelled = false;
  #discarded = 0;
  /** Where it counts as under way; null if it does not, or not any more. */
  #gate: EndpointGate | null = null;
  /** Its number there. */
  #number = 0;

  constructor(owner: AttemptOwner, clocks: Clocks, request: OutboundRequest, startedAtUs: number) {
    this.#owner = owner;
    this.#clocks = clocks;
    this.#request = request;
    this.upstream = request.upstream;
    this.startedAtUs = startedAtUs;
    this.#sentAtMs = clocks.coarse.nowMs;
    this.#lastSignAtMs = this.#sentAtMs;
  }

  /** Counts as under way at an endpoint until it ends in any way. Called before it is sent. */
  countAt(gate: EndpointGate): void {
    this.#gate = gate;
    this.#number = gate.begin();
  }

  /** It ended because the endpoint says that it has no room. Returns whether that is believed. */
  wasRefused(): boolean {
    return this.#gate?.refused(this.#number) ?? false;
  }

  #leaveGate(): void {
    const gate = this.#gate;
    this.#gate = null;
    gate?.end();
  }

  send(target: Target): void {
    const request = this.#request;
    target.dispatcher.dispatch(
      {
        origin: target.origin,
        path: target.prefix + request.path,
        method: request.method,
        headers: request.headers,
        body: request.body,
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      this,
    );
  }

  /**
   * Gives the attempt up if it has been silent, or has gone on, for too long. `nowMs`: from the coarse clock. The
   * dispatcher's own timers are off, because they cost each call more than checking all attempts from time to time.
   */
  expire(nowMs: number): void {
    const request = this.#request;
    if (this.#isIgnored) return;
    const hasAnswer = this.status !== 0;
    const isSilent =
      !this.#isPaused && nowMs - this.#lastSignAtMs >= (hasAnswer ? request.betweenChunksMs : request.firstByteMs);
    if (!isSilent && nowMs - this.#sentAtMs < request.totalMs) return;
    const outcome = !isSilent ? 'total_timeout' : hasAnswer ? 'idle_timeout' : this.#lateOutcome();
    this.cancel();
    this.#report(() => this.#owner.broke(this, outcome, new Error('timed out')));
  }

  /** An endpoint whose first byte is late has no room, if it answers other calls and is known to be full. */
  #lateOutcome(): Outcome {
    return this.#gate?.late(this.#number) === true ? 'saturated' : 'first_byte_timeout';
  }

  /** Scheme, host and port of the upstream. */
  get origin(): string {
    return new URL(this.#request.url).origin;
  }

  /** Notes when it ended, and how, unless that is known already. */
  settle(outcome: Outcome, nowUs: number): void {
    this.outcome ??= outcome;
    if (this.endedAtUs === 0) this.endedAtUs = nowUs;
  }

  /** Whether there was a connection to the upstream, on which it was sent. */
  get hasConnected(): boolean {
    return this.#controller !== null;
  }

  /** Gives the attempt to another owner, which gets what is not reported yet. */
  handTo(owner: AttemptOwner): void {
    this.#owner = owner;
  }

  /**
   * Reads on, but keeps what comes until `giveBack`. `headers`: of the answer, which the owner knows; null: none.
   * `whenHeld`: called when the answer has ended, or when as much of it is held as may be.
   */
  hold(headers: AnswerHeaders | null, whenHeld: (() => void) | null = null): void {
    this.#held = { headers, chunks: [], bytes: 0, end: null, whenHeld };
  }

  /** What is held of the answer's body, one character for each byte. */
  get heldText(): string {
    return this.#held === null ? '' : Buffer.concat(this.#held.chunks).toString('latin1');
  }

  /** Reports the answer from its beginning. False, and nothing is reported, if the attempt holds none. */
  giveBack(): boolean {
    const held = this.#held;
    if (held === null || held.headers === null) return false;
    this.#held = null;
    this.#isPaused = false;
    this.#owner.answered(this, this.status, held.headers);
    for (const chunk of held.chunks) this.#owner.data(this, chunk);
    if (held.end !== null) held.end();
    // If the client does not take it as fast, the owner resumes later.
    else if (!this.#isPaused) this.#resumeSoon();
    return true;
  }

  /** Ignores the rest of the answer, but reads it. */
  discard(): void {
    this.#isIgnored = true;
    this.#held = null;
    this.#leaveGate();
    this.#resumeSoon();
    setTimeout(() => this.cancel(), LONGEST_DISCARD_MS).unref();
  }

  /** Gives the request up: the connection to the upstream is closed. */
  cancel(): void {
    this.#isIgnored = true;
    this.#isCancelled = true;
    this.#leaveGate();
    this.#controller?.abort(new Error('cancelled'));
  }

  /** Stops reading the answer. */
  pause(): void {
    this.#isPaused = true;
    this.#controller?.pause();
  }

  /** Reads the answer again. */
  resume(): void {
    this.#isPaused = false;
    this.#lastSignAtMs = this.#clocks.coarse.nowMs;
    this.#controller?.resume();
  }

  /** Resumes in a turn of its own: the dispatcher must not read one answer while it reports a piece of another one. */
  #resumeSoon(): void {
    setImmediate(() => this.resume());
  }

  /** What the ledger stores of it. `arrivedAtUs`: the call's arrival, epoch µs. */
  toRow(arrivedAtUs: number): AttemptRecord {
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
    this.#controller = controller;
    if (this.#isCancelled) controller.abort(new Error('cancelled'));
  }

  /** A piece of a body that streams was sent. */
  onBodySent(): void {
    this.#lastSignAtMs = this.#clocks.coarse.nowMs;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    if (this.#isIgnored || status < 200) return;
    this.status = status;
    this.#lastSignAtMs = this.#clocks.coarse.nowMs;
    this.firstByteAtUs = this.#clocks.nowUs();
    if (status < 300) this.#gate?.answered();
    this.#owner.answered(this, status, headers);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#isIgnored) {
      this.#lastSignAtMs = this.#clocks.coarse.nowMs;
      if (this.#held === null) this.#owner.data(this, chunk);
      else this.#keep(this.#held, chunk);
    } else if ((this.#discarded += chunk.length) > MOST_DISCARDED) this.cancel();
  }

  onResponseEnd(): void {
    if (!this.#isIgnored) this.#over(() => this.#owner.completed(this));
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#isIgnored) return;
    this.#isIgnored = true;
    if (this.status === 0) this.#gate?.load.failed();
    this.errorCode = codeOf(error);
    this.#over(() => this.#owner.broke(this, outcomeOfError(error, this.status !== 0), error));
  }

  #keep(held: Held, chunk: Buffer): void {
    held.chunks.push(chunk);
    held.bytes += chunk.length;
    if (held.bytes <= MOST_HELD) return;
    this.pause();
    tellHeld(held);
  }

  /** Reports the end. It counts as under way meanwhile, because the report may be of a refusal for lack of room. */
  #over(end: () => void): void {
    try {
      this.#report(end);
    } finally {
      this.#leaveGate();
    }
  }

  #report(end: () => void): void {
    const held = this.#held;
    if (held === null) return end();
    held.end = end;
    tellHeld(held);
  }
}

function tellHeld(held: Held): void {
  const { whenHeld } = held;
  held.whenHeld = null;
  whenHeld?.();
}
