import { ownCredentials, serverlessAuthorization } from '../core/wire/credentials.ts';
import { locate } from '../core/wire/destination.ts';
import type { Destination } from '../core/wire/destination.ts';
import { readOutgoing, targetOf } from './outgoing.ts';
import type { Outgoing } from './outgoing.ts';
import { readQuestion } from './question.ts';
import { Reporter } from './reporter.ts';
import { agentName, readSettings, ROUTER } from './settings.ts';
import type { Settings, UpshiftFetchOptions } from './settings.ts';
import { isUnreachable } from './unreachable.ts';
import { watched } from './watched.ts';
import type { End } from './watched.ts';

/**
 * A `fetch` that sends calls for Hugging Face through the gateway, and directly to Hugging Face while the gateway is
 * unreachable.
 */
export interface UpshiftFetch {
  (...args: Parameters<typeof globalThis.fetch>): Promise<Response>;
  /**
   * Reports the waiting outcomes now, instead of after the gateway's next answer or after a while. Resolves with
   * whether nothing waits any more; never rejects.
   */
  report(): Promise<boolean>;
}

/** The former base URL of clients: the gateway and the present router have the same paths under their own URLs. */
const FORMER_ROUTER = 'https://api-inference.huggingface.co';

/** Makes a separate fetch. It does not throw: if an option is wrong, its calls reject. */
export function createUpshiftFetch(options: UpshiftFetchOptions = {}): UpshiftFetch {
  let made: Ways | null = null;
  // The environment is read at the first call, because a program may set it after the import.
  const ways = () => (made ??= new Ways(readSettings(options, process.env)));
  const send = async (...args: Parameters<typeof globalThis.fetch>) => ways().send(...args);
  return Object.assign(send, { report: async () => ways().report() });
}

/** A call for Hugging Face. */
interface Aim {
  readonly gatewayUrl: string;
  readonly routerUrl: string;
  readonly destination: Destination;
}

class Ways {
  readonly #settings: Settings;
  readonly #bases: readonly string[];
  readonly #reporter: Reporter;
  /** Time until which calls bypass the gateway, on the clock of `performance.now()`. */
  #awayUntil = 0;
  #lastUs = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#bases = [ROUTER, settings.router, FORMER_ROUTER, settings.gateway].map((base) => `${base}/`);
    this.#reporter = new Reporter(settings, () => (this.#awayUntil = 0));
  }

  async send(...[input, init]: Parameters<typeof globalThis.fetch>): Promise<Response> {
    const { fetch, agent, awayMs, toGateway } = this.#settings;
    const { url, method } = targetOf(input, init);
    const aim = this.#aimOf(method, url);
    if (aim === null) return fetch(input, init);
    const arrival = this.#arrive();
    const outgoing = await readOutgoing(input, init, method);
    const { headers, signal } = outgoing;
    // A header holds bytes. A name beyond ASCII is sent as UTF-8, which the gateway expects.
    if (!headers.get('x-agent-id')?.trim() && aim.destination.agent === null) {
      headers.set('x-agent-id', Buffer.from(agent).toString('latin1'));
    }
    if (performance.now() >= this.#awayUntil) {
      try {
        const answer = await fetch(aim.gatewayUrl, initOf(outgoing, headers, toGateway));
        this.#awayUntil = 0;
        this.#reporter.reachable();
        return answer;
      } catch (error) {
        if (signal?.aborted === true || !isUnreachable(error)) throw error;
        this.#awayUntil = performance.now() + awayMs;
      }
    }
    return this.#goPast(aim, outgoing, arrival);
  }

  async report(): Promise<boolean> {
    return this.#reporter.report();
  }

  /** Null for a call that is not for Hugging Face, or of a kind that the gateway does not serve. */
  #aimOf(method: string, url: string): Aim | null {
    const { href = '' } = URL.parse(url) ?? {};
    const base = this.#bases.find((each) => href.startsWith(each));
    if (base === undefined) return null;
    const path = href.slice(base.length - 1).replace(/#.*$/s, '');
    const destination = locate(method, path);
    if (destination === null) return null;
    const { gateway, router } = this.#settings;
    return { gatewayUrl: `${gateway}${path}`, routerUrl: `${router}${destination.path}`, destination };
  }

  /** Calls Hugging Face directly with the caller's own credentials, and keeps the outcome for the report. */
  async #goPast({ routerUrl, destination }: Aim, outgoing: Outgoing, arrival: Arrival): Promise<Response> {
    const { signal } = outgoing;
    const { arrivedAtUs } = arrival;
    const sinceUs = () => Math.floor((performance.now() - arrival.startedMs) * 1_000);
    const headers = new Headers(outgoing.headers);
    const agent = sentAgent(headers) || destination.agent || '';
    headers.delete('x-agent-id');
    const sent = ownCredentials(headers.get('authorization') ?? undefined, headers.get('x-api-key') ?? undefined);
    const authorization = serverlessAuthorization(sent, this.#settings.token);
    if (authorization === null) headers.delete('authorization');
    else headers.set('authorization', authorization);

    const startedAfterUs = sinceUs();
    let firstByteUs: number | null = null;
    let status = 0;
    let isReported = false;
    const onEnd = (end: End) => {
      if (isReported) return;
      isReported = true;
      const spans = { startedAfterUs, durationUs: sinceUs(), firstByteUs };
      const asked = readQuestion(destination, outgoing.headers, outgoing.body);
      const hasNoToken = authorization === null;
      this.#reporter.add({ arrivedAtUs, ...spans, ...asked, agent: agentName(agent), status, end, hasNoToken });
    };
    try {
      const answer = await this.#settings.fetch(routerUrl, initOf(outgoing, headers));
      firstByteUs = sinceUs();
      status = answer.status;
      return watched(answer, signal, onEnd);
    } catch (error) {
      onEnd(signal?.aborted === true ? 'left' : 'unreached');
      throw error;
    }
  }

  /**
   * The start of a new call, moved by microseconds if this fetch already used that time. It has microseconds because
   * other processes may call in the same millisecond.
   */
  #arrive(): Arrival {
    const startedMs = performance.now();
    const us = Date.now() * 1_000 + (Math.floor(startedMs * 1_000) % 1_000);
    this.#lastUs = Math.max(us, this.#lastUs + 1);
    return { arrivedAtUs: this.#lastUs, startedMs };
  }
}

/** The time of a call, epoch µs, and the same moment on the clock of `performance.now()`, which never jumps. */
interface Arrival {
  readonly arrivedAtUs: number;
  readonly startedMs: number;
}

function initOf({ rest, method, body, signal }: Outgoing, headers: Headers, more: object = {}): RequestInit {
  return { ...rest, ...more, method, headers, body, signal: signal ?? null };
}

function sentAgent(headers: Headers): string {
  return Buffer.from(headers.get('x-agent-id') ?? '', 'latin1')
    .toString()
    .trim();
}
