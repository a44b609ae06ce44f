/** Deeper values are not compared. */
const DEEPEST = 64;
/** Characters of a string that cost as much as one step. */
export const STEP_CHARS = 64;

/** Steps that may still be taken: one for each value or keyword that is looked at. Shared by all that one check does. */
export class Steps {
  #left: number;

  constructor(most: number) {
    this.#left = most;
  }

  /** Whether there are no more. */
  get areOver(): boolean {
    return this.#left < 0;
  }

  /** Takes so many steps; false if there are no more. */
  take(count = 1): boolean {
    this.#left -= count;
    return this.#left >= 0;
  }
}

/**
 * A text that two JSON values have in common if they are the same, whatever the order of their keys. Null if the value is
 * too deep, or has more parts than steps are left.
 */
export function canonical(value: unknown, steps: Steps, depth = 0): string | null {
  if (!steps.take() || depth > DEEPEST) return null;
  if (typeof value === 'string') return isShort(value, steps) ? JSON.stringify(value) : null;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? null;
  const parts: string[] = [];
  if (Array.isArray(value)) {
    for (const each of value) {
      const part = canonical(each, steps, depth + 1);
      if (part === null) return null;
      parts.push(part);
    }
    return `[${parts.join()}]`;
  }
  const entries = Object.entries(value);
  if (!steps.take(entries.length)) return null;
  for (const [key, each] of entries.sort(([a], [b]) => (a < b ? -1 : 1))) {
    const part = isShort(key, steps) ? canonical(each, steps, depth + 1) : null;
    if (part === null) return null;
    parts.push(`${JSON.stringify(key)}:${part}`);
  }
  return `{${parts.join()}}`;
}

/** Takes the steps of a text; false if there are not so many. */
function isShort(text: string, steps: Steps): boolean {
  return steps.take(Math.floor(text.length / STEP_CHARS));
}
