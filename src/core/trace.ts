/** One call of recorded or generated traffic. */
export interface Arrival {
  /** Clock milliseconds since the start of the trace. */
  readonly atMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}
