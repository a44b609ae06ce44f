import { createHmac } from 'node:crypto';

/** The agent that made a call, and whether its id was derived because the call named none. */
export interface Agent {
  readonly id: string;
  readonly isDerived: boolean;
}

const LONGEST_ID = 128;
const MOST_REMEMBERED = 10_000;

/**
 * Identifies agents by the id that they send; without one, by a keyed hash of bearer token and user agent. Derived ids
 * are cached by the raw header values, up to a bound.
 */
export class Agents {
  readonly #salt: string;
  readonly #derived = new Map<string, Map<string, Agent>>();
  #remembered = 0;

  constructor(salt: string) {
    this.#salt = salt;
  }

  /** The agent of a call; `sent` is the id from header or path, cut at 128 characters. */
  of(sent: string | null | undefined, authorization = '', userAgent = ''): Agent {
    if (sent !== null && sent !== undefined && sent !== '') {
      return { id: sent.length > LONGEST_ID ? sent.slice(0, LONGEST_ID) : sent, isDerived: false };
    }
    return this.#derived.get(authorization)?.get(userAgent) ?? this.#derive(authorization, userAgent);
  }

  #derive(authorization: string, userAgent: string): Agent {
    const hash = createHmac('sha256', this.#salt).update(`${authorization}\0${userAgent}`).digest('hex');
    const agent = { id: `derived-${hash.slice(0, 12)}`, isDerived: true };
    if (this.#remembered >= MOST_REMEMBERED) {
      this.#derived.clear();
      this.#remembered = 0;
    }
    let byUserAgent = this.#derived.get(authorization);
    if (byUserAgent === undefined) this.#derived.set(authorization, (byUserAgent = new Map()));
    byUserAgent.set(userAgent, agent);
    this.#remembered++;
    return agent;
  }
}
