import { Agent } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { seededDice } from './dice.ts';
import type { Dice } from './dice.ts';
import { makeCall } from './call.ts';
import type { Ended, Target } from './call.ts';
import type { Arrival } from './trace.ts';

export interface SwarmOptions {
  /** Where the agents call, e.g. `http://127.0.0.1:8787`; `/v1/chat/completions` is appended. */
  readonly baseUrl: string;
  readonly clock: Clock;
  readonly trace: readonly Arrival[];
  readonly agents: number;
  readonly model: string;
  readonly token: string;
  /** Stops sending; calls that are under way still end. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SwarmProgress) => void;
  /** Share of calls that ask for a stream; 0.4 unless said. */
  readonly streams?: number;
  /** Whether each call carries `X-Agent-Id: agent-NN`; true unless said. */
  readonly named?: boolean;
  /** How often a refused call is sent again; 2 unless said. */
  readonly repeats?: number;
  /** Real milliseconds of silence after which an agent gives up on a call; 150,000 unless said. */
  readonly timeoutMs?: number;
  readonly seed?: number;
}

export interface SwarmProgress {
  /** Arrivals of the trace that have been sent, of `total`. */
  readonly played: number;
  readonly total: number;
  /** Requests that have ended, repeats included. */
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

/** What the agents saw. */
export interface SwarmReport {
  readonly played: number;
  readonly total: number;
  /** Requests that ended, each repeat a request of its own. */
  readonly calls: number;
  readonly repeats: number;
  readonly streams: number;
  /** Ended requests by status; 0 where none came. */
  readonly byStatus: Record<string, number>;
  /** Answers with 429. */
  readonly refused: number;
  /** Anything but a complete 2xx or a 429: other statuses, broken answers and streams, connections. */
  readonly clientFailures: number;
  /** These by status: 2xx where the answer broke off, 0 where none came. */
  readonly failedByStatus: Record<string, number>;
  /** The first failures, at most 20. */
  readonly failures: readonly Failure[];
  /** Clock milliseconds of good answers, from sending to the end and to the first byte. */
  readonly latencyMs: Quantiles;
  readonly firstByteMs: Quantiles;
  /** How far the sending fell behind the trace, at worst; clock milliseconds. */
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
const REPEATS = 2;
const TIMEOUT_MS = 150_000;
const FIRST_WAIT_MS = 1_000;
const WAIT_SPREAD_MS = 3_000;

/**
 * Plays a trace as a swarm of agents: every call goes out at its time whether earlier ones have ended or not, from an
 * agent drawn by chance. A refused call is repeated with the same body after `Retry-After` or 1 to 4 s of clock time.
 * Resolves when all calls have ended.
 */
export async function runSwarm(options: SwarmOptions): Promise<SwarmReport> {
  const { clock, trace, signal } = options;
  const dice = seededDice(options.seed ?? 7);
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, maxFreeSockets: 256 });
  const target: Target = {
    url: new URL(`${options.baseUrl.replace(/\/+$/, '')}/v1/chat/completions`),
    agent,
    clock,
    token: options.token,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
  };
  const tally = new Tally();
  const running = new Set<Promise<void>>();
  const start = clock.now() - (trace[0]?.atMs ?? 0);
  let played = 0;
  let lastProgress = start;
  let latestMs = 0;
  const progress = () => ({ played, total: trace.length, ...tally.counts(), inFlight: running.size });
  for (const arrival of trace) {
    const dueAt = start + arrival.atMs;
    if (!(await isDue(dueAt, clock, signal))) break;
    latestMs = Math.max(latestMs, clock.now() - dueAt);
    const life = playCall(options, target, { ...drawCall(options, arrival, played, dice), tally });
    running.add(life);
    void life.finally(() => running.delete(life));
    played += 1;
    if (clock.now() - lastProgress < PROGRESS_EVERY_MS) continue;
    lastProgress = clock.now();
    options.onProgress?.(progress());
  }
  await Promise.all(running);
  agent.destroy();
  options.onProgress?.(progress());
  return { played, total: trace.length, latestMs, ...tally.report() };
}

