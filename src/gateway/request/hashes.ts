import { createHmac, randomBytes } from 'node:crypto';

/**
 * Hashes by which a body or a credential is recognised without being kept. Their key is new in each process, so that
 * they say nothing to anybody else. A body is hashed once at most.
 */
export class Hashes {
  readonly #key = randomBytes(32);
  readonly #known = new WeakMap<Buffer, string>();

  /** What stands for a request with this path and body. The query is left out, because clients number retries in it. */
  of(path: string, body: Buffer): string {
    // All requests without a body may share one buffer.
    const known = body.length === 0 ? undefined : this.#known.get(body);
    if (known !== undefined) return known;
    const hash = createHmac('sha256', this.#key)
      .update(`${path.split('?', 1)[0]}\n`)
      .update(body)
      .digest('base64');
    if (body.length > 0) this.#known.set(body, hash);
    return hash;
  }

  /** What stands for a value of `Authorization`. */
  ofCredential(authorization: string): string {
    return createHmac('sha256', this.#key).update(authorization).digest('base64');
  }
}
