import { agree } from '../../core/form/agree.ts';
import type { AskedOfPair, Half } from '../../core/form/agree.ts';
import type { Agreement } from '../../core/form/agreement.ts';
import type { FormMemory } from '../../core/form/memory.ts';

/**
 * The answers to a call and to its copy. The one that ends first is kept in memory until the other one has ended; nothing
 * of either is kept after that.
 */
export class AnswerPair {
  readonly #asked: AskedOfPair;
  readonly #memory: FormMemory;
  #first: { readonly half: Half | null; readonly bytes: number } | null = null;

  constructor(asked: AskedOfPair, memory: FormMemory) {
    this.#asked = asked;
    this.#memory = memory;
  }

  /**
   * One of the two has ended; to be called once for each. `half`: its answer; null if it gave none, or none that can be
   * compared. Returns how far the two agree if this is the second one, and null otherwise.
   */
  ended(half: Half | null): Agreement | null {
    const first = this.#first;
    if (first === null) {
      const bytes = half === null ? 0 : bytesOf(half);
      this.#first = this.#memory.take(bytes) ? { half, bytes } : { half: null, bytes: 0 };
      return null;
    }
    this.#memory.give(first.bytes);
    this.#first = { half: null, bytes: 0 };
    return half === null || first.half === null ? null : agree(first.half, half, this.#asked);
  }
}

/** About how much memory it takes. */
function bytesOf(half: Half): number {
  if (half.kind === 'vectors') return half.vectors.reduce((sum, { length }) => sum + 8 * length, 0);
  const chars = half.given.map(({ text, calls }) =>
    calls.reduce((sum, { args }) => sum + (args?.length ?? 0), text?.length ?? 0),
  );
  return chars.reduce((sum, each) => sum + 2 * each, 0);
}
