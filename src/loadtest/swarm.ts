import type { Clock } from '../core/clock.ts';
import type { Dice } from '../core/dice.ts';
import type { Arrival } from '../core/trace.ts';
import { MIXES, taskOf, writeBody } from './body.ts';
import type { Tasks } from './body.ts';
import type { Ended, Target } from './call.ts';
import { playTrace } from './pace.ts';
import { drawWaits, openAgent, sendCall } from './sending.ts';
import type { CallPlan } from './sending.ts';

export interface SwarmOptions {
  /** The base URL of the calls, e.g. `http://127.0.0.1:8787`; `/v1/chat/completions` is appended. */
  readonly baseUrl: string;
  readonly clock: Clock;
  readonly trace: readonly Arrival[];
  readonly agents: number;
  readonly model: string;
  readonly token: string;
  /** Stops sending; calls in flight still end. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SwarmProgress) => void;
  /** What the agents ask for; texts by default. */
  readonly tasks?: Tasks;
  /** Share of calls that ask for a stream; 0.4 by default. */
  readonly streams?: number;
  /** Whether each call carries `X-Agent-Id: agent-NN`; true by default. */
  readonly named?: boolean;
  /** The most retries of a refused call; 2 by default. */
  readonly repeats?: number;
  /** Real milliseconds after which an agent aborts a call; 150,000 by default. */
  readonly timeoutMs?: number;
  readonly dice: Dice;
}

export interface SwarmProgress {
  /** Arrivals of the trace that were sent, of `total`. */
  readonly played: number;
  readonly total: number;
  /** Requests that have ended, retries included. */
  readonly calls: number;
  readonly refused: number;
  readonly clientFailures: number;
  readonly inFlight: number;
}

interface Quantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** The results as the agents saw them. */
export interface SwarmReport {
  readonly played: number;
  readonly total: number;
  /** Requests that ended; each retry counts as a request. */
  readonly calls: number;
  readonly repeats: number;
  readonly streams: number;
  /** Ended requests by status; 0 if there was no status. */
  readonly byStatus: Record<string, number>;
  /** Answers with 429. */
  readonly refused: number;
  /** Calls that were still refused at their last retry, so that the agent got no answer. */
  readonly unanswered: number;
  /** Requests without a complete 2xx or a 429: other statuses, broken answers and streams, connections. */
  readonly clientFailures: number;
  /** These failures by status: 2xx if the answer broke off, 0 if there was no status. */
  readonly failedByStatus: Record<string, number>;
  /** The first failures, at most 20. */
  readonly failures: readonly Failure[];
  /** Clock milliseconds of complete answers, from sending to the end and to the first byte. */
  readonly latencyMs: Quantiles;
  readonly firstByteMs: Quantiles;
  /** The longest delay of a call behind its time in the trace; clock milliseconds. */
  readonly latestMs: number;
}

interface Failure {
  /** Clock time of the end. */
  readonly at: number;
  readonly agent: string;
  readonly status: number;
  readonly reason: string;
}

const MAX_FAILURES = 20;
const PROGRESS_EVERY_MS = 5_000;
const STREAMS = 0.4;
/** Every other agent of a mix limits its answers to this many tokens, the others state no limit. */
const MIX_LIMIT = 512;
const REPEATS = 2;
const TIMEOUT_MS = 150_000;

/**
 * Plays a trace as a swarm of agents: every call is sent at its time, whether earlier calls have ended or not, by a
 * random agent. A refused call is repeated with the same body after `Retry-After`, or after 1 to 4 s of clock time.
 * Resolves when all calls have ended.
 */
