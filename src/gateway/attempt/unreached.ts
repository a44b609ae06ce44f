import { certificateRemedy } from '../../core/wire/certificates.ts';

/** The same problem of the same upstream is logged once in this time, in ms. */
const AGAIN_MS = 60_000;

/** Writes one warning to the log. */
type Warn = (message: string, facts: Record<string, unknown>) => void;

/** Logs why upstreams cannot be reached: the client's answer does not say it. */
export class Unreached {
  readonly #warn: Warn;
  readonly #loggedAtMs = new Map<string, number>();

  constructor(warn: Warn) {
    this.#warn = warn;
  }

  /** Notes that an upstream was not reached. `origin`: its scheme, host and port; `nowMs`: real ms. */
  note(origin: string, error: Error, nowMs: number): void {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
    const key = `${origin} ${code}`;
    const before = this.#loggedAtMs.get(key);
    if (before !== undefined && nowMs - before < AGAIN_MS) return;
    this.#loggedAtMs.set(key, nowMs);
    const remedy = certificateRemedy(code);
    const facts = { upstream: origin, error: code === '' ? error.message : `${error.message} (${code})` };
    this.#warn('an upstream cannot be reached', remedy === null ? facts : { ...facts, remedy });
  }
}
