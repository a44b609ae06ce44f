import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/**
 * A body that is too large to be kept: it is sent on while the client sends it, and the client is read no faster than
 * the upstream reads. It can be sent once only.
 */
export class Upload {
  /** What has come of it so far, in bytes. */
  bytes: number;
  /** Its whole length in bytes; null if the client does not say it. */
  readonly length: string | null;
  readonly stream: Readable;
  readonly #req: IncomingMessage;

  /** `first`: what was read of the body before. */
  constructor(req: IncomingMessage, first: readonly Buffer[]) {
    this.#req = req;
    this.bytes = first.reduce((sum, { length }) => sum + length, 0);
    this.length = req.headers['content-length'] ?? null;
    const stream = new Readable({ read: () => void req.resume() });
    this.stream = stream;
    // Whoever reads it learns of errors in another way.
    stream.on('error', () => undefined);
    for (const chunk of first) stream.push(chunk);
    req.on('data', (chunk: Buffer) => this.#take(chunk));
    req.on('end', () => {
      if (!stream.destroyed) stream.push(null);
    });
    stream.once('close', () => void req.resume());
  }

  /** The call has ended: what the client still sends is read and thrown away, so that it can read its answer. */
  end(): void {
    this.stream.destroy();
    this.#req.resume();
  }

  #take(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (!this.stream.destroyed && !this.stream.push(chunk)) this.#req.pause();
  }
}