/** Waits until then; false when the swarm was told to stop. */
async function isDue(at: number, clock: Clock, signal: AbortSignal | undefined): Promise<boolean> {
  const waitMs = at - clock.now();
  if (waitMs > 0) await clock.sleep(waitMs, signal).catch(() => undefined);
  return signal?.aborted !== true;
}

interface PlannedCall {
  readonly agentName: string;
  readonly body: string;
  readonly isStreamed: boolean;
  /** Clock milliseconds before each repeat, drawn beforehand so that a seed gives the same run. */
  readonly waitsMs: readonly number[];
}

function drawCall(options: SwarmOptions, arrival: Arrival, number: number, dice: Dice): PlannedCall {
  const agentName = `agent-${String(Math.floor(dice.next() * options.agents) + 1).padStart(2, '0')}`;
  const isStreamed = dice.next() < (options.streams ?? STREAMS);
  const repeats = options.repeats ?? REPEATS;
  const waitsMs = Array.from({ length: repeats }, () => FIRST_WAIT_MS + dice.next() * WAIT_SPREAD_MS);
  return { agentName, isStreamed, waitsMs, body: writeBody(options.model, arrival, number, isStreamed) };
}

const PROMPT = 'Look at the figures of the last hour and say which of the open tasks should be taken up first. ';
const MAX_PROMPT_CHARACTERS = 300;

/**
 * The prompt stays short so that playing is cheap; `metadata.prompt_tokens` states its true length, which the simulation
 * charges for.
 */
function writeBody(model: string, arrival: Arrival, number: number, isStreamed: boolean): string {
  const length = Math.min(MAX_PROMPT_CHARACTERS, arrival.promptTokens * 4);
  const content = `Task ${number}. ${PROMPT.repeat(4).slice(0, length)}`;
  return JSON.stringify({
    model,
    messages: [{ role: 'user', content }],
    max_tokens: arrival.outputTokens,
    ...(isStreamed ? { stream: true, stream_options: { include_usage: true } } : {}),
    metadata: { prompt_tokens: String(arrival.promptTokens) },
  });
}

async function playCall(options: SwarmOptions, target: Target, call: PlannedCall & { tally: Tally }): Promise<void> {
  const { clock, signal } = options;
  const agentName = options.named === false ? undefined : call.agentName;
  for (let attempt = 0; ; attempt += 1) {
    const ended = await makeCall(target, { agentName, body: call.body, isStreamed: call.isStreamed });
    call.tally.add(ended, { at: clock.now(), agent: call.agentName, isRepeat: attempt > 0, isStream: call.isStreamed });
    const waitMs = ended.retryAfterMs ?? call.waitsMs[attempt];
    if (ended.status !== 429 || waitMs === undefined || attempt >= call.waitsMs.length) return;
    if (!(await isDue(clock.now() + waitMs, clock, signal))) return;
  }
}

/** The books of a swarm. */
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

  add(ended: Ended, about: { at: number; agent: string; isRepeat: boolean; isStream: boolean }): void {
    this.#calls += 1;
    if (about.isRepeat) this.#repeats += 1;
    if (about.isStream) this.#streams += 1;
    this.#byStatus.set(ended.status, (this.#byStatus.get(ended.status) ?? 0) + 1);
    if (ended.failure !== undefined) {
      this.#clientFailures += 1;
      this.#failedByStatus.set(ended.status, (this.#failedByStatus.get(ended.status) ?? 0) + 1);
      const { at, agent } = about;
      if (this.#failures.length < MAX_FAILURES) {
        this.#failures.push({ at, agent, status: ended.status, reason: ended.failure });
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

  report(): Omit<SwarmReport, 'played' | 'total' | 'latestMs'> {
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
