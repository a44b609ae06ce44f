import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { seedOf } from './chance.ts';
import { Draws } from './draws.ts';
import { MadeTrace } from './made-trace.ts';
import { quantile } from './minutes.ts';
import { RecordedTrace } from './recorded-trace.ts';
import type { RecordedPair } from './recorded-trace.ts';
import { match, readRecordings } from './recordings.ts';
import type { RecordedCall, Recording } from './recordings.ts';
import type { Trace } from './trace.ts';
import { FORM_TRUTHS, TRUTHS } from './truths.ts';
import type { Right } from './truths.ts';
import { WORLDS } from './worlds.ts';

/** One world under one truth, of which any number of traces can be made. */
export interface Scene {
  readonly world: string;
  readonly truth: string;
  readonly right: Right;
  /** So bad that every call counts: our judge is also tried without a shadow stage, which would spare them all. */
  readonly isGross: boolean;
  /** Whether it is about the form of answers. */
  readonly isOfForm: boolean;
  trace(seed: number): Trace;
}

/** What a world of units is tried under: enough to see whether they mislead a judge. */
const OF_UNITS: ReadonlySet<string> = new Set([
  'identical',
  '20 % faster',
  'both drift +40 %',
  'serverless incident',
  '30 % slower',
  '6 % take 4x',
  'faults 3 %',
  'faults 10 %',
  'latency x2',
  'dead',
  'no answer 5 %',
  'context 8k',
]);

/** Every world under every truth. The n-th trace of a world has the same calls and noise under each truth. */
export const MADE_SCENES: readonly Scene[] = WORLDS.flatMap((world, w) => {
  const draw = keepLast((seed) => new Draws(world, seedOf(seed, w)));
  return TRUTHS.filter(({ name }) => world.units === undefined || OF_UNITS.has(name)).map((truth) => ({
    world: world.name,
    truth: truth.name,
    right: truth.right,
    isGross: truth.isGross ?? false,
    isOfForm: FORM_TRUTHS.includes(truth),
    trace: (seed: number) => new MadeTrace(draw(seed), truth),
  }));
});

/** The same function, which remembers what it made last. */
function keepLast<T>(make: (seed: number) => T): (seed: number) => T {
  let last: { readonly seed: number; readonly made: T } | null = null;
  return (seed) => {
    if (last?.seed !== seed) last = { seed, made: make(seed) };
    return last.made;
  };
}

/** Pairs of recordings in one file, each judged both ways round; one by itself is judged against itself. */
const FILES: readonly { readonly file: string; readonly world: string; readonly pairs: readonly string[][] }[] = [
  {
    file: 'llmperf_llama2_13b.csv.gz',
    world: 'real: providers',
    pairs: [
      ['anyscale llama2-13b'],
      ['replicate llama2-13b'],
      ['anyscale llama2-13b', 'together llama2-13b'],
      ['fireworks llama2-13b', 'replicate llama2-13b'],
      ['fireworks llama2-13b', 'lepton llama2-13b'],
    ],
  },
  {
    file: 'aibrix_stacks_v0_2_1.csv.gz',
    world: 'real: stacks',
    pairs: [
      ['naive qps1.3'],
      ['ps_stack_low_high qps2.1'],
      ['naive qps1.3', 'aibrix_naive_7 qps1.3'],
      ['ps_stack_high_low qps2.1', 'ps_stack_low_high qps2.1'],
      ['naive qps2.1', 'ps_stack_low_high qps2.1'],
    ],
  },
  {
    file: 'vllm_three_loads.csv.gz',
    world: 'real: loads',
    pairs: [['vllm-llama3.2-1b scale100'], ['vllm-llama3.2-1b scale100', 'vllm-llama3.2-1b scale400']],
  },
];

/** Pairs of recordings of real servers, from that folder; null where it has none. */
export function recordedScenes(folder: string): readonly Scene[] | null {
  if (FILES.some(({ file }) => !existsSync(join(folder, file)))) return null;
  return FILES.flatMap(({ file, world, pairs }) => {
    const recordings = readRecordings(folder, file);
    const get = (name: string): Recording => {
      const recording = recordings.get(name);
      if (recording === undefined) throw new Error(`${file} has no recording ${name}`);
      return recording;
    };
    return pairs.flatMap(([one = '', other]) => {
      if (other === undefined) return against(world, one, get(one).calls);
      const matched = match(get(one), get(other));
      const [a, b] = matched ?? [get(one), get(other)];
      const tie = matched === null ? 'none' : 'question';
      return [
        sceneOf(world, one, other, { stable: a.calls, canary: b.calls, tie }),
        sceneOf(world, other, one, { stable: b.calls, canary: a.calls, tie }),
      ];
    });
  });
}

