import { Rates } from '../../../src/core/care/rates.ts';
import type { Caller, Sent } from '../../../src/core/care/rates.ts';
import { dice } from '../../support/dice.ts';
import { WINDOW_MS } from './crowd.ts';
import type { Counting } from './crowd.ts';

const PATIENCE_MS = 30_000;
const RESERVE = 20;
const MOST_TRIES = 6;

/** A span of a day in which calls arrive at a steady rate. */
export interface Span {
  readonly ms: number;
  readonly perSecond: number;
}

/** How long a refusal takes, ms: always the same, or so differently that refusals overtake each other. */
const REFUSAL_MS = { even: () => 60, uneven: (roll: () => number) => 100 - Math.log(1 - roll()) * 400 };

/** What a day is like. */
export interface Weather {
  readonly counting: Counting;
  /** Calls that the service takes in five minutes. */
  readonly limit: number;
  /** How long its refusals take. */
  readonly refusals: keyof typeof REFUSAL_MS;
  /** Whose calls they are: each call has one of so many credentials. */
  readonly credentials: number;
}

/** What happened in one window of the service. */
interface WindowSeen {
  taken: number;
  /** Calls that were given up before they were sent, because they would have waited for too long. */
  givenUp: number;
}

interface Waiting {
  readonly caller: Caller;
  readonly sinceMs: number;
  tries: number;
}

/**
 * A day of calls that come whether or not earlier ones were answered, as from a swarm with work to do, before a service
 * that takes `limit` calls in five minutes, through `Rates` and a queue. It has its own clock.
 */
export class Day {
  readonly rates = new Rates(180_000);
  /** Calls that the service refused. */
  refused = 0;
  readonly windows: WindowSeen[] = [];
  /** The least and the most that was learned, calls in five minutes; null until something was. */
  learned: { readonly least: number; readonly most: number } | null = null;
  readonly #weather: Weather;
  readonly #roll;
  readonly #events: { readonly atMs: number; readonly happen: () => void }[] = [];
  readonly #queue: Waiting[] = [];
  #now = 0;
  #armedMs = Number.POSITIVE_INFINITY;
  #used = { window: -1, calls: 0 };
  #reserve = { calls: RESERVE, atMs: 0 };

  constructor(weather: Weather, seed: number) {
    this.#weather = weather;
    this.#roll = dice(seed);
  }

  /** Lives through the spans, one after the other. `learned` begins anew. */
  live(spans: readonly Span[]): void {
    let fromMs = this.#now;
    this.learned = null;
    for (const { ms, perSecond } of spans) {
      const untilMs = fromMs + ms;
      const arrive = () => {
        this.#arrived();
        next();
      };
      const next = () => {
        const atMs = this.#now - (Math.log(1 - this.#roll()) * 1_000) / perSecond;
        if (atMs < untilMs) this.#at(atMs, arrive);
      };
      this.#runUntil(fromMs);
      next();
      this.#runUntil(untilMs);
      fromMs = untilMs;
    }
  }

  #runUntil(ms: number): void {
    for (let next = this.#events.at(-1); next !== undefined && next.atMs <= ms; next = this.#events.at(-1)) {
      this.#events.pop();
      this.#now = next.atMs;
      next.happen();
      this.#look();
    }
    this.#now = ms;
  }

  #look(): void {
    const { limit } = this.rates.shared;
    if (limit === null) return;
    const learned = (limit * WINDOW_MS) / 1_000;
    const { least, most } = this.learned ?? { least: learned, most: learned };
    if (this.learned === null || learned < least || learned > most)
      this.learned = { least: Math.min(least, learned), most: Math.max(most, learned) };
  }

  #at(atMs: number, happen: () => void): void {
    const events = this.#events;
    let [low, high] = [0, events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((events[middle]?.atMs ?? 0) > atMs) low = middle + 1;
      else high = middle;
    }
    events.splice(low, 0, { atMs, happen });
  }

  get #window(): WindowSeen {
    return (this.windows[Math.floor(this.#now / WINDOW_MS)] ??= { taken: 0, givenUp: 0 });
  }

  #arrived(): void {
    const caller = { credential: `${Math.floor(this.#roll() * this.#weather.credentials)}` };
    const limit = this.rates.limitOf(caller);
    const firstMs = Math.max(0, this.rates.nextAt(caller, this.#now) - this.#now);
    const waitMs = firstMs + (limit === null ? 0 : (this.#queue.length / limit) * 1_000);
    if (waitMs > PATIENCE_MS) this.#window.givenUp++;
    else {
      this.#queue.push({ caller, sinceMs: this.#now, tries: 0 });
      this.#drain();
    }
  }

  #drain(): void {
    for (let [call] = this.#queue; call !== undefined; [call] = this.#queue) {
      const nextMs = this.rates.nextAt(call.caller, this.#now);
      if (this.#now - call.sinceMs > PATIENCE_MS) {
        this.#queue.shift();
        this.#window.givenUp++;
        continue;
      }
      if (nextMs > this.#now) {
        if (this.#armedMs > this.#now && this.#armedMs <= nextMs) return;
        this.#armedMs = nextMs;
        this.#at(nextMs, () => this.#drain());
        return;
      }
      this.#queue.shift();
      this.#send(call);
    }
  }

  #send(call: Waiting): void {
    const sent: Sent = this.rates.send(call.caller, this.#now, this.#queue.length > 0);
    if (this.#takes()) {
      this.#window.taken++;
      this.#at(this.#now + 500 + this.#roll() * 5_000, () => {
        this.rates.taken(sent, this.#now);
        this.#drain();
      });
      return;
    }
    this.#at(this.#now + REFUSAL_MS[this.#weather.refusals](this.#roll), () => {
      this.refused++;
      this.rates.refused(sent, this.#now, null);
      const pauseMs = this.#roll() * Math.min(16_000, 1_000 * 2 ** call.tries);
      const again = () => {
        this.#queue.unshift(call);
        this.#drain();
      };
      if (++call.tries < MOST_TRIES) this.#at(this.#now + pauseMs, again);
      this.#drain();
    });
  }

  #takes(): boolean {
    if (this.#weather.counting === 'windows') {
      const window = Math.floor(this.#now / WINDOW_MS);
      if (window !== this.#used.window) this.#used = { window, calls: 0 };
      return this.#used.calls < this.#weather.limit && ++this.#used.calls > 0;
    }
    const more = ((this.#now - this.#reserve.atMs) * this.#weather.limit) / WINDOW_MS;
    const calls = Math.min(RESERVE, this.#reserve.calls + more);
    this.#reserve = { calls: calls >= 1 ? calls - 1 : calls, atMs: this.#now };
    return calls >= 1;
  }
}
