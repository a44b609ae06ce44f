import { EndpointLoad } from '../../core/overflow/endpoint-load.ts';

/** Real ms, as the gateway counts them: it stands still while the process is blocked. */
export interface CoarseClock {
  readonly nowMs: number;
}

/** The calls and copies under way at one endpoint. */
export class EndpointGate {
  readonly load = new EndpointLoad();
  readonly #coarse: CoarseClock;

  constructor(coarse: CoarseClock) {
    this.#coarse = coarse;
  }

  /** A call or a copy is sent. Returns its number. */
  begin(): number {
    return this.load.begin();
  }

  /** A call or a copy is no longer under way. */
  end(): void {
    this.load.end();
  }

  /** The endpoint has begun to answer a call well. */
  answered(): void {
    this.load.answered(this.#coarse.nowMs);
  }

  /** The endpoint refused a call, and said that it lacks room. Returns whether that is believed. */
  refused(number: number): boolean {
    return this.load.refused(number, this.#coarse.nowMs);
  }

  /** The first byte of a call is late. Returns whether for lack of room. */
  late(number: number): boolean {
    return this.load.late(number, this.#coarse.nowMs);
  }
}
