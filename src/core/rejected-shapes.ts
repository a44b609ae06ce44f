import type { CallShape } from './route.ts';
import { spanText } from './text.ts';
import { HOUR_MS, MINUTE_MS } from './time.ts';

/** A shape of call that an endpoint does not get for now, because it rejected most calls of that shape. */
export interface WithheldShape {
  readonly shape: CallShape;
  /** When the endpoint gets one such call again, clock ms. */
  readonly until: number;
  /** How long it is withheld in a row. */
  readonly spanMs: number;
}

/** What is learned of one endpoint. */
export interface LearnedRejections {
  readonly endpointName: string;
  readonly withheld: readonly WithheldShape[];
}

/** How a call of a shape ended at the endpoint. */
interface Result {
  readonly agent: string;
  readonly isRejected: boolean;
}

/** Since the first rejection that still counts. */
interface Watched {
  readonly state: 'watched';
  readonly last: readonly Result[];
}

interface Withheld extends Omit<WithheldShape, 'shape'> {
  readonly state: 'withheld';
  /** Whether a call is at the endpoint that tries the shape again. */
  readonly isTrying: boolean;
}

/** So many of the last calls of a shape are looked at, and so many of them have to be rejected. */
const LAST = 20;
const LEAST_REJECTED = 5;
/** The last agents of a shape: so many, and for so long, clock ms. */
const MOST_AGENTS = 20;
const AGENT_MS = 10 * MINUTE_MS;
const FIRST_SPAN_MS = 10 * MINUTE_MS;
const LONGEST_SPAN_MS = 2 * HOUR_MS;

/**
 * Finds the shapes of which an endpoint rejects most calls that serverless answers, so that they go to serverless at
 * once. Of the last calls of a shape more than half must be rejected, and so must calls of more than half of the agents
 * that the endpoint lately had: one agent with odd calls withholds nothing from the others, however many it makes at once.
 *
 * After ten minutes the endpoint gets one call of the shape. If it answers, it gets all of them again; if not, it waits
 * twice as long as before, two hours at most.
 */
export class RejectedShapes {
  #endpointName: string | null = null;
  readonly #states = new Map<CallShape, Watched | Withheld>();
  /** When the last call of each agent ended, the latest last. */
  readonly #agents = new Map<CallShape, Map<string, number>>();

  constructor(learned: LearnedRejections | null = null) {
    if (learned === null) return;
    this.#endpointName = learned.endpointName;
    for (const { shape, ...span } of learned.withheld) {
      this.#states.set(shape, { state: 'withheld', isTrying: false, ...span });
    }
  }

  /** Names the endpoint; what was learned of another one is forgotten. */
  setEndpoint(name: string): void {
    if (name !== this.#endpointName) {
      this.#states.clear();
      this.#agents.clear();
    }
    this.#endpointName = name;
  }

  /** A call is sent to the endpoint. True if that tries a withheld shape again: no other call of it is to follow. */
  sent(shape: CallShape, nowMs: number): boolean {
    const state = this.#states.get(shape);
    if (state?.state !== 'withheld' || nowMs < state.until) return false;
    this.#states.set(shape, { ...state, isTrying: true, until: nowMs + state.spanMs });
    return true;
  }

  /** A call was answered or rejected by the endpoint. True if a shape is withheld from now on, or is not any more. */
  ended(shape: CallShape, { agent, isRejected }: Result, nowMs: number): boolean {
    const state = this.#states.get(shape);
    const agents = this.#seen(shape, agent, nowMs);
    if (state === undefined && !isRejected) return false;
    if (state?.state === 'withheld') return this.#tried(shape, state, isRejected, nowMs);
    const last = [...(state?.last ?? []), { agent, isRejected }].slice(-LAST);
    if (
      isMost(
        last,
        [...agents].filter(([, atMs]) => nowMs - atMs <= AGENT_MS).map(([each]) => each),
      )
    ) {
      this.#withhold(shape, FIRST_SPAN_MS, nowMs);
      return true;
    }
    if (last.some((each) => each.isRejected)) this.#states.set(shape, { state: 'watched', last });
    else this.#states.delete(shape);
    return false;
  }

  #seen(shape: CallShape, agent: string, nowMs: number): ReadonlyMap<string, number> {
    let agents = this.#agents.get(shape);
    if (agents === undefined) this.#agents.set(shape, (agents = new Map()));
    agents.delete(agent);
    agents.set(agent, nowMs);
    const [oldest] = agents.keys();
    if (agents.size > MOST_AGENTS && oldest !== undefined) agents.delete(oldest);
    return agents;
  }

  #tried(shape: CallShape, state: Withheld, isRejected: boolean, nowMs: number): boolean {
    // A call that was sent before the shape was withheld.
    if (!state.isTrying && nowMs < state.until) return false;
    if (isRejected) this.#withhold(shape, Math.min(2 * state.spanMs, LONGEST_SPAN_MS), nowMs);
    else this.#states.delete(shape);
    return true;
  }

  #withhold(shape: CallShape, spanMs: number, nowMs: number): void {
    this.#states.set(shape, { state: 'withheld', isTrying: false, until: nowMs + spanMs, spanMs });
  }

  /** The shapes that are withheld, and until when. */
  get withheld(): readonly WithheldShape[] {
    return [...this.#states].flatMap(([shape, state]) =>
      state.state === 'withheld' ? [{ shape, until: state.until, spanMs: state.spanMs }] : [],
    );
  }

  /** What a person should know: which shapes are withheld, and of which others the endpoint rejects some calls. */
  notes(nowMs: number): string[] {
    return [...this.#states].flatMap(([shape, state]) => {
      if (state.state === 'withheld') {
        const left = spanText(Math.max(0, state.until - nowMs));
        return `the endpoint rejected most calls of ${shape}: serverless gets them, and the endpoint the first in ${left}`;
      }
      const rejected = state.last.filter(({ isRejected }) => isRejected).length;
      if (rejected < LEAST_REJECTED) return [];
      return `the endpoint rejected ${rejected} of the last ${state.last.length} calls of ${shape}: serverless answered them`;
    });
  }

  /** What the next process is to know; null if there is nothing. */
  get learned(): LearnedRejections | null {
    const { withheld } = this;
    return this.#endpointName === null || withheld.length === 0 ? null : { endpointName: this.#endpointName, withheld };
  }
}

function isMost(last: readonly Result[], agents: readonly string[]): boolean {
  const rejected = last.filter(({ isRejected }) => isRejected);
  // One more than half, because the first that is looked at was rejected: every second call would be most of them.
  if (rejected.length < LEAST_REJECTED || 2 * rejected.length <= last.length + 1) return false;
  const agentsOf = (results: readonly Result[]) => results.map(({ agent }) => agent);
  return 2 * new Set(agentsOf(rejected)).size > new Set([...agentsOf(last), ...agents]).size;
}
