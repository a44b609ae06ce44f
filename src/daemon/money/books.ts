import type { Clock } from '../../core/clock.ts';
import { errorMessage } from '../../core/errors.ts';
import { atCreation, billedReplicas, isUnsure, minuteOf, settle, settleGone } from '../../core/money/books.ts';
import type { BookedReading, EndpointReading, ReplicaMinutes } from '../../core/money/books.ts';
import { isOver } from '../../core/rollout/rollout.ts';
import { readRollouts } from '../../core/rollout/stored.ts';
import type { EndpointsClient } from '../../huggingface/management/endpoints.ts';
import { isOurs } from '../../huggingface/management/status.ts';
import type { EndpointStatus } from '../../huggingface/management/status.ts';
import type { Journal } from '../../ledger/journal/journal.ts';
import type { BookedEndpoint, BookEntry, EndpointIdentity } from '../../ledger/money/books.ts';
import { logUnreadable } from '../log.ts';
import type { Log } from '../log.ts';

const LOOK_TIMEOUT_MS = 20_000;
/** How long, in clock time, a price that was read stays valid. */
const PRICE_MS = 3_600_000;
/** How much of the API's replica graphs one request covers, and how much at most in all, clock ms. */
const PAGE_MS = 6 * 3_600_000;
const LONGEST_MS = 31 * 86_400_000;
/** After so many failed requests for graphs the minutes are estimated. */
const PATIENCE = 5;

export interface BooksContext {
  readonly clock: Clock;
  readonly endpoints: Pick<EndpointsClient, 'list' | 'quote' | 'replicas'>;
  readonly journal: Pick<Journal, 'bookedEndpoints' | 'book' | 'latestRollouts'>;
  /** Namespaces in which the policy would create endpoints. */
  readonly namespaces: () => Iterable<string>;
  readonly log: Log;
}

/**
 * The cost records of endpoints that upshift created. Each reading stores what is billed, and computes the minutes
 * since the reading before. Everything that a reading needs is in the ledger, so if readings are missing, for a minute
 * or for days, the next one computes that time too.
 */
export class Books {
  readonly #context: BooksContext;
  readonly #logUnreadable: ReturnType<typeof logUnreadable>;
  readonly #prices = new Map<string, { readonly micros: number | null; readonly at: number }>();
  readonly #inVain = new Map<string, number>();
  #minute = -1;
  #isTroubled = false;

  constructor(context: BooksContext) {
    this.#context = context;
    this.#logUnreadable = logUnreadable(context.log);
  }

