import type { Attempt, AttemptOwner } from './attempt.ts';

/** So much of an error's body is read, and for so long, real ms. */
const MOST = 64 * 1024;
const LONGEST_MS = 5_000;

/** Reads the body of an error that is not passed on as it is. */
export class ErrorReader implements AttemptOwner {
  readonly #attempt: Attempt;
  readonly #read: (body: Buffer) => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  readonly #timer: NodeJS.Timeout;
  #isOver = false;

  /** Takes over an attempt whose answer has begun. `read`: called once, with as much of the body as came. */
  constructor(attempt: Attempt, read: (body: Buffer) => void) {
    this.#attempt = attempt;
    this.#read = read;
    attempt.handTo(this);
    this.#timer = setTimeout(() => this.#end(), LONGEST_MS).unref();
  }

  answered(): void {}

  data(_: Attempt, chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= MOST) this.#end();
  }

  completed(): void {
    this.#end();
  }

  broke(): void {
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    // First what it says, so that a refusal counts while its call still counts as under way.
    try {
      this.#read(Buffer.concat(this.#chunks));
    } finally {
      this.#attempt.discard();
    }
  }
}
