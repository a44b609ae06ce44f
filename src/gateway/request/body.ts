import type { IncomingMessage } from 'node:http';

const DISCARD_FACTOR = 4;
const EMPTY = Buffer.alloc(0);

/** Receives a request's body. */
export interface BodyOwner {
  /** The request is complete. `body`: null if it is larger than allowed. */
  received(body: Buffer | null): void;
  /** The request is far too large and not yet complete. Called for each further piece. */
  flooded(): void;
}

/** Reads a request's body up to a limit, and counts its bytes. */
export class Body {
  bytes = 0;
  readonly #owner: BodyOwner;
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];

  constructor(req: IncomingMessage, maxBytes: number, owner: BodyOwner) {
    this.#owner = owner;
    this.#maxBytes = maxBytes;
    req.on('data', (chunk: Buffer) => this.#take(chunk));
    req.on('end', () => this.#end());
  }

  #take(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.bytes <= this.#maxBytes) {
      this.#chunks.push(chunk);
      return;
    }
    // The rest is read and discarded, because a client that is still sending may not see an answer; but only up to a
    // bound.
    this.#chunks.length = 0;
    if (this.bytes > DISCARD_FACTOR * this.#maxBytes) this.#owner.flooded();
  }

  #end(): void {
    const chunks = this.#chunks;
    this.#chunks = [];
    if (this.bytes > this.#maxBytes) this.#owner.received(null);
    else if (chunks.length === 1) this.#owner.received(chunks[0] as Buffer);
    else this.#owner.received(chunks.length === 0 ? EMPTY : Buffer.concat(chunks));
  }
}
