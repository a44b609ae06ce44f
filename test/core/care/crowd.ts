import { RateLimit } from '../../../src/core/care/rate-limit.ts';
import { dice } from '../../support/dice.ts';

/** How a service counts calls: in windows that are reset, or continuously with a small reserve. */
export type Counting = 'windows' | 'continuous';

export const WINDOW_MS = 300_000;
const REFUSAL_MS = 60;
const ANSWER_MS = 3_000;
const PATIENCE_MS = 30_000;
const RESERVE = 20;

/** What the crowd asks of a rate limit. */
type Rate = Pick<RateLimit, 'limit' | 'nextAt' | 'send' | 'refused'>;

/** What happened in one window. */
export interface Seen {
  taken: number;
  refused: number;
  /** Calls that waited until their deadline. */
  lost: number;
}

/**
 * Agents that each make one call after the other, with a pause between, before a service that takes `limit(t)` calls in a
 * window of five minutes, through a `RateLimit` and a queue. It has its own clock.
 */
export class Crowd {
  readonly rate: Rate;
  readonly seen: Seen[] = [];
  readonly #counting: Counting;
  readonly #limit: (nowMs: number) => number;
  readonly #roll = dice(1);
  readonly #queue: number[] = [];
  #events: { atMs: number; happen: () => void }[] = [];
  #now = 0;
  #used = { window: -1, calls: 0 };
  #reserve = { calls: RESERVE, atMs: 0 };
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(
    counting: Counting,
    { agents, pauseMs, limit }: { agents: number; pauseMs: number; limit: (nowMs: number) => number },
    rate: Rate = new RateLimit(0),
  ) {
    this.#counting = counting;
    this.#limit = limit;
    this.rate = rate;
    const call = () => {
      this.#queue.push(this.#now);
      this.#drain(() => this.#at(this.#now + ANSWER_MS + this.#roll() * 2 * pauseMs, call));
    };
    for (let agent = 0; agent < agents; agent++) this.#at(this.#roll() * pauseMs, call);
    this.#again = () => this.#at(this.#now + this.#roll() * 2 * pauseMs, call);
  }

  readonly #again: () => void;

  /** Runs the events up to then. */
  runUntil(ms: number): void {
    for (;;) {
      const next = this.#events.at(-1);
      if (next === undefined || next.atMs > ms) break;
      this.#events.pop();
      this.#now = next.atMs;
      next.happen();
    }
    this.#now = ms;
  }

  /** The limit that was learned, in calls per window. */
  get learned(): number {
    return (this.rate.limit ?? 0) * (WINDOW_MS / 1_000);
  }

  #at(atMs: number, happen: () => void): void {
    let [low, high] = [0, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle] as { atMs: number }).atMs > atMs) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, { atMs, happen });
  }

  get #window(): Seen {
    return (this.seen[Math.floor(this.#now / WINDOW_MS)] ??= { taken: 0, refused: 0, lost: 0 });
  }

  #drain(answered: () => void): void {
    while (this.#queue.length > 0) {
      const [since = 0] = this.#queue;
      if (this.#now - since > PATIENCE_MS) {
        this.#queue.shift();
        this.#window.lost++;
        this.#again();
        continue;
      }
      const nextMs = this.rate.nextAt(this.#now);
      if (nextMs > this.#now) {
        if (nextMs >= this.#armedMs && this.#armedMs > this.#now) return;
        this.#armedMs = nextMs;
        this.#at(nextMs, () => this.#drain(answered));
        return;
      }
      this.#queue.shift();
      this.#send(since, answered);
    }
  }

  #send(since: number, answered: () => void): void {
    const outgoing = this.rate.send(this.#now, this.#queue.length > 0);
    if (this.#takes()) {
      this.#window.taken++;
      answered();
      return;
    }
    this.#window.refused++;
    this.#at(this.#now + REFUSAL_MS, () => {
      this.rate.refused(outgoing, this.#now, null);
      this.#at(this.#now + this.#roll() * 1_000, () => {
        this.#queue.unshift(since);
        this.#drain(answered);
      });
    });
  }

  #takes(): boolean {
    const limit = this.#limit(this.#now);
    if (this.#counting === 'windows') {
      const window = Math.floor(this.#now / WINDOW_MS);
      if (window !== this.#used.window) this.#used = { window, calls: 0 };
      return this.#used.calls >= limit ? false : ++this.#used.calls > 0;
    }
    const more = ((this.#now - this.#reserve.atMs) * limit) / WINDOW_MS;
    const calls = Math.min(RESERVE, this.#reserve.calls + more);
    this.#reserve = { calls: calls >= 1 ? calls - 1 : calls, atMs: this.#now };
    return calls >= 1;
  }
}
