import { SECOND_MS } from '../time.ts';

/** The window that Hugging Face's limits are assumed to count over. */
export const WINDOW_MS = 300_000;
const SECONDS = WINDOW_MS / SECOND_MS;
/** An agent that calls again after it was silent for this long has started again. */
export const SILENCE_MS = 600_000;

/** A past call, as demand. */
export interface DemandCall {
  readonly atMs: number;
  readonly agent: string;
  readonly isAgentDerived: boolean;
  /** Serverless refused its first attempt, or could not take it in time. */
  readonly isRefused: boolean;
  /** Serverless answered it in the end. */
  readonly isTaken: boolean;
}

/** The calls for a model in a span, in the order of their arrival. Arrays have one element for each call. */
export interface Demand {
  readonly atMs: readonly number[];
  /** The index of the call's agent in `agents`, and whether the agent started with this call. */
  readonly agentOf: readonly number[];
  readonly isStart: readonly boolean[];
  readonly isRefused: readonly boolean[];
  readonly isTaken: readonly boolean[];
  readonly agents: readonly string[];
  readonly derivedAgents: number;
  readonly refused: number;
  /** The end of the span, epoch ms. */
  readonly untilMs: number;
}

/** Makes demand of the calls of a span. Calls before it only show which agents had started already. */
export function demandOf(
  calls: readonly DemandCall[],
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
): Demand {
  const [atMs, agentOf]: [number[], number[]] = [[], []];
  const [isStart, isRefused, isTaken]: [boolean[], boolean[], boolean[]] = [[], [], []];
  const places = new Map<string, number>();
  const seenAt = new Map<string, number>();
  let [derivedAgents, refused] = [0, 0];
  for (const call of [...calls].sort((a, b) => a.atMs - b.atMs)) {
    const before = seenAt.get(call.agent);
    seenAt.set(call.agent, call.atMs);
    if (call.atMs < fromMs) continue;
    let place = places.get(call.agent);
    if (place === undefined) {
      places.set(call.agent, (place = places.size));
      if (call.isAgentDerived) derivedAgents++;
    }
    atMs.push(call.atMs);
    agentOf.push(place);
    isStart.push(before === undefined || call.atMs - before >= SILENCE_MS);
    isRefused.push(call.isRefused);
    isTaken.push(call.isTaken);
    if (call.isRefused) refused++;
  }
  return { atMs, agentOf, isStart, isRefused, isTaken, agents: [...places.keys()], derivedAgents, refused, untilMs };
}

/** The calls in the sliding windows of five minutes that end with each second; empty windows are left out. */
export interface Windows {
  readonly peak: number;
  /** The end of the fullest window, epoch ms. */
  readonly peakAt: number;
  readonly p95: number;
  /** Share of the windows that hold more than the limit. */
  readonly aboveShare: number;
}

/** Slides a window over calls, which need not be in order. */
export function windowsOf(atMs: readonly number[], limit: number): Windows {
  const held: number[] = [];
  let [peak, peakAt, above] = [0, 0, 0];
  for (const { calls, endMs } of slide(atMs)) {
    held.push(calls);
    if (calls > peak) [peak, peakAt] = [calls, endMs];
    if (calls > limit) above++;
  }
  const sorted = Float64Array.from(held).sort();
  const p95 = sorted[Math.max(0, Math.ceil(0.95 * sorted.length) - 1)] ?? 0;
  return { peak, peakAt, p95, aboveShare: held.length === 0 ? 0 : above / held.length };
}

/** The ends, epoch ms, of the fullest windows above a limit that do not overlap, the fullest first. */
export function peaksOf(atMs: readonly number[], limit: number, most: number): number[] {
  const above = [...slide(atMs)].filter(({ calls }) => calls > limit).sort((a, b) => b.calls - a.calls);
  const ends: number[] = [];
  for (const { endMs } of above) {
    if (ends.length >= most) break;
    if (ends.every((other) => Math.abs(other - endMs) >= WINDOW_MS)) ends.push(endMs);
  }
  return ends;
}

/**
 * How many calls serverless took in the windows in which more than `share` of the calls were refused or delayed: the
 * median; null if there are no such windows.
 */
export function takenUnderPressure({ atMs, isRefused, isTaken }: Demand, share: number): number | null {
  const refused = atMs.filter((_, place) => isRefused[place]);
  const taken = atMs.filter((_, place) => isTaken[place]);
  const seen: number[] = [];
  const marks = [refused, taken].map((some) => ({ some, from: 0, to: 0 }));
  for (const { calls, endMs } of slide(atMs)) {
    // A window that began before the first call is not full.
    if (endMs - WINDOW_MS < (atMs[0] as number)) continue;
    const [held = 0, served = 0] = marks.map((mark) => countTo(mark, endMs));
    if (held > share * calls) seen.push(served);
  }
  return seen.sort((a, b) => a - b)[seen.length >> 1] ?? null;
}

/**
 * How many of `mark.some` are in the window that ends at `endMs`. Moves `mark` to that window; it only moves forward.
 */
function countTo(mark: { readonly some: readonly number[]; from: number; to: number }, endMs: number): number {
  const { some } = mark;
  while (mark.to < some.length && (some[mark.to] as number) < endMs) mark.to++;
  while (mark.from < mark.to && (some[mark.from] as number) < endMs - WINDOW_MS) mark.from++;
  return mark.to - mark.from;
}

/** The indices in `atMs`, which is sorted, of the calls in the window that ends at `endMs`. */
export function* inWindow(atMs: readonly number[], endMs: number): Generator<number> {
  let [low, high] = [0, atMs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((atMs[middle] as number) < endMs - WINDOW_MS) low = middle + 1;
    else high = middle;
  }
  for (; low < atMs.length && (atMs[low] as number) < endMs; low++) yield low;
}

function* slide(atMs: readonly number[]): Generator<{ readonly calls: number; readonly endMs: number }> {
  const seconds = new Map<number, number>();
  let last = Number.NEGATIVE_INFINITY;
  for (const at of atMs) {
    const second = Math.floor(at / SECOND_MS);
    seconds.set(second, (seconds.get(second) ?? 0) + 1);
    last = Math.max(last, second);
  }
  const busy = [...seconds.keys()].sort((a, b) => a - b);
  let [calls, next] = [0, 0];
  for (let second = busy[0] ?? Number.POSITIVE_INFINITY; second <= last; second++) {
    calls += seconds.get(second) ?? 0;
    calls -= seconds.get(second - SECONDS) ?? 0;
    while ((busy[next] ?? Number.POSITIVE_INFINITY) <= second) next++;
    if (calls > 0) yield { calls, endMs: (second + 1) * SECOND_MS };
    // The window is empty: go to the next call.
    else second = (busy[next] as number) - 1;
  }
}