function sceneOf(world: string, from: string, to: string, pair: RecordedPair): Scene {
  const { right, figures } = truthOf(pair);
  const truth = `${from} to ${to} (${figures})`;
  return { world, truth, right, isGross: false, isOfForm: false, trace: (seed) => new RecordedTrace(pair, seed) };
}

/**
 * A recording against itself: first at the same moments, which is what a split of one server's calls shows, then each part
 * at moments of its own. In the second case one of the two may truly be much the slower for minutes on end, so nothing that
 * a judge says is wrong.
 */
function against(world: string, name: string, calls: readonly RecordedCall[]): readonly Scene[] {
  const pair = { stable: calls, canary: calls };
  return [
    {
      world,
      truth: `${name}, against itself`,
      right: 'promote',
      isGross: false,
      isOfForm: false,
      trace: (seed) => new RecordedTrace({ ...pair, tie: 'moment' }, seed),
    },
    {
      world,
      truth: `${name}, against itself at other times`,
      right: 'either',
      isGross: false,
      isOfForm: false,
      trace: (seed) => new RecordedTrace({ ...pair, tie: 'none' }, seed),
    },
  ];
}

/** What the whole of two recordings says of them, against the default margins: clearly within, twice beyond, or between. */
function truthOf({ stable, canary }: RecordedPair): { right: Right; figures: string } {
  const latency = ({ latencyMs }: RecordedCall) => latencyMs;
  const speed = ratio(stable, canary, latency);
  const p95 = tailOf(canary, 0.95) / tailOf(stable, 0.95);
  const p99 = tailOf(canary, 0.99) / tailOf(stable, 0.99);
  const first = ratio(stable, canary, ({ firstTokenMs }) => firstTokenMs);
  const pace = ratio(stable, canary, paceOf);
  const length = Math.abs(Math.log(ratio(stable, canary, ({ outputTokens }) => outputTokens)));
  const faults = share(canary, ({ end }) => end !== 'ok') - share(stable, ({ end }) => end === 'failed');
  const isFine =
    speed <= 1.05 && p95 <= 1.05 && p99 <= 1.1 && first <= 1.05 && pace <= 1.05 && length <= 0.05 && faults <= 0;
  const isBad = speed >= 1.3 || p95 >= 2 || first >= 1.5 || pace >= 1.5 || length >= 0.3 || faults >= 0.02;
  const figures = `speed x${speed.toFixed(2)}, p95 x${p95.toFixed(2)}, first token x${first.toFixed(2)}`;
  return { right: isFine ? 'promote' : isBad ? 'refuse' : 'either', figures };
}

function answered(calls: readonly RecordedCall[]): readonly RecordedCall[] {
  return calls.filter(({ end }) => end === 'ok');
}

/** Milliseconds per output token after the first one. */
function paceOf({ latencyMs, firstTokenMs, outputTokens }: RecordedCall): number | null {
  if (firstTokenMs === null || outputTokens === null || outputTokens < 2) return null;
  return (latencyMs - firstTokenMs) / (outputTokens - 1);
}

/** Ratio of the geometric means; 1 where the recordings do not have it. */
function ratio(
  stable: readonly RecordedCall[],
  canary: readonly RecordedCall[],
  of: (call: RecordedCall) => number | null,
): number {
  const [a, b] = [stable, canary].map((calls) => {
    const values = answered(calls).flatMap((call) => of(call) ?? []);
    return values.reduce((sum, value) => sum + Math.log(Math.max(value, 0.1)), 0) / values.length;
  }) as [number, number];
  return Number.isNaN(a) || Number.isNaN(b) ? 1 : Math.exp(b - a);
}

function tailOf(calls: readonly RecordedCall[], at: number): number {
  return quantile(
    answered(calls).map(({ latencyMs }) => latencyMs),
    at,
  );
}

function share(calls: readonly RecordedCall[], is: (call: RecordedCall) => boolean): number {
  return calls.filter(is).length / calls.length;
}
