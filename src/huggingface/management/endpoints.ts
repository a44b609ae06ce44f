import type { ReplicaMinutes } from '../../core/money/books.ts';
import type { Offer } from '../../core/sizing/offer.ts';
import { saidIn } from '../failure.ts';
import { at, text } from '../json.ts';
import { accepted, openManagement, PUBLIC_LIST, statusIn, unreadable } from './api.ts';
import type { Answer, ManagementOptions, Send } from './api.ts';
import { readReplicas } from './metrics.ts';
import { readOffers } from './offers.ts';
import { readQuote } from './quote.ts';
import type { Instance, Quote } from './quote.ts';
import type { EndpointSpec } from './spec.ts';
import { readStatus } from './status.ts';
import type { EndpointStatus } from './status.ts';

/**
 * The management API of Inference Endpoints (OpenAPI 2.0.0, `api.endpoints.huggingface.cloud`); Hugging Face has no
 * JavaScript library for it. Each method makes one request without retries, because the caller's next turn is the
 * retry.
 *
 * Every method throws AppError: `unauthorized` (401, 402, 403), `not_found`, `conflict` (409, quota), `invalid` (other
 * 4xx), `unavailable` (429, 5xx, unreachable), `timeout`; or the signal's own reason. No message holds a token.
 */
export interface EndpointsClient {
  /** All endpoints of a namespace, whoever created them. */
  list(namespace: string, signal?: AbortSignal): Promise<EndpointStatus[]>;
  /** One endpoint; null if there is none of that name. */
  get(namespace: string, name: string, signal?: AbortSignal): Promise<EndpointStatus | null>;
  create(namespace: string, spec: EndpointSpec, signal?: AbortSignal): Promise<EndpointStatus>;
  /** Merges `change` into the endpoint. Its engine cannot be changed. */
  update(namespace: string, name: string, change: object, signal?: AbortSignal): Promise<EndpointStatus>;
  /** Pauses it, which ends its cost. A paused endpoint stays paused. */
  pause(namespace: string, name: string, signal?: AbortSignal): Promise<EndpointStatus>;
  /** Starts it again. A running endpoint stays running. */
  resume(namespace: string, name: string, signal?: AbortSignal): Promise<EndpointStatus>;
  /** Scales it to zero until the next call; it still counts towards the quota. */
  scaleToZero(namespace: string, name: string, signal?: AbortSignal): Promise<EndpointStatus>;
  /** Deletes it. No error if it is already deleted. */
  delete(namespace: string, name: string, signal?: AbortSignal): Promise<void>;
  /** Its billed replicas in a span, epoch ms; null if the API has no such graph. */
  replicas(
    namespace: string,
    name: string,
    span: { readonly from: number; readonly until: number },
    signal?: AbortSignal,
  ): Promise<ReplicaMinutes | null>;
  /** Price, quota and availability of an instance for this account. */
  quote(namespace: string, instance: Instance, signal?: AbortSignal): Promise<Quote>;
  /**
   * All instances with their prices, and the account's quota. With null: the public list, which needs no token and has
   * no quota.
   */
  offers(namespace: string | null, signal?: AbortSignal): Promise<Offer[]>;
}

const MOST_PAGES = 1_000;

/** A client of the management API; see `EndpointsClient`. */
export function createEndpointsClient(options: ManagementOptions): EndpointsClient {
  const send = openManagement(options);
  const reading = readingMethods(send);
  return { ...reading, ...changingMethods(send, reading.get) };
}

type Changing = 'create' | 'update' | 'pause' | 'resume' | 'scaleToZero' | 'delete';

