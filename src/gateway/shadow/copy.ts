import type { IncomingHttpHeaders } from 'node:http';
import { knownAfterUs } from '../../core/call.ts';
import type { Arrival, Outcome, Shadow } from '../../core/call.ts';
import { errorMessage } from '../../core/errors.ts';
import { Try } from '../attempt/attempt.ts';
import type { AttemptOwner } from '../attempt/attempt.ts';
import { Meter } from '../attempt/meter.ts';
import type { Sending } from '../attempt/outbound.ts';
import { outcomeOfStatus, tellsPaused } from '../attempt/outcome.ts';
import { isEventStream, isPlain } from '../request/headers.ts';
import type { Shared } from '../shared.ts';

/** Real ms: an answer that still streams then is cut. */
const LONGEST_MS = 600_000;

/** One copy of a live call at an endpoint: its answer is read, measured and thrown away. */
export class Copy implements AttemptOwner {
  place = -1;
  private readonly shared: Shared;
  private readonly arrival: Arrival;
  private readonly sending: Sending;
  private readonly startedAfterUs: number;
  private readonly ended: (copy: Copy) => void;
  private readonly attempt: Try;
  private readonly startedMs: number;
  private meter: Meter | null = null;
  private firstTokenAtUs: number | null = null;
  private isOver = false;

  /** `startedAfterUs`: from the live call's arrival to its attempt. `ended` is called once. */
  constructor(shared: Shared, arrival: Arrival, sending: Sending, startedAfterUs: number, ended: (copy: Copy) => void) {
    this.shared = shared;
    this.arrival = arrival;
    this.sending = sending;
    this.startedAfterUs = startedAfterUs;
    this.ended = ended;
    this.startedMs = shared.coarse.nowMs;
    this.attempt = new Try(this, shared, sending, shared.nowUs());
  }

  start(): void {
    const { url, connectMs } = this.sending;
    try {
      this.attempt.send(this.shared.targets.of(url, connectMs));
    } catch (error) {
      this.shared.log('error', 'a copy could not be sent', { error: errorMessage(error) });
      this.end('gateway_error');
    }
  }

  /** Gives it up where it has been silent, or has lasted, for too long; `nowMs` as from the coarse clock. */
  expire(nowMs: number): void {
    if (nowMs - this.startedMs < LONGEST_MS) this.attempt.expire(nowMs);
    else this.cut();
  }

  /** Ends it at once. */
  cut(): void {
    this.attempt.cancel();
    this.end('cut');
  }

  answered(attempt: Try, status: number, headers: IncomingHttpHeaders): void {
    // A 400 is read to its end, since it may say that the endpoint is paused.
    if (status <= 400) {
      this.meter = new Meter(isPlain(headers) && isEventStream(headers));
      return;
    }
    attempt.discard();
    this.end(outcomeOfStatus(status));
  }

  data(attempt: Try, chunk: Buffer): void {
    if ((this.meter as Meter).chunk(chunk) && attempt.status < 400) this.firstTokenAtUs = this.shared.nowUs();
  }

  completed(attempt: Try): void {
    const meter = this.meter as Meter;
    if (attempt.status < 400) this.end(meter.hasFailed ? 'server_error' : 'ok');
    else this.end(tellsPaused(meter.tailText()) ? 'paused' : outcomeOfStatus(attempt.status));
  }

  broke(_: Try, outcome: Outcome): void {
    this.end(outcome);
  }

  private end(outcome: Outcome): void {
    if (this.isOver) return;
    this.isOver = true;
    const { shared, arrival } = this;
    this.attempt.settle(outcome, shared.nowUs());
    const shadow = this.toShadow();
    this.ended(this);
    try {
      shared.recorder.recordShadow(shadow);
    } catch (error) {
      shared.log('error', 'a copy could not be recorded', { error: errorMessage(error) });
    }
    shared.observer.shadowed(arrival, shadow);
  }

  private toShadow(): Shadow {
    const { arrival, startedAfterUs, firstTokenAtUs } = this;
    // As if it had set out together with the live call.
    const asIfArrivedAtUs = this.attempt.startedAtUs - startedAfterUs;
    const row = this.attempt.toRow(asIfArrivedAtUs);
    const usage = this.meter === null ? null : this.meter.usage;
    return {
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
