/** A 503 and an answer belong together if no more time than this lies between them, clock ms, or half a second less. */
const RECENTLY_MS = 10_000;
/** 503s of fewer agents than this may be caused by their calls. */
const AGENTS = 3;
/** So many agents with answers are remembered. */
const MOST_ANSWERED = 1_000;
/** A later time of the same agent is noted only if it is later by this, clock ms, because every answer comes here. */
const NEWS_MS = 500;

/**
 * Tells the 503s of an upstream that has too many calls from those that have another cause. If no call was answered
 * lately, the upstream may be faulty: then it takes no calls however few are sent. If only one or two agents get 503s,
 * and no answers, their calls may be the cause. Times are clock ms.
 */
export class Crowding {
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  /** When the last call of each agent was answered, and when the last of each got a 503; the latest last. */
  readonly #answered = new Map<string, number>();
  readonly #refused = new Map<string, number>();

  answered(agent: string, nowMs: number): void {
    this.#answeredAtMs = nowMs;
    note(this.#answered, agent, nowMs, MOST_ANSWERED);
  }

  /** A call of the agent got a 503. Returns whether that shows that the upstream has too many calls. */
  refused(agent: string, nowMs: number): boolean {
    note(this.#refused, agent, nowMs, AGENTS);
    const isRecent = (atMs = Number.NEGATIVE_INFINITY) => nowMs - atMs < RECENTLY_MS;
    if (!isRecent(this.#answeredAtMs)) return false;
    if (isRecent(this.#answered.get(agent))) return true;
    return this.#refused.size === AGENTS && [...this.#refused.values()].every(isRecent);
  }
}

function note(times: Map<string, number>, agent: string, nowMs: number, most: number): void {
  const since = nowMs - (times.get(agent) ?? Number.NEGATIVE_INFINITY);
  if (since >= 0 && since < NEWS_MS) return;
  // A Map keeps the order of insertion.
  times.delete(agent);
  times.set(agent, nowMs);
  const [oldest] = times.keys();
  if (times.size > most && oldest !== undefined) times.delete(oldest);
}
