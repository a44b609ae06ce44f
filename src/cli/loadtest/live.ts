import { setTimeout as pause } from 'node:timers/promises';
import { spanText } from '../../core/text.ts';
import { failedOf } from '../../loadtest/figures.ts';
import type { Quantiles } from '../../loadtest/figures.ts';
import type { Ending, Load, LoadProgress, LoadReport } from '../../loadtest/load.ts';
import { bar, latencyText, numberText, percentText } from '../terminal/format.ts';
import { clean, createPaint, cut, hasColor, widthOf, wrap } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';
import { openScreen } from '../terminal/screen.ts';
import type { LoadPlan } from './plan.ts';
import { failuresText, rateText, shapeText } from './report.ts';

/** Real milliseconds between two updates on a terminal, and between two lines without a terminal. */
const DRAW_EVERY_MS = 1_000;
const SAY_EVERY_MS = 15_000;

/**
 * Shows a load test until it has ended: on a terminal as a live view, otherwise as a line on standard error at
 * intervals.
 */
export async function showProgress(load: Load, plan: LoadPlan, json: boolean): Promise<LoadReport> {
  const stream = process.stderr.isTTY ? process.stderr : !json && process.stdout.isTTY ? process.stdout : null;
  if (stream === null) return json ? load.ended : say(load, plan);
  const screen = openScreen(stream);
  const pace = new Pace();
  const draw = () => {
    const progress = load.progress();
    pace.look(progress);
    screen.draw(renderLive(progress, plan, { rates: pace.rates, width: widthOf(stream), color: hasColor(stream) }));
  };
  try {
    draw();
    await each(load, DRAW_EVERY_MS, draw);
  } finally {
    // The report repeats all figures, so the live view is cleared.
    screen.draw('');
    screen.close();
  }
  return load.ended;
}

async function say(load: Load, plan: LoadPlan): Promise<LoadReport> {
  await each(load, SAY_EVERY_MS, () => {
    process.stderr.write(`${lineOf(load.progress(), plan)}\n`);
  });
  return load.ended;
}

/** Runs `work` at intervals until the load test has ended. */
async function each(load: Load, everyMs: number, work: () => void): Promise<void> {
  const over = new AbortController();
  void load.ended.then(() => over.abort());
  while (!over.signal.aborted) {
    await pause(everyMs, undefined, { signal: over.signal }).then(work, () => undefined);
  }
}

function lineOf({ passedMs, total, inFlight, ending }: LoadProgress, plan: LoadPlan): string {
  const { calls, ends, latencyMs } = total;
  const p95 = latencyMs === null ? '' : `, p95 ${latencyText(latencyMs.p95)}`;
  const stand = ending !== null ? 'ending' : `${Math.round(doneShare(passedMs, plan) * 100)} %`;
  return `${spanText(passedMs)} ${stand}: ${numberText(calls)} calls, ${numberText(inFlight)} in flight, ${numberText(failedOf(ends))} failed${p95}`;
}

/** A trace lasts until its last arrival, although its plan allows some more time. */
function lengthOf({ trace, durationMs }: LoadPlan): number {
  return Math.min(durationMs, trace?.at(-1)?.atMs ?? durationMs);
}

function doneShare(passedMs: number, plan: LoadPlan): number {
  return Math.min(1, passedMs / Math.max(1, lengthOf(plan)));
}

const MOST_RATES = 60;

/** The calls that ended per second between two updates, for the last updates. */
class Pace {
  readonly rates: number[] = [];
  #last: { readonly passedMs: number; readonly ended: number } | undefined;

  look({ passedMs, total: { ends } }: LoadProgress): void {
    const ended = failedOf(ends) + ends.ok + ends.cut;
    if (this.#last !== undefined && passedMs > this.#last.passedMs) {
      this.rates.push(((ended - this.#last.ended) * 1_000) / (passedMs - this.#last.passedMs));
      if (this.rates.length > MOST_RATES) this.rates.shift();
    }
    this.#last = { passedMs, ended };
  }
}

const BLOCKS = '▁▂▃▄▅▆▇█';

/** Numbers from 0 up as blocks of eight heights; the largest number has the highest block. */
export function sparkline(values: readonly number[]): string {
  const top = Math.max(...values, Number.MIN_VALUE);
  return values.map((value) => BLOCKS[Math.min(7, Math.floor((Math.max(0, value) / top) * 8))] ?? '').join('');
}

export interface LiveOptions {
  /** Calls that ended in each of the last seconds. */
  readonly rates: readonly number[];
  readonly width: number;
  readonly color: boolean;
}

/** The live view of a running load test. */
export function renderLive(progress: LoadProgress, plan: LoadPlan, { rates, width, color }: LiveOptions): string {
  const paint = createPaint(color);
  const { passedMs, total, inFlight, ending } = progress;
  const { calls, ends, errorShare, latencyMs, firstTokenMs, peakInFlight } = total;
  const share = doneShare(passedMs, plan);
  const time = `${spanText(passedMs)} of ${spanText(lengthOf(plan))}`;
  const speed = plan.clock.scale === 1 ? '' : `   time x${plan.clock.scale}`;
  const failed = failedOf(ends);
  const line = (label: string, text: string) => ` ${paint.dim(label.padEnd(13))}${text}`;
  const now = rates.at(-1) ?? 0;
  return [
    cut(`upshift loadtest  ${clean(plan.url.href)}`, width),
    cut(shapeText(plan), width),
    '',
    ` ${bar(share, Math.min(40, width - 40))} ${String(Math.round(share * 100)).padStart(3)} %   ${time}${speed}`,
    '',
    line('calls', `${numberText(calls)}, ${numberText(inFlight)} in flight, at most ${numberText(peakInFlight)}`),
    line('a second', `${paint.cyan(sparkline(rates.slice(14 - width)))} ${rateText(now, 1_000)}`),
    line('failed', failed === 0 ? paint.green('none') : paint.red(percentText(errorShare))),
    ...(failed === 0 ? [] : wrap(failuresText(ends), width - 14).map((text) => line('', text))),
    line('latency', quantilesText(latencyMs, paint)),
    ...(plan.isStreamed ? [line('first token', quantilesText(firstTokenMs, paint))] : []),
    '',
    ending === null
      ? paint.dim(' Ctrl-C ends the load test and prints the report so far')
      : paint.yellow(` no more calls are sent; ${waitingText(inFlight, ending, plan)}`),
  ].join('\n');
}

function waitingText(inFlight: number, ending: Ending, { drainMs, stoppedDrainMs }: LoadPlan): string {
  const wait = (ms: number) => `${numberText(inFlight)} in flight have ${ms / 1_000} s to end`;
  return ending === 'stopped' ? `${wait(stoppedDrainMs)}, Ctrl-C cuts them now` : wait(drainMs);
}

function quantilesText(quantiles: Quantiles | null, paint: Paint): string {
  if (quantiles === null) return paint.dim('no call has succeeded yet');
  return (['p50', 'p95', 'p99'] as const)
    .map((name) => `${paint.dim(name)} ${latencyText(quantiles[name]).padEnd(8)}`)
    .join(' ')
    .trimEnd();
}
