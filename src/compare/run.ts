import type { CompareRequest } from '../core/compare/built-in.ts';
import type { ComparedPair } from '../core/compare/pair.ts';
import { AskedReader } from '../core/form/asked.ts';
import { Lane } from './lane.ts';
import { AnswerReader } from './read.ts';
import type { ReadAnswer } from './read.ts';
import { send } from './send.ts';
import type { Got } from './send.ts';
import type { Side } from './side.ts';

/** A comparison as it will run. */
export interface RunOptions {
  readonly a: Side;
  readonly b: Side;
  readonly requests: readonly CompareRequest[];
  /** The share of the requests that A gets twice, 0..1. */
  readonly baseline: number;
  /** Requests under way at once; each is at most three calls. */
  readonly concurrency: number;
  /** Real milliseconds for one call. */
  readonly timeoutMs: number;
  /** Ends the comparison with what is known. */
  readonly stop: AbortSignal;
  /** After each request. */
  readonly onProgress?: (progress: Progress) => void;
  /** Gets the texts of each pair. They are kept nowhere else. */
  readonly onTexts?: (request: CompareRequest, texts: { readonly a: string; readonly b: string }) => void;
}

export interface Progress {
  readonly done: number;
  readonly all: number;
}

/** Calls and tokens of a side, as it counted them. */
export interface Consumed {
  readonly calls: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

export interface RunResult {
  readonly pairs: readonly ComparedPair[];
  readonly consumed: { readonly a: Consumed; readonly b: Consumed };
}

/** After so many requests in a row that say nothing, because a side limits its rate, no more are sent. */
const MOST_LEFT = 5;

/** Sends each request to both sides at the same time, and a share of them to A once more. */
export async function runComparison(options: RunOptions): Promise<RunResult> {
  const run = new Run(options);
  await Promise.all(Array.from({ length: options.concurrency }, () => run.work()));
  return { pairs: run.pairs, consumed: { a: run.a.consumed(), b: run.b.consumed() } };
}

class Meter {
  #calls = 0;
  #promptTokens = 0;
  #outputTokens = 0;

  add(got: Got, { usage }: ReadAnswer): void {
    if (got.kind !== 'left') this.#calls++;
    this.#promptTokens += usage.promptTokens ?? 0;
    this.#outputTokens += usage.outputTokens ?? 0;
  }

  consumed(): Consumed {
    return { calls: this.#calls, promptTokens: this.#promptTokens, outputTokens: this.#outputTokens };
  }
}

class Run {
  readonly pairs: ComparedPair[] = [];
  readonly a = new Meter();
  readonly b = new Meter();
  readonly #options: RunOptions;
  readonly #askedReader = new AskedReader();
  readonly #lanes: { readonly A: Lane; readonly B: Lane };
  #next = 0;
  #leftInARow = 0;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#lanes = { A: new Lane(2 * options.concurrency), B: new Lane(options.concurrency) };
  }

  /** Takes one request after the other until there are none. */
  async work(): Promise<void> {
    const { requests, stop, onProgress } = this.#options;
    while (this.#next < requests.length && !stop.aborted && this.#leftInARow < MOST_LEFT) {
      const at = this.#next++;
      const pair = await this.#compare(requests[at] as CompareRequest, this.#isAgain(at));
      this.pairs.push(pair);
      this.#leftInARow = pair.a.kind === 'left' || pair.b.kind === 'left' ? this.#leftInARow + 1 : 0;
      onProgress?.({ done: this.pairs.length, all: requests.length });
    }
  }

  /** The requests that A gets twice are spread evenly. */
  #isAgain(at: number): boolean {
    const { baseline } = this.#options;
    return Math.floor((at + 1) * baseline) > Math.floor(at * baseline);
  }

  async #compare(request: CompareRequest, isAgain: boolean): Promise<ComparedPair> {
    const { a, b, onTexts } = this.#options;
    const [ofA, ofB, again] = await Promise.all([
      this.#send(a, request),
      this.#send(b, request),
      isAgain ? this.#send(a, request) : null,
    ]);
    const reader = new AnswerReader(request.body, this.#askedReader);
    const read = (got: Got, meter: Meter) => {
      const answer = reader.read(got);
      meter.add(got, answer);
      return answer;
    };
    const answers = [read(ofA, this.a), read(ofB, this.b)] as const;
    const third = again === null ? null : read(again, this.a);
    if (ofA.kind === 'answered' && ofB.kind === 'answered') onTexts?.(request, { a: ofA.text, b: ofB.text });
    return reader.pair(request.kind, ...answers, third);
  }

  #send(side: Side, { path, body }: CompareRequest): Promise<Got> {
    const { timeoutMs, stop } = this.#options;
    return send(side, path, { ...body, model: side.model }, { lane: this.#lanes[side.name], timeoutMs, stop });
  }
}
