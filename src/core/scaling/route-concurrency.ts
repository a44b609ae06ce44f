import { CapacityTable } from './capacity.ts';
import type { Capacity, HeededSigns, LearnedCapacity } from './capacity.ts';
import { DayShape } from './day-shape.ts';
import type { HourConcurrency, LearnedDay } from './day-shape.ts';
import { addSigns, noSigns, shownBy } from './signs.ts';
import type { SignedCall, Signs } from './signs.ts';

/** Concurrency is counted in cells of this length: "calls at once" is a mean over ten seconds. */
export const CELL_MS = 10_000;
const CELL_US = CELL_MS * 1_000;
/** Cells that recent figures cover: ten minutes. */
const RECENT = 60;
const FIVE_MINUTES = 30;
/** The ring also has space for the same number of later cells. */
const RING = 2 * RECENT + 8;
/** A cell is settled after half a minute. A call that ends later still counts for the level that the cell had then. */
const UNSETTLED = 3;

/** Calls at once over the last ten minutes, in cells of ten seconds. */
interface Concurrency {
  readonly mean: number;
  readonly p95: number;
  readonly peak: number;
}

/** What is known of a route's concurrency. */
export interface ConcurrencySeen {
  /** When the measurement without a gap began, epoch ms. */
  readonly since: number;
  /** Calls that the endpoint could take, on any upstream. */
  readonly route: Concurrency;
  /** Calls that went to the endpoint since the step began. */
  readonly endpoint: Concurrency;
  readonly tokensPerSecond: number;
  /** Calls that set out in the last five minutes, those in flight included. */
  readonly recentCalls: number;
  /** The share of a call's time on the endpoint before it has an HTTP status, 0..1. Null if there were no calls on it. */
  readonly pendingShare: number | null;
  /** When the newest call that the endpoint could take set out, epoch ms. Null if none was seen. */
  readonly lastCallAt: number | null;
  readonly capacity: Capacity | null;
  /** Hours of the day (UTC) that were measured. */
  readonly hours: readonly HourConcurrency[];
}

/** A call that the endpoint could take. Times in µs from when it set out. */
export interface ConcurrencyCall extends SignedCall {
  /** Epoch µs. */
  readonly setOutAtUs: number;
  readonly isOnEndpoint: boolean;
  readonly firstByteUs: number | null;
}

/** What is stored, so that the next process continues from it: plain JSON. */
export interface LearnedConcurrency {
  /** The endpoint whose capacity it is. Null if there is none. */
  readonly endpointName: string | null;
  readonly capacity: LearnedCapacity;
  readonly day: LearnedDay;
}

interface Cell {
  readonly index: number;
  /** Calls of the route that set out in the cell and have ended. */
  setOut: number;
  routeUs: number;
  endpointUs: number;
  pendingUs: number;
  tokens: number;
  samples: number;
  routeSamples: number;
  endpointSamples: number;
  /** The fewest replicas that were ready. Null if no sample knew it. */
  ready: number | null;
  shown: Signs;
  /** Calls at once per ready replica, once it is settled. */
  perReplica: number | null;
  isSettled: boolean;
}

/**
 * A route's concurrency, from calls as they end and from samples of the calls in flight. Each call takes the same time
 * to count.
 */
export class RouteConcurrency {
  readonly #ring: (Cell | undefined)[] = Array.from({ length: RING });
  readonly #day: DayShape;
  #heeds: HeededSigns;
  #table: CapacityTable;
  #endpointName: string | null;
  /** When the samples without a gap began, epoch ms. */
  #since: number | null = null;
  /** The newest cell that is settled. */
  #settled: number | null = null;
  #firstCell: number | null = null;
  #lastCallAt: number | null = null;
  /** Calls of the route in flight at the last sample. */
  #inFlight = 0;

