import { knownAfterUs } from '../../core/call.ts';
import type { Arrival, Shadow } from '../../core/call.ts';
import type { Outcome } from '../../core/outcome.ts';
import { errorMessage } from '../../core/errors.ts';
import { Attempt } from '../attempt/attempt.ts';
import type { AttemptOwner } from '../attempt/attempt.ts';
import { readerFor } from '../attempt/answer-reader.ts';
import type { AnswerReader } from '../attempt/answer-reader.ts';
import type { OutboundRequest } from '../attempt/outbound.ts';
import { outcomeOfStatus, saysPaused } from '../attempt/outcome.ts';
import { mustBeRead, refusalOutcome } from '../overflow/answer-outcome.ts';
import type { AnswerPair } from '../form/answer-pair.ts';
import type { Learned } from '../form/forms.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import type { Shared } from '../shared.ts';
import type { AnswerHeaders } from '../request/headers.ts';

/** Real ms after which an answer that still streams is cut. */
const LONGEST_MS = 600_000;
const LARGEST_ERROR = 64 * 1024;

/** Refusals that are read to their end: they may say that the endpoint is paused or full, or what it takes at most. */
const READ: ReadonlySet<number> = new Set([400, 413, 422, 503]);

/** The live call of a copy. */
interface Original {
  readonly arrival: Arrival;
  readonly incoming: IncomingCall;
  readonly pair: AnswerPair;
  /** From its arrival to its attempt. */
  readonly startedAfterUs: number;
}

/** One copy of a live call, sent to an endpoint: its answer is read, measured and discarded. */
export class Copy implements AttemptOwner {
  index = -1;
  readonly #shared: Shared;
  readonly #live: Original;
  readonly #request: OutboundRequest;
  readonly #ended: (copy: Copy) => void;
  readonly #attempt: Attempt;
  readonly #startedMs: number;
  #reader: AnswerReader | null = null;
  /** The body of a refusal that is read. */
  #errorText = '';
  #firstTokenAtUs: number | null = null;
  #isOver = false;

  /** `ended` is called once. */
  constructor(shared: Shared, live: Original, request: OutboundRequest, ended: (copy: Copy) => void) {
    this.#shared = shared;
    this.#live = live;
    this.#request = request;
    this.#ended = ended;
    this.#startedMs = shared.coarse.nowMs;
    this.#attempt = new Attempt(this, shared, request, shared.nowUs());
  }

  start(): void {
    const { url, connectMs } = this.#request;
    try {
      this.#attempt.countAt(this.#shared.gates.of(url));
      this.#attempt.send(this.#shared.targets.of(url, connectMs));
    } catch (error) {
      this.#shared.log('error', 'a copy could not be sent', { error: errorMessage(error) });
      this.#attempt.cancel();
      this.#end('gateway_error');
    }
  }

  /** Gives it up if it has been silent, or has lasted, for too long. `nowMs`: from the coarse clock. */
  expire(nowMs: number): void {
    if (nowMs - this.#startedMs < LONGEST_MS) this.#attempt.expire(nowMs);
    else this.cut();
  }

  /** Ends it at once. */
  cut(): void {
    this.#attempt.cancel();
    this.#end('cut');
  }

  answered(attempt: Attempt, status: number, headers: AnswerHeaders): void {
    const outcome = outcomeOfStatus(status, attempt.upstream);
    // Only shapes of OpenAI's and Anthropic's formats are split, so that only those are copied.
    if (outcome === 'ok') this.#reader = readerFor(headers, true, this.#shared.forms.memoryFor(this.#live.incoming));
    else if (status === 429 || (status === 503 && !mustBeRead(status, headers))) {
      this.#leave(attempt, refusalOutcome(attempt, null));
    } else if (!READ.has(status)) this.#leave(attempt, outcome);
  }

  #leave(attempt: Attempt, outcome: Outcome): void {
    attempt.discard();
    this.#end(outcome);
  }

  data(_: Attempt, chunk: Buffer): void {
    if (this.#reader === null) {
      if (this.#errorText.length < LARGEST_ERROR) this.#errorText += chunk.toString('latin1');
    } else if (this.#reader.chunk(chunk)) this.#firstTokenAtUs = this.#shared.nowUs();
  }

  completed(attempt: Attempt): void {
    if (this.#reader !== null) return this.#end(this.#reader.end());
    const { status, upstream } = attempt;
    const body = this.#errorText;
    if (status === 503) return this.#end(refusalOutcome(attempt, body));
    this.#shared.limits.learn(this.#request.url, body);
    this.#end(status === 400 && saysPaused(body) ? 'paused' : outcomeOfStatus(status, upstream));
  }

  broke(attempt: Attempt, outcome: Outcome, error: Error): void {
    this.#shared.unreached.note(outcome, attempt.origin, error, this.#shared.coarse.nowMs);
    // A rejection is one, whatever becomes of its body.
    if (attempt.status >= 400) this.completed(attempt);
    else this.#end(outcome);
  }

  #end(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const shared = this.#shared;
    const { arrival, incoming, pair } = this.#live;
    this.#attempt.settle(outcome, shared.nowUs());
    const learned = shared.forms.ended(incoming, outcome === 'ok' ? this.#reader : null, pair);
    this.#reader?.release();
    const shadow = this.#toShadow(learned);
    this.#ended(this);
    try {
      shared.recorder.recordShadow(shadow);
    } catch (error) {
      shared.log('error', 'a copy could not be recorded', { error: errorMessage(error) });
    }
    shared.observer.shadowed(arrival, shadow);
  }

  #toShadow(learned: Learned): Shadow {
    const { arrival, startedAfterUs } = this.#live;
    const firstTokenAtUs = this.#firstTokenAtUs;
    // Times are given as if the copy had been sent at the same moment as the live call.
    const asIfArrivedAtUs = this.#attempt.startedAtUs - startedAfterUs;
    const row = this.#attempt.toRow(asIfArrivedAtUs);
    const reader = this.#reader;
    const hasOutput = reader === null || row.outcome !== 'ok' ? null : reader.hasOutput;
    return {
      gatewayId: arrival.gatewayId,
      arrivedAtUs: arrival.arrivedAtUs,
      rolloutId: arrival.rolloutId as string,
      status: row.status,
      outcome: row.outcome,
      knownAfterUs: knownAfterUs(row, null),
      firstByteUs: row.firstByteUs === null ? null : startedAfterUs + row.firstByteUs,
      firstTokenUs: firstTokenAtUs === null ? null : firstTokenAtUs - asIfArrivedAtUs,
      durationUs: startedAfterUs + row.durationUs,
      promptTokens: reader === null ? null : reader.usage.promptTokens,
      outputTokens: reader === null ? null : reader.usage.outputTokens,
      isEmpty: hasOutput === null ? null : !hasOutput,
      ...learned,
    };
  }
}
