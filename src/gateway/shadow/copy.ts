import type { IncomingHttpHeaders } from 'node:http';
import { knownAfterUs } from '../../core/call.ts';
import type { Arrival, Shadow } from '../../core/call.ts';
import type { Outcome } from '../../core/outcome.ts';
import { errorMessage } from '../../core/errors.ts';
import { Attempt } from '../attempt/attempt.ts';
import type { AttemptOwner } from '../attempt/attempt.ts';
import { Meter } from '../attempt/meter.ts';
import type { OutboundRequest } from '../attempt/outbound.ts';
import { outcomeOfStatus, saysPaused } from '../attempt/outcome.ts';
import { isEventStream, isPlain } from '../request/headers.ts';
import type { Shared } from '../shared.ts';

/** Real ms after which an answer that still streams is cut. */
const LONGEST_MS = 600_000;

/** One copy of a live call, sent to an endpoint: its answer is read, measured and discarded. */
export class Copy implements AttemptOwner {
  index = -1;
  readonly #shared: Shared;
  readonly #arrival: Arrival;
  readonly #request: OutboundRequest;
  readonly #startedAfterUs: number;
  readonly #ended: (copy: Copy) => void;
  readonly #attempt: Attempt;
  readonly #startedMs: number;
  #meter: Meter | null = null;
  #firstTokenAtUs: number | null = null;
  #isOver = false;

  /** `startedAfterUs`: from the live call's arrival to its attempt. `ended` is called once. */
  constructor(
    shared: Shared,
    arrival: Arrival,
    request: OutboundRequest,
    startedAfterUs: number,
    ended: (copy: Copy) => void,
  ) {
    this.#shared = shared;
    this.#arrival = arrival;
    this.#request = request;
    this.#startedAfterUs = startedAfterUs;
    this.#ended = ended;
    this.#startedMs = shared.coarse.nowMs;
    this.#attempt = new Attempt(this, shared, request, shared.nowUs());
  }

  start(): void {
    const { url, connectMs } = this.#request;
    try {
      this.#attempt.send(this.#shared.targets.of(url, connectMs));
    } catch (error) {
      this.#shared.log('error', 'a copy could not be sent', { error: errorMessage(error) });
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

  answered(attempt: Attempt, status: number, headers: IncomingHttpHeaders): void {
    // A 400 is read to its end, since it may say that the endpoint is paused.
    if (status <= 400) {
      this.#meter = new Meter(isPlain(headers) && isEventStream(headers));
      return;
    }
    attempt.discard();
    this.#end(outcomeOfStatus(status));
  }

  data(attempt: Attempt, chunk: Buffer): void {
    if ((this.#meter as Meter).chunk(chunk) && attempt.status < 400) this.#firstTokenAtUs = this.#shared.nowUs();
  }

  completed(attempt: Attempt): void {
    const meter = this.#meter as Meter;
    if (attempt.status < 400) this.#end(meter.hasFailed ? 'server_error' : 'ok');
    else this.#end(saysPaused(meter.tailText()) ? 'paused' : outcomeOfStatus(attempt.status));
  }

  broke(_: Attempt, outcome: Outcome): void {
    this.#end(outcome);
  }

  #end(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const shared = this.#shared;
    const arrival = this.#arrival;
    this.#attempt.settle(outcome, shared.nowUs());
    const shadow = this.#toShadow();
    this.#ended(this);
    try {
      shared.recorder.recordShadow(shadow);
    } catch (error) {
      shared.log('error', 'a copy could not be recorded', { error: errorMessage(error) });
    }
    shared.observer.shadowed(arrival, shadow);
  }

  #toShadow(): Shadow {
    const arrival = this.#arrival;
    const startedAfterUs = this.#startedAfterUs;
    const firstTokenAtUs = this.#firstTokenAtUs;
    // Times are given as if the copy had been sent at the same moment as the live call.
    const asIfArrivedAtUs = this.#attempt.startedAtUs - startedAfterUs;
    const row = this.#attempt.toRow(asIfArrivedAtUs);
    const usage = this.#meter === null ? null : this.#meter.usage;
    return {
      gatewayId: arrival.gatewayId,
      arrivedAtUs: arrival.arrivedAtUs,
      rolloutId: arrival.rolloutId as string,
      status: row.status,
      outcome: row.outcome,
      knownAfterUs: knownAfterUs(row),
      firstByteUs: row.firstByteUs === null ? null : startedAfterUs + row.firstByteUs,
      firstTokenUs: firstTokenAtUs === null ? null : firstTokenAtUs - asIfArrivedAtUs,
      durationUs: startedAfterUs + row.durationUs,
      promptTokens: usage === null ? null : usage.promptTokens,
      outputTokens: usage === null ? null : usage.outputTokens,
    };
  }
}
