import type { Progress } from '../../compare/run.ts';
import { numberText } from '../terminal/format.ts';

/** Real milliseconds between two lines without a terminal. */
const SAY_EVERY_MS = 15_000;

/** Says on standard error how far a comparison is, never what it found, so that nobody stops it for what it shows. */
export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  readonly #isQuiet: boolean;
  #saidAt = performance.now();

  constructor(stream: NodeJS.WriteStream, isQuiet: boolean) {
    this.#stream = stream;
    this.#isQuiet = isQuiet;
  }

  say({ done, all }: Progress): void {
    if (this.#isQuiet) return;
    const text = `${numberText(done)} of ${numberText(all)} requests`;
    if (this.#stream.isTTY) this.#stream.write(`\r\u001b[K${text}`);
    else if (performance.now() - this.#saidAt >= SAY_EVERY_MS) {
      this.#saidAt = performance.now();
      this.#stream.write(`${text}\n`);
    }
  }

  /** Takes the line away. */
  end(): void {
    if (!this.#isQuiet && this.#stream.isTTY) this.#stream.write('\r\u001b[K');
  }
}
