import { NO_LIMITS, statedLimits, stricter } from '../../core/endpoint-limits.ts';
import type { EndpointLimits } from '../../core/endpoint-limits.ts';

/** More endpoints than one gateway serves in a day; the oldest is forgotten beyond it. */
const MOST_ENDPOINTS = 100;

/**
 * What endpoints have said of their limits when they refused a call, by base URL. It is not kept over a restart: an
 * endpoint says it again at the first call that is too long.
 */
export class LearnedLimits {
  readonly #byUrl = new Map<string, EndpointLimits>();

  /** The limits of an endpoint: those that are known without its refusals, and those that it has stated. */
  of(url: string, known: EndpointLimits): EndpointLimits {
    const learned = this.#byUrl.get(url);
    return learned === undefined ? known : stricter(known, learned);
  }

  /** Learns from the body of an endpoint's refusal (400, 413 or 422); most state no limit. */
  learn(url: string, body: string): void {
    const stated = statedLimits(body);
    if (stated === null) return;
    this.#byUrl.set(url, stricter(this.#byUrl.get(url) ?? NO_LIMITS, stated));
    const [oldest] = this.#byUrl.keys();
    if (this.#byUrl.size > MOST_ENDPOINTS && oldest !== undefined) this.#byUrl.delete(oldest);
  }
}