  constructor(heeds: HeededSigns, learned: LearnedConcurrency | null = null) {
    this.#heeds = heeds;
    this.#endpointName = learned?.endpointName ?? null;
    this.#table = new CapacityTable(heeds, learned?.capacity);
    this.#day = new DayShape(learned?.day);
  }

  get learned(): LearnedConcurrency {
    return { endpointName: this.#endpointName, capacity: this.#table.learned, day: this.#day.learned };
  }

  /** Sets the endpoint and the signs that count. What was learned about another endpoint is dropped. */
  setEndpoint(endpointName: string, heeds: HeededSigns): void {
    const isHeedful = heeds.firstToken === this.#heeds.firstToken && heeds.other === this.#heeds.other;
    if (endpointName === this.#endpointName && isHeedful) return;
    this.#table = new CapacityTable(heeds, endpointName === this.#endpointName ? this.#table.learned : []);
    this.#heeds = heeds;
    this.#endpointName = endpointName;
  }

  /** Counts a call that has ended. */
  ended(call: ConcurrencyCall): void {
    const { setOutAtUs, durationUs, isOnEndpoint } = call;
    this.#lastCallAt = Math.max(this.#lastCallAt ?? 0, setOutAtUs / 1_000);
    this.#spread(setOutAtUs, setOutAtUs + durationUs, (cell, us) => {
      cell.routeUs += us;
      if (isOnEndpoint) cell.endpointUs += us;
    });
    this.#firstCell ??= Math.floor(setOutAtUs / CELL_US);
    const own = this.#cellAt(setOutAtUs);
    if (own === null) return;
    own.setOut++;
    own.tokens += call.outputTokens ?? 0;
    if (!isOnEndpoint) return;
    own.pendingUs += Math.min(call.firstByteUs ?? durationUs, durationUs);
    if (!own.isSettled) addSigns(own.shown, shownBy(call));
    else if (own.perReplica !== null) this.#table.late(own.perReplica, shownBy(call));
  }

  /** Counts a sample: the calls in flight, and the replicas that are ready (null if not known). */
  sample(nowMs: number, inFlight: { readonly route: number; readonly endpoint: number }, ready: number | null): void {
    this.#advance(nowMs);
    const cell = this.#cell(Math.floor(nowMs / CELL_MS));
    if (cell === null) return;
    this.#inFlight = inFlight.route;
    cell.samples++;
    cell.routeSamples += inFlight.route;
    cell.endpointSamples += inFlight.endpoint;
    if (inFlight.route > 0) this.#lastCallAt = Math.max(this.#lastCallAt ?? 0, nowMs);
    if (ready !== null) cell.ready = Math.min(cell.ready ?? ready, ready);
  }

