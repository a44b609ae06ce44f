import type { Outcome } from '../../core/outcome.ts';
import type { LocalTrouble } from '../../core/status.ts';
import { certificateRemedy } from '../../core/wire/certificates.ts';

/** The same problem of the same upstream is logged once in this time, in ms. */
const AGAIN_MS = 60_000;

/** Writes one warning to the log. */
type Warn = (message: string, facts: Record<string, unknown>) => void;

/** Logs why upstreams cannot be reached, because the client's answer does not say it. Counts what this machine caused. */
export class Unreached {
  readonly #warn: Warn;
  readonly #now: () => number;
  readonly #loggedAtMs = new Map<string, number>();
  #local: LocalTrouble | null = null;

  /** `now`: epoch ms. */
  constructor(warn: Warn, now: () => number) {
    this.#warn = warn;
    this.#now = now;
  }

  /** The attempts that this machine could not send; null if there were none. */
  get local(): LocalTrouble | null {
    return this.#local;
  }

  /**
   * Notes an attempt that got no answer; does nothing if its upstream was reached. `origin`: the upstream's scheme, host
   * and port; `nowMs`: real ms.
   */
  note(outcome: Outcome, origin: string, error: Error, nowMs: number): void {
    if (outcome === 'local_error') {
      this.#local = { attempts: (this.#local?.attempts ?? 0) + 1, lastAt: this.#now(), error: textOf(error) };
    } else if (outcome !== 'connect_failed') return;
    const code = codeOf(error);
    const key = `${origin} ${code}`;
    const before = this.#loggedAtMs.get(key);
    if (before !== undefined && nowMs - before < AGAIN_MS) return;
    this.#loggedAtMs.set(key, nowMs);
    const remedy = certificateRemedy(code);
    const facts = { upstream: origin, error: textOf(error) };
    this.#warn('an upstream cannot be reached', remedy === null ? facts : { ...facts, remedy });
  }
}

/** The code of an error; empty if it has none. */
export function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function textOf(error: Error): string {
  const code = codeOf(error);
  return code === '' ? error.message : `${error.message} (${code})`;
}
