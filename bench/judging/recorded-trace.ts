import type { HistoryCall } from '../../src/core/judge/profile.ts';
import type { Role } from '../../src/core/route.ts';
import { Chance } from './chance.ts';
import type { RecordedCall } from './recordings.ts';
import { BEGIN_US, Column, PAST_CALLS, emptySeen, historyCall } from './trace.ts';
import type { Seen, Trace } from './trace.ts';

/** Two recordings, one in the part of serverless and one in that of the endpoint. */
export interface RecordedPair {
  readonly stable: readonly RecordedCall[];
  readonly canary: readonly RecordedCall[];
  /** What the n-th calls of both have in common: the question, the moment (one recording in both parts), or nothing. */
  readonly tie: 'question' | 'moment' | 'none';
}

const CALLS_PER_MINUTE = 400;
/** Each minute draws its calls from a stretch of so many consecutive ones: what wanders in the recording still wanders. */
const STRETCH = 30;
const HISTORY_MINUTES = 1_440;
const HISTORY_CALLS_PER_MINUTE = Math.floor(PAST_CALLS / HISTORY_MINUTES);

/** Poisson arrivals; how calls go is drawn from recordings of real servers. */
export class RecordedTrace implements Trace {
  readonly affinity = 'call';
  readonly callsPerMinute = CALLS_PER_MINUTE;
  readonly #pair: RecordedPair;
  readonly #chance: Chance;
  readonly #starts: number[] = [0];
  readonly #at = new Column();
  readonly #coin = new Column();
  readonly #copyCoin = new Column();
  readonly #rows: Readonly<Record<Role, Column>> = { stable: new Column(), canary: new Column() };
  readonly #history: readonly HistoryCall[];
  #nextAtMs = 0;

  constructor(pair: RecordedPair, seed: number) {
    this.#pair = pair;
    this.#chance = new Chance(seed);
    this.#history = this.#makeHistory();
  }

  start(minute: number): number {
    while (this.#starts.length <= minute) this.#makeMinute();
    return this.#starts[minute] as number;
  }

  arrivedAtMs(call: number): number {
    return this.#at.values[call] as number;
  }

  unit(): undefined {
    return undefined;
  }

  coin(call: number): number {
    return this.#coin.values[call] as number;
  }

  copyCoin(call: number): number {
    return this.#copyCoin.values[call] as number;
  }

  history(): readonly HistoryCall[] {
    return this.#history;
  }

  read(call: number, role: Role, _minute: number, _weight: number, seen: Seen): void {
    copyTo(seen, this.#pair[role][this.#rows[role].values[call] as number] as RecordedCall, role);
  }

  #makeMinute(): void {
    const minute = this.#starts.length - 1;
    let call = this.#starts[minute] as number;
    const chance = this.#chance;
    const { stable, canary, tie } = this.#pair;
    const stableFrom = chance.uniform() * stable.length;
    const canaryFrom = tie !== 'none' ? stableFrom : chance.uniform() * canary.length;
    while (this.#nextAtMs < (minute + 1) * 60_000) {
      this.#at.set(call, this.#nextAtMs);
      this.#coin.set(call, chance.uniform());
      this.#copyCoin.set(call, chance.uniform());
      const row = chance.uniform() * STRETCH;
      const other = tie === 'question' ? row : chance.uniform() * STRETCH;
      this.#rows.stable.set(call, Math.floor(stableFrom + row) % stable.length);
      this.#rows.canary.set(call, Math.floor(canaryFrom + other) % canary.length);
      call++;
      this.#nextAtMs += (-Math.log(1 - chance.uniform()) * 60_000) / CALLS_PER_MINUTE;
    }
    this.#starts.push(call);
  }

  #makeHistory(): HistoryCall[] {
    const calls: HistoryCall[] = [];
    const { stable } = this.#pair;
    const seen = emptySeen();
    for (let minute = -HISTORY_MINUTES; minute < 0; minute++) {
      const from = this.#chance.uniform() * stable.length;
      for (let i = 0; i < HISTORY_CALLS_PER_MINUTE; i++) {
        const row = Math.floor(from + this.#chance.uniform() * STRETCH) % stable.length;
        copyTo(seen, stable[row] as RecordedCall, 'stable');
        calls.push(historyCall(BEGIN_US + Math.round((minute + i / HISTORY_CALLS_PER_MINUTE) * 60e6), seen));
      }
    }
    return calls;
  }
}

function copyTo(seen: Seen, call: RecordedCall, role: Role): void {
  // An endpoint of one's own that refuses is at the end of its capacity; a mesh in front of it answers 503.
  const refused = role === 'stable' ? (['rate_limited', 429] as const) : (['unavailable', 503] as const);
  const ended = { ok: ['ok', 200], refused, failed: ['server_error', 500] } as const;
  [seen.outcome, seen.status] = ended[call.end];
  seen.durationMs = call.latencyMs;
  seen.firstTokenMs = call.firstTokenMs;
  seen.promptTokens = call.promptTokens;
  seen.outputTokens = call.outputTokens;
  // Recordings have times and tokens only.
  seen.form = null;
  seen.provider = null;
}