/** The methods that change nothing and cost nothing. */
function readingMethods(send: Send): Omit<EndpointsClient, Changing> {
  const offers: EndpointsClient['offers'] = (namespace, signal) => listOffers(send, namespace, signal);
  return {
    offers,
    list: (namespace, signal) => listAll(send, namespace, signal),
    async get(namespace, name, signal) {
      const answer = await send('GET', one(namespace, name), null, signal);
      if (answer.status === 404) return null;
      return statusIn(answer, `looking up endpoint ${name}`, namespace);
    },
    async replicas(namespace, name, { from, until }, signal) {
      const span = { start: new Date(from).toISOString(), stop: new Date(until).toISOString() };
      const answer = await send('POST', `${one(namespace, name)}/metrics`, span, signal);
      // Not every plan, version or endpoint has graphs, so a missing graph is not an error.
      if (answer.status === 501 || (answer.status >= 400 && answer.status < 429)) return null;
      return readReplicas(accepted(answer, `reading the graphs of ${name}`, namespace));
    },
    async quote(namespace, instance, signal) {
      return readQuote(await offers(namespace, signal), instance);
    },
  };
}

/** The methods that start, stop or change an endpoint, and therefore its cost. */
function changingMethods(send: Send, get: EndpointsClient['get']): Pick<EndpointsClient, Changing> {
  return {
    async create(namespace, spec, signal) {
      const answer = await send('POST', all(namespace), spec, signal);
      return statusIn(answer, `creating endpoint ${spec.name}`, namespace);
    },
    async update(namespace, name, change, signal) {
      const answer = await send('PUT', one(namespace, name), change, signal);
      return statusIn(answer, `updating endpoint ${name}`, namespace);
    },
    async pause(namespace, name, signal) {
      const answer = await send('POST', `${one(namespace, name)}/pause`, null, signal);
      const status = mayBeAlready(answer) ? await get(namespace, name, signal) : null;
      if (status?.state === 'paused') return status;
      return statusIn(answer, `pausing endpoint ${name}`, namespace);
    },
    async resume(namespace, name, signal) {
      const answer = await send('POST', `${one(namespace, name)}/resume`, null, signal);
      const isAlready = mayBeAlready(answer) && saidIn(answer.body).includes('already running');
      const status = isAlready ? await get(namespace, name, signal) : null;
      return status ?? statusIn(answer, `resuming endpoint ${name}`, namespace);
    },
    async scaleToZero(namespace, name, signal) {
      const answer = await send('POST', `${one(namespace, name)}/scale-to-zero`, null, signal);
      return statusIn(answer, `scaling endpoint ${name} to zero`, namespace);
    },
    async delete(namespace, name, signal) {
      const answer = await send('DELETE', one(namespace, name), null, signal);
      if (answer.status !== 404) accepted(answer, `deleting endpoint ${name}`, namespace);
    },
  };
}

/** Whether a refusal can mean that the endpoint is already in the wanted state. */
function mayBeAlready({ status }: Answer): boolean {
  return status === 400 || status === 409;
}

async function listOffers(send: Send, namespace: string | null, signal?: AbortSignal): Promise<Offer[]> {
  const path = namespace === null ? PUBLIC_LIST : `${PUBLIC_LIST}/${encodeURIComponent(namespace)}`;
  const answer = await send('GET', path, null, signal);
  const body = accepted(answer, 'reading prices and quota', namespace ?? 'public');
  return readOffers(body, { hasQuota: namespace !== null });
}

async function listAll(send: Send, namespace: string, signal?: AbortSignal): Promise<EndpointStatus[]> {
  const found: EndpointStatus[] = [];
  const cursors = new Set<string>();
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const answer: Answer = await send('GET', `${all(namespace)}?limit=100${query}`, null, signal);
    const body = accepted(answer, 'listing endpoints', namespace);
    const items = at(body, 'items');
    if (!Array.isArray(items)) throw unreadable('listing endpoints');
    for (const item of items) found.push(readStatus(item));
    cursor = text(at(body, 'nextCursor'));
    // A repeated cursor would make this loop endless.
    if (cursor !== null && (cursors.has(cursor) || cursors.size >= MOST_PAGES)) throw unreadable('listing endpoints');
    if (cursor !== null) cursors.add(cursor);
  } while (cursor !== null);
  return found;
}

function all(namespace: string): string {
  return `/v2/endpoint/${encodeURIComponent(namespace)}`;
}

function one(namespace: string, name: string): string {
  return `${all(namespace)}/${encodeURIComponent(name)}`;
}
