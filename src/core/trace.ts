/** One call of a recorded or generated load. */
export interface Arrival {
  /** Clock milliseconds since the start of the trace. */
  readonly atMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}