  /** Reads the endpoints if a minute of the clock has begun since the last reading. */
  async turn(): Promise<void> {
    if (minuteOf(this.#context.clock.now()) > this.#minute) await this.read();
  }

  /** Reads all endpoints that upshift created and stores what was seen. Never throws. */
  async read(): Promise<void> {
    const { journal, clock, log } = this.#context;
    this.#minute = minuteOf(clock.now());
    try {
      const known = await journal.bookedEndpoints();
      const active = (await journal.latestRollouts()).filter(({ phase }) => !isOver(phase));
      // The endpoint of a rollout that cannot be read is still found by its tag.
      const readable = readRollouts(active, this.#logUnreadable);
      const rollouts = readable.map(({ namespace, endpointName: name }) => ({ namespace, name }));
      const namespaces = new Set([
        ...this.#context.namespaces(),
        ...known.map((each) => each.namespace),
        ...rollouts.map((each) => each.namespace),
      ]);
      const entries: BookEntry[] = [];
      for (const namespace of namespaces) {
        const names = new Set(
          [...known, ...rollouts].filter((each) => each.namespace === namespace).map(({ name }) => name),
        );
        const mine = known.filter((each) => each.namespace === namespace);
        entries.push(...(await this.#read(namespace, names, mine)));
      }
      if (entries.length > 0) await journal.book(entries);
      this.#isTroubled = false;
    } catch (error) {
      if (!this.#isTroubled)
        log('warn', 'cost records cannot be written: the ledger is not available', { error: errorMessage(error) });
      this.#isTroubled = true;
    }
  }

  /** Reads the endpoints of one namespace; none if its list cannot be read. */
  async #read(
    namespace: string,
    names: ReadonlySet<string>,
    known: readonly BookedEndpoint[],
  ): Promise<readonly BookEntry[]> {
    const { clock, endpoints, log } = this.#context;
    // The time before the request: a change during it belongs to the next reading.
    const at = clock.now();
    let list: EndpointStatus[];
    try {
      list = await endpoints.list(namespace, AbortSignal.timeout(LOOK_TIMEOUT_MS));
    } catch (error) {
      log('warn', 'endpoints cannot be read for the cost records', { namespace, error: errorMessage(error) });
      return [];
    }
    const entries: (BookEntry | null)[] = [];
    const found = new Set<BookedEndpoint>();
    for (const status of list.filter((each) => isOurs(each) || names.has(each.name))) {
      const before = known.find((each) => each.name === status.name && isSameLife(each, status));
      if (before !== undefined) found.add(before);
      entries.push(await this.#book(namespace, status, { before, at }));
    }
    for (const one of known) if (!found.has(one)) entries.push(missing(one, at));
    return entries.filter((entry) => entry !== null);
  }

  async #book(
    namespace: string,
    status: EndpointStatus,
    { before, at }: { readonly before: BookedEndpoint | undefined; readonly at: number },
  ): Promise<BookEntry | null> {
    const reading: EndpointReading = {
      at,
      state: status.state,
      replicas: billedReplicas(status.state, { ready: status.readyReplica, target: status.targetReplica }),
      priceMicros: (await this.#price(namespace, status)) ?? before?.reading.priceMicros ?? null,
      updatedAt: status.updatedAt,
    };
    const endpoint = identityOf(namespace, status, before?.createdAt ?? status.createdAt ?? Math.round(at));
    const from = before?.reading ?? atCreation(Math.max(Math.min(endpoint.createdAt, at), at - LONGEST_MS), reading);
    // If the clock was set back, minutes that are stored stay as they are.
    if (from.at > at) return null;
    const graphs = isUnsure(from, reading) ? await this.#graphs(endpoint, from, at) : null;
    return graphs === 'later' ? null : { endpoint, reading, at, spans: settle(from, reading, graphs) };
  }

  /** What the API's graphs show for the time since a reading; `later` if they cannot be read now. */
  async #graphs(
    { namespace, name }: EndpointIdentity,
    before: BookedReading,
    until: number,
  ): Promise<ReplicaMinutes | null | 'later'> {
    const key = `${namespace}/${name}`;
    const minutes = new Map<number, number>();
    let isByMinute = true;
    let hasGraphs = false;
    try {
      for (let from = Math.max(before.at, until - LONGEST_MS); from <= until; from += PAGE_MS) {
        const span = { from, until: Math.min(until + 1, from + PAGE_MS) };
        const page = await this.#context.endpoints.replicas(
          namespace,
          name,
          span,
          AbortSignal.timeout(LOOK_TIMEOUT_MS),
        );
        if (page === null) continue;
        hasGraphs = true;
        isByMinute &&= page.isByMinute;
        for (const [minute, count] of page.minutes) minutes.set(minute, Math.max(minutes.get(minute) ?? 0, count));
      }
    } catch (error) {
      const times = (this.#inVain.get(key) ?? 0) + 1;
      this.#inVain.set(key, times);
      this.#context.log('warn', 'the replica graphs of an endpoint cannot be read', {
        name,
        error: errorMessage(error),
      });
      if (times < PATIENCE) return 'later';
    }
    this.#inVain.delete(key);
    return hasGraphs ? { minutes, isByMinute } : null;
  }

  /** Micro-dollars per replica and hour from the list of providers; null if it cannot be read. */
  async #price(namespace: string, { instance }: EndpointStatus): Promise<number | null> {
    const { clock, endpoints, log } = this.#context;
    const key = [namespace, ...Object.values(instance)].join(' ');
    const cached = this.#prices.get(key);
    if (cached !== undefined && clock.now() - cached.at < PRICE_MS) return cached.micros;
    let micros = cached?.micros ?? null;
    try {
      micros =
        (await endpoints.quote(namespace, instance, AbortSignal.timeout(LOOK_TIMEOUT_MS))).pricePerHourMicros ?? micros;
      this.#prices.set(key, { micros, at: clock.now() });
    } catch (error) {
      log('warn', 'the price of an endpoint cannot be read', { instance: key, error: errorMessage(error) });
    }
    return micros;
  }
}

/** An endpoint that was deleted and created again under the same name is another endpoint. */
function isSameLife({ createdAt }: BookedEndpoint, status: EndpointStatus): boolean {
  return status.createdAt === null || status.createdAt === createdAt;
}

function identityOf(namespace: string, status: EndpointStatus, createdAt: number): EndpointIdentity {
  const { name, model, instance } = status;
  const { vendor, region, instanceType, instanceSize } = instance;
  return { namespace, name, createdAt, model, instance: [vendor, region, instanceType, instanceSize].join(' ') };
}

function missing({ reading, ...endpoint }: BookedEndpoint, at: number): BookEntry | null {
  return reading.at > at ? null : { endpoint, reading: null, at, spans: settleGone(reading, at) };
}