export async function runSwarm(options: SwarmOptions): Promise<SwarmReport> {
  const { clock, trace, signal } = options;
  const url = new URL(`${options.baseUrl.replace(/\/+$/, '')}/v1/chat/completions`);
  const agent = openAgent(url);
  const target: Target = { url, agent, clock, token: options.token, timeoutMs: options.timeoutMs ?? TIMEOUT_MS };
  const tally = new Tally();
  let [played, inFlight, unanswered, lastProgress] = [0, 0, 0, clock.now()];
  const report = () => options.onProgress?.({ played, total: trace.length, ...tally.counts(), inFlight });
  const send = async (arrival: Arrival) => {
    const plan = drawCall(options, arrival, played);
    played += 1;
    inFlight += 1;
    const sending = sendCall(target, options.named === false ? { ...plan, agentName: undefined } : plan, {
      stop: signal,
      isRepeated: ({ status }) => status === 429,
      onEnd: (ended, attempt) => tally.add(ended, plan, { at: clock.now(), isRepeat: attempt > 0 }),
    });
    if (clock.now() - lastProgress >= PROGRESS_EVERY_MS) {
      lastProgress = clock.now();
      report();
    }
    const { status } = await sending;
    inFlight -= 1;
    // At the end of the run the retries are cut short, which is no doing of an upstream.
    if (status === 429 && signal?.aborted !== true) unanswered += 1;
  };
  const { running, latestMs } = await playTrace({ trace, clock, stop: signal, send });
  await Promise.all(running);
  agent.destroy();
  report();
  return { played, total: trace.length, latestMs, unanswered, ...tally.report() };
}

function drawCall(options: SwarmOptions, arrival: Arrival, number: number): CallPlan & { readonly agentName: string } {
  const { dice, model } = options;
  const agent = Math.floor(dice.next() * options.agents);
  const isStreamed = dice.next() < (options.streams ?? STREAMS);
  const waitsMs = drawWaits(options.repeats ?? REPEATS, dice);
  const { promptTokens, outputTokens } = arrival;
  const name = `Task ${number}`;
  const { tasks = MIXES.plain } = options;
  const body = writeBody({
    model,
    name,
    promptTokens,
    outputTokens,
    isStreamed,
    isAbridged: true,
    task: taskOf(agent, tasks),
    ...(tasks.length > 1 && { maxTokens: agent % 2 === 0 ? MIX_LIMIT : null }),
  });
  return { agentName: nameAgent(agent), isStreamed, waitsMs, body };
}

/** The name of the n-th agent, from 0: `agent-01`. */
export function nameAgent(index: number): string {
  return `agent-${String(index + 1).padStart(2, '0')}`;
}

/** The counts of a swarm. */
class Tally {
  #calls = 0;
  #repeats = 0;
  #streams = 0;
  #refused = 0;
  #clientFailures = 0;
  readonly #byStatus = new Map<number, number>();
  readonly #failedByStatus = new Map<number, number>();
  readonly #failures: Failure[] = [];
  readonly #latencies: number[] = [];
  readonly #firstBytes: number[] = [];

  add(ended: Ended, plan: { agentName: string; isStreamed: boolean }, about: { at: number; isRepeat: boolean }): void {
    this.#calls += 1;
    if (about.isRepeat) this.#repeats += 1;
    if (plan.isStreamed) this.#streams += 1;
    this.#byStatus.set(ended.status, (this.#byStatus.get(ended.status) ?? 0) + 1);
    if (ended.failure !== undefined) {
      this.#clientFailures += 1;
      this.#failedByStatus.set(ended.status, (this.#failedByStatus.get(ended.status) ?? 0) + 1);
      if (this.#failures.length < MAX_FAILURES) {
        const { status, failure } = ended;
        this.#failures.push({ at: about.at, agent: plan.agentName, status, reason: failure });
      }
    } else if (ended.status === 429) {
      this.#refused += 1;
    } else {
      this.#latencies.push(ended.durationMs);
      this.#firstBytes.push(ended.firstByteMs);
    }
  }

  counts(): { calls: number; refused: number; clientFailures: number } {
    return { calls: this.#calls, refused: this.#refused, clientFailures: this.#clientFailures };
  }

  report(): Omit<SwarmReport, 'played' | 'total' | 'latestMs' | 'unanswered'> {
    return {
      ...this.counts(),
      repeats: this.#repeats,
      streams: this.#streams,
      byStatus: Object.fromEntries(this.#byStatus),
      failedByStatus: Object.fromEntries(this.#failedByStatus),
      failures: this.#failures,
      latencyMs: quantiles(this.#latencies),
      firstByteMs: quantiles(this.#firstBytes),
    };
  }
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = Float64Array.from(values).sort();
  const at = (rank: number) => Math.round(sorted[Math.ceil(rank * sorted.length) - 1] ?? 0);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}
