import type { Clock } from '../../core/clock.ts';
import { errorMessage } from '../../core/errors.ts';
import { atCreation, billedReplicas, isUnsure, minuteOf, settle, settleGone } from '../../core/money/books.ts';
import type { BookedReading, EndpointReading, ReplicaMinutes } from '../../core/money/books.ts';
import { readRollout } from '../../core/rollout/stored.ts';
import type { EndpointsClient } from '../../huggingface/management/endpoints.ts';
import { isOurs } from '../../huggingface/management/status.ts';
import type { EndpointStatus } from '../../huggingface/management/status.ts';
import type { Journal } from '../../ledger/journal/journal.ts';
import type { BookedEndpoint, BookEntry, EndpointIdentity } from '../../ledger/money/books.ts';
import type { Log } from '../log.ts';

const LOOK_TIMEOUT_MS = 20_000;
/** How long, in clock time, a price is taken for what it was. */
const PRICE_MS = 3_600_000;
/** The API's graphs are asked for so much at a time, and for no more than this in all, clock ms. */
const PAGE_MS = 6 * 3_600_000;
const LONGEST_MS = 31 * 86_400_000;
/** So many times graphs that cannot be had just now are waited for, before the minutes are estimated. */
const PATIENCE = 5;

export interface BooksContext {
  readonly clock: Clock;
  readonly endpoints: Pick<EndpointsClient, 'list' | 'quote' | 'replicas'>;
  readonly journal: Pick<Journal, 'bookedEndpoints' | 'book' | 'latestRollouts'>;
  /** Where the policy would have endpoints. */
  readonly namespaces: () => Iterable<string>;
  readonly log: Log;
}

/**
 * The books of our endpoints: each reading notes what is billed, and settles the minutes since the reading before. All that a
 * later reading needs is in the ledger: whatever keeps a reading from being made or written, for a minute or for days, the next
 * one settles it.
 */
export class Books {
  readonly #context: BooksContext;
  readonly #prices = new Map<string, { readonly micros: number | null; readonly at: number }>();
  readonly #inVain = new Map<string, number>();
  #minute = -1;
  #isTroubled = false;

  constructor(context: BooksContext) {
    this.#context = context;
  }

  /** Reads the endpoints if a minute of the clock has begun since the last reading: at its turn a reading sees what the minute costs at least. */
  async turn(): Promise<void> {
    if (minuteOf(this.#context.clock.now()) > this.#minute) await this.read();
  }

  /** Looks at all endpoints of ours and books what was seen. Never throws. */
  async read(): Promise<void> {
    const { journal, clock, log } = this.#context;
    this.#minute = minuteOf(clock.now());
    try {
      const known = await journal.bookedEndpoints();
      const active = (await journal.latestRollouts()).filter(({ isOver }) => !isOver);
      const rollouts = active.map(readRollout).map(({ namespace, endpointName: name }) => ({ namespace, name }));
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
      if (!this.#isTroubled) log('warn', 'the books wait for the ledger', { error: errorMessage(error) });
      this.#isTroubled = true;
    }
  }

  /** What a namespace's list has to say of our endpoints there; nothing where it cannot be had. */
  async #read(
    namespace: string,
    names: ReadonlySet<string>,
    known: readonly BookedEndpoint[],
  ): Promise<readonly BookEntry[]> {
    const { clock, endpoints, log } = this.#context;
    // Before asking: what changes meanwhile is seen by the next reading.
    const at = clock.now();
    let list: EndpointStatus[];
    try {
      list = await endpoints.list(namespace, AbortSignal.timeout(LOOK_TIMEOUT_MS));
    } catch (error) {
      log('warn', 'endpoints cannot be booked now', { namespace, error: errorMessage(error) });
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
    // A clock that was set back: what is booked stays booked.
    if (from.at > at) return null;
    const told = isUnsure(from, reading) ? await this.#graphs(endpoint, from, at) : null;
    return told === 'later' ? null : { endpoint, reading, at, spans: settle(from, reading, told) };
  }

  /** What the API's graphs say of the time since a reading; `later` where they cannot be had just now. */
  async #graphs(
    { namespace, name }: EndpointIdentity,
    before: BookedReading,
    until: number,
  ): Promise<ReplicaMinutes | null | 'later'> {
    const key = `${namespace}/${name}`;
    const minutes = new Map<number, number>();
    let isByMinute = true;
    let isTold = false;
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
        isTold = true;
        isByMinute &&= page.isByMinute;
        for (const [minute, count] of page.minutes) minutes.set(minute, Math.max(minutes.get(minute) ?? 0, count));
      }
    } catch (error) {
      const times = (this.#inVain.get(key) ?? 0) + 1;
      this.#inVain.set(key, times);
      this.#context.log('warn', 'the graphs of an endpoint cannot be had', { name, error: errorMessage(error) });
      if (times < PATIENCE) return 'later';
    }
    this.#inVain.delete(key);
    return isTold ? { minutes, isByMinute } : null;
  }

  /** Micro-dollars per replica and hour by the provider list; null where it cannot be had. */
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
      log('warn', 'the price of an endpoint cannot be had', { instance: key, error: errorMessage(error) });
    }
    return micros;
  }
}

/** One that was deleted and made again under its name is another endpoint. */
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
