import type { CallObserver, Recorder } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import type { RouteTable } from '../core/route.ts';
import type { Agents } from './agent.ts';
import type { Batches } from './batches.ts';
import type { Exchange } from './exchange.ts';
import type { Lanes } from './lanes.ts';
import type { Live } from './live.ts';
import type { Repeats } from './repeats.ts';
import type { Shadows } from './shadows.ts';
import type { Targets } from './targets.ts';

/** Writes one line of the log: the message is a constant, the facts are fields. */
export type Log = (level: 'error' | 'warn' | 'info', message: string, facts: Record<string, unknown>) => void;

/** What all calls of one gateway share. */
export interface Shared {
  readonly table: () => RouteTable;
  readonly routerUrl: string;
  readonly token: string | null;
  readonly recorder: Recorder;
  readonly observer: CallObserver;
  readonly agents: Agents;
  readonly repeats: Repeats;
  readonly targets: Targets;
  readonly maxBodyBytes: number;
  readonly live: Live<Exchange>;
  readonly shadows: Shadows;
  readonly lanes: Lanes;
  readonly batches: Batches;
  readonly clock: Pick<Clock, 'now' | 'scale'>;
  readonly counters: Counters;
  readonly log: Log;
  /** Real ms, set anew at each look for silent upstreams. */
  readonly coarse: { nowMs: number };
  nowUs(): number;
  /** The arrival time of a new call: now, or a little later where that is taken. */
  nextArrivalUs(): number;
}

/** What happened since the gateway was made. */
export interface Counters {
  requests: number;
  /** Requests that the gateway refused by itself: unknown path, no JSON, no model, too large. */
  refused: number;
  fallbacks: number;
  retries: number;
  /** Calls that went out without any credentials. */
  withoutToken: number;
  clientsLeft: number;
  cut: number;
}
