import { errorMessage } from '../core/errors.ts';
import { loadPolicy } from '../files/policy.ts';
import type { LoadedPolicy } from '../files/policy.ts';
import type { Log } from './log.ts';

/** The policy file, as it was last read without a mistake. */
export class PolicyFile {
  readonly #log: Log;
  #loaded: LoadedPolicy;
  #problem: string | null = null;

  constructor(loaded: LoadedPolicy, log: Log) {
    this.#loaded = loaded;
    this.#log = log;
  }

  get loaded(): LoadedPolicy {
    return this.#loaded;
  }

  /** Why the file cannot be read as it is now; null if it can. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Reads the file again. Returns whether it says something new. While it is wrong, what it said before holds. */
  async reload(): Promise<boolean> {
    try {
      const loaded = await loadPolicy(this.#loaded.path, this.#loaded);
      this.#problem = null;
      if (loaded.hash === this.#loaded.hash) return false;
      this.#loaded = loaded;
      this.#log('info', 'policy changed', { path: loaded.path, hash: loaded.hash });
      return true;
    } catch (error) {
      this.#problem = errorMessage(error);
      return false;
    }
  }
}