  /** The figures at a time. `sinceMs`: when the step began, which is where the endpoint's figures begin. */
  figures(nowMs: number, sinceMs: number): ConcurrencySeen {
    const last = Math.floor(nowMs / CELL_MS) - 1;
    const first = Math.max(last - RECENT + 1, this.#firstCell ?? last);
    const [route, endpoint]: [number[], number[]] = [[], []];
    let [tokens, pendingUs, busyUs] = [0, 0, 0];
    for (let index = first; index <= last; index++) {
      const cell = this.#peek(index);
      route.push(atOnce(cell, 'route'));
      if (index * CELL_MS >= sinceMs) endpoint.push(atOnce(cell, 'endpoint'));
      tokens += cell?.tokens ?? 0;
      pendingUs += cell?.pendingUs ?? 0;
      busyUs += cell?.endpointUs ?? 0;
    }
    return {
      since: Math.floor(this.#since ?? nowMs),
      route: concurrencyOf(route),
      endpoint: concurrencyOf(endpoint),
      tokensPerSecond: round(tokens / Math.max(1, (route.length * CELL_MS) / 1_000)),
      recentCalls: this.#recentCalls(last + 1) + this.#inFlight,
      pendingShare: busyUs === 0 ? null : round(Math.min(1, pendingUs / busyUs)),
      lastCallAt: this.#lastCallAt === null ? null : Math.floor(this.#lastCallAt),
      capacity: this.#table.capacity,
      hours: this.#day.hours,
    };
  }

  #recentCalls(now: number): number {
    let calls = 0;
    for (let index = now - FIVE_MINUTES + 1; index <= now; index++) calls += this.#peek(index)?.setOut ?? 0;
    return calls;
  }

  #advance(nowMs: number): void {
    const now = Math.floor(nowMs / CELL_MS);
    this.#firstCell ??= now;
    this.#since ??= nowMs;
    const until = now - UNSETTLED;
    // There was no sample for so long that the concurrency of that time is not known. It must not count as zero.
    if (this.#settled === null || until - this.#settled > RECENT) {
      if (this.#settled !== null) [this.#firstCell, this.#since] = [now, nowMs];
      this.#settled = until - 1;
    }
    while (this.#settled < until) {
      this.#settled++;
      if (this.#settled >= this.#firstCell) this.#settle(this.#settled);
    }
  }

  #settle(index: number): void {
    const cell = this.#peek(index);
    this.#day.add(index * CELL_MS, atOnce(cell, 'route'), cell?.tokens ?? 0);
    if (cell === null) return;
    cell.isSettled = true;
    const endpoint = atOnce(cell, 'endpoint');
    if (endpoint === 0 || cell.ready === null || cell.ready === 0) return;
    cell.perReplica = endpoint / cell.ready;
    this.#table.span(cell.perReplica, cell.shown);
  }

  /** Gives each cell that a span touches its part of the span. */
  #spread(fromUs: number, untilUs: number, give: (cell: Cell, us: number) => void): void {
    const last = Math.floor(untilUs / CELL_US);
    const first = Math.max(Math.floor(fromUs / CELL_US), last - RECENT);
    for (let index = first; index <= last; index++) {
      const us = Math.min(untilUs, (index + 1) * CELL_US) - Math.max(fromUs, index * CELL_US);
      const cell = us > 0 ? this.#cell(index) : null;
      if (cell !== null) give(cell, us);
    }
  }

  #cellAt(us: number): Cell | null {
    return this.#cell(Math.floor(us / CELL_US));
  }

  /** A cell to write to. Null if it is too old. */
  #cell(index: number): Cell | null {
    const slot = index % RING;
    const found = this.#ring[slot];
    if (found?.index === index) return found;
    if (found !== undefined && found.index > index) return null;
    const cell: Cell = {
      index,
      setOut: 0,
      routeUs: 0,
      endpointUs: 0,
      pendingUs: 0,
      tokens: 0,
      samples: 0,
      routeSamples: 0,
      endpointSamples: 0,
      ready: null,
      shown: noSigns(),
      perReplica: null,
      isSettled: this.#settled !== null && index <= this.#settled,
    };
    this.#ring[slot] = cell;
    return cell;
  }

  #peek(index: number): Cell | null {
    const found = this.#ring[index % RING];
    return found?.index === index ? found : null;
  }
}

/**
 * The larger of two figures, because running calls are known only from samples, and a former process's calls only from
 * their ends.
 */
function atOnce(cell: Cell | null, where: 'route' | 'endpoint'): number {
  if (cell === null) return 0;
  const [us, inFlight] =
    where === 'route' ? [cell.routeUs, cell.routeSamples] : [cell.endpointUs, cell.endpointSamples];
  return Math.max(us / CELL_US, cell.samples === 0 ? 0 : inFlight / cell.samples);
}

function concurrencyOf(values: readonly number[]): Concurrency {
  const sorted = Float64Array.from(values).sort();
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const p95 = sorted[Math.ceil(values.length * 0.95) - 1] ?? 0;
  return { mean: round(mean), p95: round(p95), peak: round(sorted.at(-1) ?? 0) };
}

/** Three decimal places, because the figures are stored with every decision. */
function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
