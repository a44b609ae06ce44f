import type { Hashes } from './hashes.ts';

const OPEN_FOR_US = 60_000_000;
const MOST_AGENTS = 10_000;
const MOST_PER_AGENT = 32;

interface Refusal {
  /** Arrival of the first of a series of refused repeats, epoch µs: the one that counts as demand. */
  readonly firstAtUs: number;
  refusedAtUs: number;
}

/**
 * Remembers which bodies of which agents serverless refused within the last minute of clock time, so that a repeat is
 * not counted as new demand. Only hashes of bodies are kept. They are computed only for refused calls and for
 * calls of agents with a remembered refusal.
 */
export class Repeats {
  readonly #hashes: Hashes;
  readonly #agents = new Map<string, Map<string, Refusal>>();

  constructor(hashes: Hashes) {
    this.#hashes = hashes;
  }

  /** `arrivedAtUs` of the refused call that this one repeats; null if it is new. */
  find(agent: string, path: string, body: Buffer, nowUs: number): number | null {
    if (this.#agents.size === 0) return null;
    const open = this.#agents.get(agent);
    if (open === undefined) return null;
    for (const [hash, refusal] of open) if (nowUs - refusal.refusedAtUs > OPEN_FOR_US) open.delete(hash);
    if (open.size === 0) {
      this.#agents.delete(agent);
      return null;
    }
    return open.get(this.#hashes.of(path, body))?.firstAtUs ?? null;
  }

  /** Notes that serverless refused a call at its first attempt. `repeatOfUs`: what `find` returned for it. */
  refused(agent: string, path: string, body: Buffer, call: { arrivedAtUs: number; repeatOfUs: number | null }): void {
    const hash = this.#hashes.of(path, body);
    const open = this.#agents.get(agent) ?? new Map<string, Refusal>();
    open.delete(hash);
    this.#agents.delete(agent);
    open.set(hash, { firstAtUs: call.repeatOfUs ?? call.arrivedAtUs, refusedAtUs: call.arrivedAtUs });
    this.#agents.set(agent, open);
    dropOldest(open, MOST_PER_AGENT);
    dropOldest(this.#agents, MOST_AGENTS);
  }

  /** Notes that a repeat was served: from now on the same body is new demand. */
  served(agent: string, path: string, body: Buffer): void {
    const open = this.#agents.get(agent);
    if (open === undefined) return;
    open.delete(this.#hashes.of(path, body));
    if (open.size === 0) this.#agents.delete(agent);
  }
}

// A Map keeps the order of insertion: the first key was refused longest ago.
function dropOldest(map: Map<string, unknown>, most: number): void {
  if (map.size <= most) return;
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
