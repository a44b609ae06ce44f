import { isDecided, isFault } from '../call.ts';
import type { Outcome } from '../call.ts';
import { upstreamOf } from '../route.ts';
import type { Role, Toward, UpstreamKind } from '../route.ts';
import { FINE, Histogram } from '../stats/histogram.ts';

/** What one role did in one step. Times in clock ms. */
export interface RoleFigures {
  /** Eligible calls assigned to the role, finished or not. */
  readonly assigned: number;
  /** Of these: calls that may be compared, i.e. answered or faulted. */
  readonly decided: number;
  readonly faults: number;
  /** 429s: of the endpoint also a fault; of serverless on the way back alone, else they are the illness being treated. */
  readonly refused: number;
  /** Answers that blame the caller (4xx other than those above): not faults, but both roles should give as many. */
  readonly rejected: number;
  /** Clients that went away before the first byte: no fault, but both roles should see as many. */
  readonly left: number;
  /** Calls that the other upstream served in the end. */
  readonly servedElsewhere: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly ttftP50: number | null;
  readonly ttftP95: number | null;
}

/** Both roles of one step. */
export interface StepFigures {
  readonly step: number;
  readonly stable: RoleFigures;
  readonly canary: RoleFigures;
}

/** The figures of a step by kind of upstream instead of by role. */
export function sides({ stable, canary }: StepFigures, toward: Toward): Record<UpstreamKind, RoleFigures> {
  return toward === 'dedicated' ? { serverless: stable, dedicated: canary } : { serverless: canary, dedicated: stable };
}

export const NO_FIGURES: RoleFigures = {
  assigned: 0,
  decided: 0,
  faults: 0,
  refused: 0,
  rejected: 0,
  left: 0,
  servedElsewhere: 0,
  p50: null,
  p95: null,
  ttftP50: null,
  ttftP95: null,
};

/** What of a finished call its role's figures need. */
export interface TalliedCall {
  /** How the assigned attempt ended. */
  readonly outcome: Outcome;
  readonly servedBy: UpstreamKind | null;
  readonly durationUs: number;
  readonly firstByteUs: number | null;
  readonly firstTokenUs: number | null;
}

/** Running figures of one role in one step: fed call by call, or from the ledger after a restart, with the same result. */
export class RoleTally {
  readonly #toward: Toward;
  readonly #upstream: UpstreamKind;
  readonly #latency = new Histogram(FINE);
  readonly #ttft = new Histogram(FINE);
  #assigned = 0;
  #decided = 0;
  #faults = 0;
  #refused = 0;
  #rejected = 0;
  #left = 0;
  #servedElsewhere = 0;

  constructor(role: Role, toward: Toward) {
    this.#toward = toward;
    this.#upstream = upstreamOf(role, toward);
  }

  arrived(): void {
    this.#assigned++;
  }

  /** The assigned attempt faulted; a fall-back may still be under way. Each call is told of once, here or in `ended`. */
  faulted(outcome: Outcome): void {
    if (outcome === 'rate_limited') this.#refused++;
    if (outcome === 'client_error' || outcome === 'no_credits') this.#rejected++;
    if (!isFault(outcome, this.#upstream, this.#toward)) return;
    this.#decided++;
    this.#faults++;
  }

  /** The call ended. `isCounted`: its outcome was told before, through `faulted`. */
  ended(call: TalliedCall, isCounted: boolean): void {
    if (call.servedBy !== null && call.servedBy !== this.#upstream) this.#servedElsewhere++;
    if (call.outcome === 'client_left' && call.firstByteUs === null) this.#left++;
    if (isCounted) return;
    if (call.outcome !== 'ok') return this.faulted(call.outcome);
    if (!isDecided(call.outcome, this.#upstream, this.#toward)) return;
    this.#decided++;
    this.#latency.add(call.durationUs);
    if (call.firstTokenUs !== null) this.#ttft.add(call.firstTokenUs);
  }

  /** The figures now. `overdue`: calls in flight for longer than the first-byte limit, which count as faults. */
  figures(overdue = 0): RoleFigures {
    const ms = (us: number | null) => (us === null ? null : Math.round(us / 10) / 100);
    return {
      assigned: this.#assigned,
      decided: this.#decided + overdue,
      faults: this.#faults + overdue,
      refused: this.#refused,
      rejected: this.#rejected,
      left: this.#left,
      servedElsewhere: this.#servedElsewhere,
      p50: ms(this.#latency.quantile(0.5)),
      p95: ms(this.#latency.quantile(0.95)),
      ttftP50: ms(this.#ttft.quantile(0.5)),
      ttftP95: ms(this.#ttft.quantile(0.95)),
    };
  }
}
