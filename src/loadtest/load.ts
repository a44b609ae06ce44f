import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import type { Dice } from '../core/dice.ts';
import type { Arrival } from '../core/trace.ts';
import { taskOf, writeBody } from './body.ts';
import type { Tasks } from './body.ts';
import type { Ended, Target } from './call.ts';
import type { SpanReport } from './figures.ts';
import { keepBusy, playTrace } from './pace.ts';
import { drawWaits, openAgent, sendCall } from './sending.ts';
import type { CallPlan } from './sending.ts';
import { nameAgent } from './swarm.ts';
import { Tally } from './tally.ts';
import type { TallyReport } from './tally.ts';

export interface LoadOptions {
  /** The URL of the calls, including `/v1/chat/completions`. */
  readonly url: URL;
  /** Sent as credentials; undefined: none are sent. */
  readonly token: string | undefined;
  readonly clock: Clock;
  readonly dice: Dice;
  /** Arrivals to play (open loop); null: keep `concurrency` calls in flight (closed loop). */
  readonly trace: readonly Arrival[] | null;
  /** Closed loop: the number of calls at once. Open loop: the most calls at once. */
  readonly concurrency: number;
  readonly rampMs: number;
  /** No call begins after this; clock milliseconds. */
  readonly durationMs: number;
  readonly windowMs: number;
  readonly maxCalls: number;
  readonly agents: number;
  readonly model: string;
  readonly isStreamed: boolean;
  /** What the agents ask for. */
  readonly tasks: Tasks;
  /** The longest answer that a call asks for; in a closed loop every call asks for exactly this length. */
  readonly maxTokens: number;
  readonly retries: number;
  /** Real milliseconds after which a request is aborted. */
  readonly timeoutMs: number;
  /**
   * How long calls may still run after the last one was sent, and (`stoppedDrainMs`) after the load test was stopped;
   * real milliseconds.
   */
  readonly drainMs: number;
  readonly stoppedDrainMs: number;
  /** Ends the load test early. */
  readonly stop: AbortSignal;
}

/** Why no more calls were sent. */
export type Ending = 'time' | 'calls' | 'trace' | 'stopped';

/** The state of a load test that is running. */
export interface LoadProgress {
  readonly passedMs: number;
  readonly total: SpanReport;
  readonly inFlight: number;
  /** Why no more calls are sent, while calls in flight still end; null before. */
  readonly ending: Ending | null;
}

export interface LoadReport extends TallyReport {
  readonly startedAt: number;
  /** Time until no more calls were sent; clock milliseconds. */
  readonly lengthMs: number;
  readonly endedBy: Ending;
  /** The share of all attempts, a gateway's upstream attempts included, that were not the first of their call. */
  readonly retryShare: number;
  /** The longest delay of a call behind its time in the trace; clock milliseconds. */
  readonly latestMs: number;
}

/** A running load test. */
export interface Load {
  progress(): LoadProgress;
  /** Resolves when the last call has ended or was cut off; never rejects. */
  readonly ended: Promise<LoadReport>;
}

/** Starts to send calls. Time, calls, memory and the duration of the last calls are all bounded. */
export function startLoad(options: LoadOptions): Load {
  const run = new Run(options);
  return { progress: () => run.progress(), ended: run.run() };
}

class Run {
  readonly #options: LoadOptions;
  readonly #target: Target;
  readonly #tally: Tally;
  readonly #startedAt: number;
  /** Ends the sending; `#cut` then ends the calls in flight. */
  readonly #enough = new AbortController();
  readonly #cut = new AbortController();
  /** Ends the retries. They continue after a normal end of the sending, but not after the load test was stopped. */
  readonly #noRepeats: AbortSignal;
  #endedBy: Ending = 'time';
  #count = 0;
  #lengthMs: number | undefined;

