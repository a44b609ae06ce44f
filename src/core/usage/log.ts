/** A past call, as usage counts it. Times in epoch ms. */
export interface UsageCall {
  readonly arrivedAtMs: number;
  readonly endedAtMs: number;
  /** The number of its agent. */
  readonly agent: number;
  /** Serverless refused its first attempt, or could not take it in time. */
  readonly isRefused: boolean;
  /** It repeats a refused call, which counts once as demand. */
  readonly isRepeat: boolean;
  /** An endpoint answered it. Every other call counts as serverless's. */
  readonly isDedicated: boolean;
  /** Tokens of prompt and answer, as far as they are known. */
  readonly tokens: number;
}

const REFUSED = 1;
const REPEAT = 2;
const DEDICATED = 4;

/** Calls in the order in which they were added, as columns: 25 bytes for each call, so that millions fit in memory. */
export class UsageLog {
  #arrived = new Float64Array(1_024);
  #ended = new Float64Array(1_024);
  #agents = new Uint32Array(1_024);
  #tokens = new Uint32Array(1_024);
  #marks = new Uint8Array(1_024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(call: UsageCall): void {
    if (this.#length === this.#arrived.length) this.#grow();
    const at = this.#length++;
    this.#arrived[at] = call.arrivedAtMs;
    this.#ended[at] = call.endedAtMs;
    this.#agents[at] = call.agent;
    this.#tokens[at] = call.tokens;
    this.#marks[at] =
      (call.isRefused ? REFUSED : 0) | (call.isRepeat ? REPEAT : 0) | (call.isDedicated ? DEDICATED : 0);
  }

  arrivedAtMs(at: number): number {
    return this.#arrived[at] as number;
  }

  endedAtMs(at: number): number {
    return this.#ended[at] as number;
  }

  agent(at: number): number {
    return this.#agents[at] as number;
  }

  tokens(at: number): number {
    return this.#tokens[at] as number;
  }

  isRefused(at: number): boolean {
    return ((this.#marks[at] as number) & REFUSED) !== 0;
  }

  isRepeat(at: number): boolean {
    return ((this.#marks[at] as number) & REPEAT) !== 0;
  }

  isDedicated(at: number): boolean {
    return ((this.#marks[at] as number) & DEDICATED) !== 0;
  }

  #grow(): void {
    const room = 2 * this.#length;
    const grown = <Column extends Float64Array | Uint32Array | Uint8Array>(old: Column, next: Column): Column => {
      next.set(old);
      return next;
    };
    this.#arrived = grown(this.#arrived, new Float64Array(room));
    this.#ended = grown(this.#ended, new Float64Array(room));
    this.#agents = grown(this.#agents, new Uint32Array(room));
    this.#tokens = grown(this.#tokens, new Uint32Array(room));
    this.#marks = grown(this.#marks, new Uint8Array(room));
  }
}
