import type { IncomingMessage } from 'node:http';

const DISCARD_FACTOR = 4;
const EMPTY = Buffer.alloc(0);

/** Receives a request's body. */
export interface BodyOwner {
  /** The request is complete. `body`: null if it is larger than allowed. */
  received(body: Buffer | null): void;
  /**
   * The body is larger than allowed. `first`: what has come of it. Returns whether the owner reads the rest itself;
   * otherwise it is read and discarded.
   */
  outgrown?(first: readonly Buffer[]): boolean;
  /** The request is far too large and not yet complete. Called for each further piece. */
  flooded(): void;
}

/** Reads a request's body up to a limit, and counts its bytes. */
export class Body {
  bytes = 0;
  readonly #req: IncomingMessage;
  readonly #owner: BodyOwner;
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #isLarge = false;

  constructor(req: IncomingMessage, maxBytes: number, owner: BodyOwner) {
    this.#req = req;
    this.#owner = owner;
    this.#maxBytes = maxBytes;
    req.on('data', this.#take);
    req.on('end', this.#end);
  }

  /** Reads no further, because somebody else does. */
  leave(): void {
    this.#req.off('data', this.#take);
    this.#req.off('end', this.#end);
  }

  readonly #take = (chunk: Buffer): void => {
    this.bytes += chunk.length;
    if (this.bytes <= this.#maxBytes) {
      this.#chunks.push(chunk);
      return;
    }
    // The rest is read and discarded, because a client that is still sending may not see an answer; but only up to a
    // bound.
    const first = this.#chunks;
    this.#chunks = [];
    if (!this.#isLarge && this.#owner.outgrown?.([...first, chunk]) === true) return this.leave();
    this.#isLarge = true;
    if (this.bytes > DISCARD_FACTOR * this.#maxBytes) this.#owner.flooded();
  };

  readonly #end = (): void => {
    const chunks = this.#chunks;
    this.#chunks = [];
    if (this.bytes > this.#maxBytes) this.#owner.received(null);
    else if (chunks.length === 1) this.#owner.received(chunks[0] as Buffer);
    else this.#owner.received(chunks.length === 0 ? EMPTY : Buffer.concat(chunks));
  };
}