  constructor(options: LoadOptions) {
    const { url, token, clock, timeoutMs, durationMs, windowMs, stop } = options;
    this.#options = options;
    this.#target = { url, agent: openAgent(url), clock, token, timeoutMs };
    this.#tally = new Tally(durationMs, windowMs);
    this.#startedAt = clock.now();
    this.#noRepeats = AbortSignal.any([stop, this.#cut.signal]);
    stop.addEventListener('abort', () => this.#finish('stopped'), { once: true });
    if (stop.aborted) this.#finish('stopped');
  }

  async run(): Promise<LoadReport> {
    const timing = this.#waitForTime();
    const { running, latestMs } = await this.#send();
    if (!this.#enough.signal.aborted) this.#finish('trace');
    await timing;
    await this.#drain(running);
    this.#target.agent.destroy();
    const { total, ...rest } = this.#tally.report();
    const retries = total.retries + rest.furtherAttempts;
    return {
      startedAt: this.#startedAt,
      lengthMs: this.#lengthMs ?? 0,
      endedBy: this.#endedBy,
      total,
      ...rest,
      retryShare: retries / Math.max(1, total.requests + rest.furtherAttempts),
      latestMs,
    };
  }

  progress(): LoadProgress {
    const { inFlight } = this.#tally;
    return {
      passedMs: this.#passedMs(),
      total: this.#tally.total(),
      inFlight,
      ending: this.#enough.signal.aborted ? this.#endedBy : null,
    };
  }

  async #waitForTime(): Promise<void> {
    const { clock, durationMs } = this.#options;
    await clock.sleep(durationMs, this.#enough.signal).then(
      () => this.#finish('time'),
      () => undefined,
    );
  }

  #finish(why: Ending): void {
    if (this.#enough.signal.aborted) return;
    this.#endedBy = why;
    this.#lengthMs = this.#passedMs();
    this.#enough.abort();
  }

  /** Sends calls until the plan is complete. */
  async #send(): Promise<{ running: Iterable<Promise<unknown>>; latestMs: number }> {
    const { trace, clock, concurrency, rampMs } = this.#options;
    const stop = this.#enough.signal;
    if (trace !== null) {
      const send = (arrival: Arrival, dueAt: number) => this.#call(dueAt, arrival);
      return playTrace({ trace, clock, stop, limit: concurrency, send });
    }
    const send = async () => (await this.#call(clock.now(), null)).kind === 'ok';
    const busy = keepBusy({ concurrency, rampMs, clock, stop, send });
    await new Promise<void>((resolve) => {
      if (stop.aborted) resolve();
      stop.addEventListener('abort', () => resolve(), { once: true });
    });
    return { running: [busy], latestMs: 0 };
  }

  async #call(dueAt: number, arrival: Arrival | null): Promise<Ended> {
    const plan = this.#plan(this.#count++, arrival);
    const dueMs = dueAt - this.#startedAt;
    let sentMs = dueMs;
    this.#tally.begin(dueMs);
    const sent = sendCall(this.#target, plan, {
      isRepeated: ({ kind }) => kind !== 'ok' && kind !== 'other',
      stop: this.#noRepeats,
      cut: this.#cut.signal,
      onSend: (attempt) => {
        sentMs = this.#passedMs();
        this.#tally.send(sentMs, attempt > 0);
      },
      onEnd: (ended) => this.#tally.endRequest(ended, this.#passedMs()),
    });
    if (this.#count >= this.#options.maxCalls) this.#finish('calls');
    const ended = await sent;
    this.#tally.endCall(ended, { dueMs, sentMs });
    return ended;
  }

  #plan(number: number, arrival: Arrival | null): CallPlan {
    const { dice, agents, model, isStreamed, tasks, maxTokens, retries } = this.#options;
    const { promptTokens, outputTokens } = arrival ?? drawTokens(dice, maxTokens);
    const name = `Task ${Math.floor(dice.next() * 1e9)}`;
    const agent = number % agents;
    const task = taskOf(agent, tasks);
    const wish = { model, name, promptTokens, outputTokens: Math.min(maxTokens, outputTokens), isStreamed, task };
    return {
      agentName: nameAgent(agent),
      isStreamed,
      waitsMs: drawWaits(retries, dice),
      body: writeBody(wish),
    };
  }

  /** Waits for the calls in flight, and cuts off those that take too long. */
  async #drain(running: Iterable<Promise<unknown>>): Promise<void> {
    const { stop, drainMs, stoppedDrainMs } = this.#options;
    const over = new AbortController();
    const after = (ms: number) => {
      void pause(ms, undefined, { signal: over.signal }).then(
        () => this.#cut.abort(),
        () => undefined,
      );
    };
    const hurry = () => after(stoppedDrainMs);
    after(drainMs);
    if (stop.aborted) hurry();
    else stop.addEventListener('abort', hurry, { once: true });
    await Promise.all(running);
    stop.removeEventListener('abort', hurry);
    over.abort();
  }

  #passedMs(): number {
    return this.#options.clock.now() - this.#startedAt;
  }
}

const LEAST_PROMPT_TOKENS = 50;
const PROMPT_TOKENS_SPREAD = 350;

function drawTokens(dice: Dice, outputTokens: number): { promptTokens: number; outputTokens: number } {
  return { promptTokens: LEAST_PROMPT_TOKENS + Math.floor(dice.next() * PROMPT_TOKENS_SPREAD), outputTokens };
}
