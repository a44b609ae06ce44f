/** How full an endpoint is, and what became of the calls for which it had no room since the gateway was created. */
export interface EndpointLoadStatus {
  /** Calls and copies under way. */
  readonly inFlight: number;
  /** Calls at once that it takes; null if no limit was ever seen. */
  readonly limit: number | null;
  /** Calls at once at which it last said that it is full; null if it never said so. */
  readonly fullAt: number | null;
  /** Calls and copies that were sent to it. */
  readonly sent: number;
  /** Calls that wait for a place. */
  readonly waiting: number;
  /** Calls and copies that it refused, or left without a first byte, for lack of room. */
  readonly saturated: number;
  /** Calls that went to serverless instead. */
  readonly overflowed: number;
  /** Calls that had to wait for a place. */
  readonly waited: number;
  /** Calls that neither side had room for. */
  readonly refused: number;
}
