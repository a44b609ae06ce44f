import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

/** The simulation, the daemon and the agents each are a process. */
const PROCESSES = 3;
/** What a process of the demo does all the time: it waits for a few milliseconds and then has something to do. */
const WAIT_MS = 4;
const WORK = 120_000;
/** Real ms for which the machine is measured. */
export const MEASURE_MS = 1_000;

/**
 * Clock ms by which a busy machine may delay one piece of work. Answers take about ten seconds of the clock, and many pieces
 * of work: more noise would be a part of the figures that the judge compares.
 */
const NOISE_MS = 200;
/**
 * The slowest clock plays the demo in about three minutes. A faster one than the fastest would save little time, and leave
 * no room for a machine that becomes busy after it was measured.
 */
const SCALES = { slowest: 24, fastest: 32 } as const;

/**
 * The time scale for a machine that does 95 of 100 short pieces of work within `lateMs` of their time, real ms: the less it
 * keeps to the time, the slower the clock, because its delays grow with the clock and would look like those of an upstream.
 */
export function chooseScale(lateMs: number): number {
  return Math.round(Math.min(SCALES.fastest, Math.max(SCALES.slowest, NOISE_MS / Math.max(lateMs, 0.1))));
}

/** What was measured and what follows from it, in one line. */
export function paceText(lateMs: number, scale: number): string {
  return `this machine does short work up to ${lateMs.toFixed(1)} ms late, so the clock runs ${scale} times faster than real time`;
}

/** How late this machine does 95 of 100 short pieces of work while as many threads as the demo has processes do some; real ms. */
export async function measureLateness(): Promise<number> {
  const name = import.meta.url.endsWith('.ts') ? './short-work.ts' : './short-work.js';
  const workers = Array.from({ length: PROCESSES - 1 }, () => new Worker(new URL(name, import.meta.url)));
  const others = workers.map(
    (worker) =>
      new Promise<readonly number[]>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      }),
  );
  const all = (await Promise.all([shortWork(MEASURE_MS), ...others])).flat().sort((left, right) => left - right);
  return all[Math.ceil(all.length * 0.95) - 1] ?? 0;
}

/** Does short pieces of work for so long, real ms; returns how long after its time each was done, ms. */
export async function shortWork(lengthMs: number): Promise<number[]> {
  const late: number[] = [];
  const end = performance.now() + lengthMs;
  let sum = 0;
  for (let due = performance.now() + WAIT_MS; due < end; due = performance.now() + WAIT_MS) {
    await pause(WAIT_MS);
    for (let i = 0; i < WORK; i += 1) sum += Math.sqrt(i);
    late.push(performance.now() - due);
  }
  // Whoever uses the sum keeps the work from being left out by the compiler.
  return sum > 0 ? late : [];
}
