import { FairQueue } from '../../src/core/care/fair-queue.ts';
import { Rates } from '../../src/core/care/rates.ts';
import { EndpointLoad } from '../../src/core/overflow/endpoint-load.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { Events } from './events.ts';
import { Engine, REFUSAL_MS, Serverless } from './sides.ts';
import type { LoadedCall } from './sides.ts';

/** How a route is served. */
export interface Setup {
  readonly replicas: number;
  /** Where calls go for which the endpoint has no room: into its queue, or to serverless. */
  readonly overflows: boolean;
}

/** What both sides are like. */
export interface SidesOptions {
  /** Calls that serverless takes in five minutes. */
  readonly serverlessLimit: number;
  /** Calls that one replica takes at once. */
  readonly places: number;
}

/** What became of the calls. */
export interface Played {
  /** From the arrival to the end of the answer, ms, in no order. */
  readonly tookMs: readonly number[];
  readonly onServerless: readonly LoadedCall[];
  readonly onEndpoint: number;
  /** Calls that nobody answered: they would have waited for longer than `care.maxWait`. */
  readonly refused: number;
  /** Refusals of the endpoint that were not believed to be for lack of room. */
  readonly faults: number;
}

const { maxWait, queue, ramp } = POLICY_DEFAULTS.care;
const CALLER = { credential: 'one' };

interface Waiting {
  readonly call: LoadedCall;
  readonly arrivedMs: number;
}

/** Plays calls, in the order of their arrival, on a clock that jumps from event to event. */
export function play(calls: readonly LoadedCall[], setup: Setup, sides: SidesOptions): Played {
  const run = new Run(setup, sides);
  for (const call of calls) run.arrives(call);
  return run.result();
}

class Run {
  readonly #events = new Events();
  readonly #setup: Setup;
  readonly #serverless: Serverless;
  readonly #engine: Engine;
  readonly #load = new EndpointLoad();
  readonly #rates = new Rates(ramp);
  readonly #lane = new FairQueue<Waiting>(queue);
  readonly #line = new FairQueue<Waiting>(queue);
  readonly #tookMs: number[] = [];
  readonly #onServerless: LoadedCall[] = [];
  #onEndpoint = 0;
  #refused = 0;
  #faults = 0;
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(setup: Setup, { serverlessLimit, places }: SidesOptions) {
    this.#setup = setup;
    this.#serverless = new Serverless(serverlessLimit);
    this.#engine = new Engine(setup.replicas * places);
    this.#load.measured({ replicas: setup.replicas, limit: null });
  }

  arrives(call: LoadedCall): void {
    this.#events.at(call.atMs, () => {
      const waiting = { call, arrivedMs: call.atMs };
      if (this.#setup.replicas === 0) this.#enterLane(waiting);
      else if (this.#load.isFull) this.#withoutRoom(waiting);
      else this.#toEndpoint(waiting);
    });
  }

  result(): Played {
    this.#events.run();
    return {
      tookMs: this.#tookMs,
      onServerless: this.#onServerless,
      onEndpoint: this.#onEndpoint,
      refused: this.#refused,
      faults: this.#faults,
    };
  }

  #answered({ arrivedMs }: Waiting): void {
    this.#tookMs.push(this.#events.now - arrivedMs);
  }

  #giveUp(line: FairQueue<Waiting>, waiting: Waiting): void {
    if (line.remove(waiting.call.agent, waiting)) this.#refused++;
  }

  #wait(line: FairQueue<Waiting>, waiting: Waiting, isFirst: boolean): void {
    const left = waiting.arrivedMs + maxWait - this.#events.now;
    const dropped = left <= 0 ? waiting : line.add(waiting.call.agent, waiting, isFirst);
    if (dropped !== null) this.#refused++;
    if (dropped !== waiting) this.#events.in(left, () => this.#giveUp(line, waiting));
  }

  // --- the endpoint ---

  /** Serverless takes the call if it would take it at once. Else it waits for the endpoint. */
  #withoutRoom(waiting: Waiting): void {
    const { now } = this.#events;
    if (this.#setup.overflows && this.#lane.size === 0 && this.#rates.nextAt(CALLER, now) <= now) {
      return this.#toServerless(waiting);
    }
    this.#wait(this.#line, waiting, false);
  }

  #toEndpoint(waiting: Waiting): void {
    const number = this.#load.begin();
    const times = this.#engine.take(waiting.call);
    if (times === null) {
      return this.#events.in(REFUSAL_MS, () => {
        if (!this.#load.refused(number, this.#events.now)) this.#faults++;
        this.#load.end();
        this.#withoutRoom(waiting);
      });
    }
    this.#events.in(times.firstTokenMs, () => this.#load.answered(this.#events.now));
    this.#events.in(times.totalMs, () => {
      this.#engine.release();
      this.#load.end();
      this.#onEndpoint++;
      this.#answered(waiting);
      this.#admit();
    });
  }

  #admit(): void {
    while (this.#load.hasRoom) {
      const waiting = this.#line.take();
      if (waiting === undefined) return;
      this.#toEndpoint(waiting);
    }
  }

  // --- serverless ---

  #enterLane(waiting: Waiting): void {
    const { now } = this.#events;
    const perSecond = this.#rates.limitOf(CALLER);
    const ahead = perSecond === null ? 0 : (this.#lane.ahead(waiting.call.agent) / perSecond) * 1_000;
    if (Math.max(0, this.#rates.nextAt(CALLER, now) - now) + ahead > maxWait) this.#refused++;
    else this.#wait(this.#lane, waiting, false);
    this.#drain();
  }

  #drain(): void {
    const { now } = this.#events;
    while (this.#lane.size > 0) {
      const nextMs = this.#rates.nextAt(CALLER, now);
      if (nextMs > now) {
        if (this.#armedMs > now && this.#armedMs <= nextMs) return;
        this.#armedMs = nextMs;
        return this.#events.at(nextMs, () => this.#drain());
      }
      const waiting = this.#lane.take();
      if (waiting !== undefined) this.#toServerless(waiting);
    }
  }

  #toServerless(waiting: Waiting): void {
    const { now } = this.#events;
    const sent = this.#rates.send(CALLER, now, this.#lane.size > 0);
    const times = this.#serverless.take(waiting.call, now);
    if (times === null) {
      return this.#events.in(REFUSAL_MS, () => {
        this.#rates.refused(sent, this.#events.now, null);
        if (this.#setup.replicas > 0) this.#wait(this.#line, waiting, true);
        else this.#wait(this.#lane, waiting, true);
        this.#drain();
      });
    }
    this.#events.in(times.firstTokenMs, () => {
      this.#rates.taken(sent, this.#events.now);
      this.#drain();
    });
    this.#events.in(times.totalMs, () => {
      this.#onServerless.push(waiting.call);
      this.#answered(waiting);
    });
  }
}
