import type { CallObserver, Recorder } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import type { GatewayPolicy } from '../core/policy/gateway.ts';
import type { RouteTable } from '../core/route.ts';
import type { Targets } from './attempt/targets.ts';
import type { Unreached } from './attempt/unreached.ts';
import type { Batches } from './batch/batches.ts';
import type { AnswerPair } from './form/answer-pair.ts';
import type { Forms } from './form/forms.ts';
import type { Lanes } from './care/lanes.ts';
import type { EndpointGates } from './overflow/endpoint-gates.ts';
import type { Indexed, LiveSet } from './live-set.ts';
import type { Agents } from './request/agent.ts';
import type { Hashes } from './request/hashes.ts';
import type { Sessions } from './request/sessions.ts';
import type { Repeats } from './request/repeats.ts';
import type { Assignment } from './request/assignment.ts';
import type { LearnedLimits } from './request/learned-limits.ts';
import type { IncomingCall } from './request/incoming-call.ts';

/** Writes one line of the log. `message`: constant; `facts`: what varies. */
export type Log = (level: 'error' | 'warn' | 'info', message: string, facts: Record<string, unknown>) => void;

/** Copies live calls in the shadow stage. */
interface Copies {
  /** Returns what compares the two answers if a copy of the call was sent; null if none was. */
  offer(shared: Shared, incoming: IncomingCall, assignment: Assignment, startedAfterUs: number): AnswerPair | null;
}

/** What all calls of a gateway share. */
export interface Shared {
  /** Number of this gateway in the ledger. */
  readonly gatewayId: number;
  readonly table: () => RouteTable;
  readonly routerUrl: string;
  readonly token: string | null;
  readonly recorder: Recorder;
  readonly observer: CallObserver;
  readonly agents: Agents;
  readonly sessions: Sessions;
  readonly hashes: Hashes;
  readonly repeats: Repeats;
  readonly limits: LearnedLimits;
  readonly targets: Targets;
  readonly unreached: Unreached;
  /** The settings that hold for a request that arrives now. */
  readonly settings: () => GatewayPolicy;
  readonly live: Pick<LiveSet<Indexed>, 'size' | 'delete'>;
  readonly shadows: Copies;
  readonly lanes: Lanes;
  readonly batches: Batches;
  readonly gates: EndpointGates;
  readonly forms: Forms;
  readonly clock: Pick<Clock, 'now' | 'scale'>;
  readonly counters: Counters;
  readonly log: Log;
  /** Real ms, updated each time the attempts are checked for silence. */
  readonly coarse: { nowMs: number };
  /** Epoch µs. */
  nowUs(): number;
  /** The arrival time of a new call, epoch µs: now, or a little later if another call has that time. */
  nextArrivalUs(): number;
}

/** Counts since the gateway was created. */
export interface Counters {
  requests: number;
  /** Requests that the gateway refused itself: unknown path, no JSON, no model, too large. */
  refused: number;
  fallbacks: number;
  retries: number;
  /** Calls that were sent without any credentials. */
  withoutToken: number;
  clientsLeft: number;
  cut: number;
}
