import { request } from 'undici';
import type { Dispatcher } from 'undici';
import { AppError, errorCode } from '../core/errors.ts';
import type { ReplicaMinutes } from '../core/money/books.ts';
import type { Offer } from '../core/sizing/offer.ts';
import { jsonOrText, noAnswer, saidIn } from './failure.ts';
import { at, text } from './json.ts';
import { readReplicas } from './metrics.ts';
import { readOffers } from './offers.ts';
import { readQuote } from './quote.ts';
import type { Instance, Quote } from './quote.ts';
import type { EndpointSpec } from './spec.ts';
import { isOurs, readStatus } from './status.ts';
import type { EndpointStatus } from './status.ts';

/**
 * The management API of Inference Endpoints (OpenAPI 2.0.0, `api.endpoints.huggingface.cloud`); no library of Hugging Face
 * for JavaScript has it. One request per method, no retries: the caller's next turn is the retry.
 *
 * Every method throws AppError: `unauthorized` (401, 402, 403), `not_found`, `conflict` (409, quota), `invalid` (other
 * 4xx), `unavailable` (429, 5xx, out of reach), `timeout`; or the signal's own reason. No message holds a token.
 */
export interface EndpointsClient {
  /** All endpoints of a namespace, ours and others'. */
  list(namespace: string, signal?: AbortSignal): Promise<EndpointStatus[]>;
  /** One endpoint; null where there is none of that name. */
  get(namespace: string, name: string, signal?: AbortSignal): Promise<EndpointStatus | null>;
  create(namespace: string, spec: EndpointSpec, signal?: AbortSignal): Promise<EndpointStatus>;
  /** Merges `change` into the endpoint. Its engine cannot be changed. */
  update(namespace: string, name: string, change: object, signal?: AbortSignal): Promise<EndpointStatus>;
  /** Stops it and its bill. One that is paused already stays so. */
  pause(namespace: string, name: string, signal?: AbortSignal): Promise<EndpointStatus>;
  /** Starts it again. One that runs already stays so. */
  resume(namespace: string, name: string, signal?: AbortSignal): Promise<EndpointStatus>;
  /** Stops it until somebody calls it: it then still counts towards the quota. */
  scaleToZero(namespace: string, name: string, signal?: AbortSignal): Promise<EndpointStatus>;
  /** Deletes it. One that is gone already stays so. */
  delete(namespace: string, name: string, signal?: AbortSignal): Promise<void>;
  /** Its billed replicas in a span, epoch ms; null where the API serves no such graph. */
  replicas(
    namespace: string,
    name: string,
    span: { readonly from: number; readonly until: number },
    signal?: AbortSignal,
  ): Promise<ReplicaMinutes | null>;
  /** Price, quota and availability of an instance for this account. */
  quote(namespace: string, instance: Instance, signal?: AbortSignal): Promise<Quote>;
  /** All instances with their prices, and the account's quota; with null the public list, which needs no token and has none. */
  offers(namespace: string | null, signal?: AbortSignal): Promise<Offer[]>;
}

export interface EndpointsOptions {
  /** Without a trailing slash. */
  readonly baseUrl: string;
  readonly token: string | null;
  readonly dispatcher?: Dispatcher;
  /** How long one answer may take, in real ms; 30 s where it is left out. */
  readonly timeoutMs?: number;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
type Send = (method: Method, path: string, body: object | null, signal?: AbortSignal) => Promise<Answer>;

/** The one route that answers without a token. */
const PUBLIC_LIST = '/v2/provider';

const LARGEST_ANSWER_BYTES = 16 * 1_048_576;
const MOST_PAGES = 1_000;

/** A client of the management API; see `EndpointsClient`. */
export function createEndpointsClient(options: EndpointsOptions): EndpointsClient {
  const send = sender(options);
  const one = (namespace: string, name: string) => `${all(namespace)}/${encodeURIComponent(name)}`;
  const get: EndpointsClient['get'] = async (namespace, name, signal) => {
    const answer = await send('GET', one(namespace, name), null, signal);
    if (answer.status === 404) return null;
    return statusIn(answer, `looking up endpoint ${name}`, namespace);
  };
  const orAlready = async (
    answer: Answer,
    action: string,
    namespace: string,
    already: () => Promise<EndpointStatus | null>,
  ) => {
    if (answer.status === 400 || answer.status === 409) {
      const status = await already();
      if (status !== null) return status;
    }
    return statusIn(answer, action, namespace);
  };

  const offers: EndpointsClient['offers'] = (namespace, signal) => listOffers(send, namespace, signal);

  return {
    get,
    list: (namespace, signal) => listAll(send, namespace, signal),
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
      return orAlready(answer, `pausing endpoint ${name}`, namespace, async () => {
        const status = await get(namespace, name, signal);
        return status?.state === 'paused' ? status : null;
      });
    },
    async resume(namespace, name, signal) {
      const answer = await send('POST', `${one(namespace, name)}/resume`, null, signal);
      return orAlready(answer, `resuming endpoint ${name}`, namespace, async () =>
        saidIn(answer.body).includes('already running') ? get(namespace, name, signal) : null,
      );
    },
    async scaleToZero(namespace, name, signal) {
      const answer = await send('POST', `${one(namespace, name)}/scale-to-zero`, null, signal);
      return statusIn(answer, `scaling endpoint ${name} to zero`, namespace);
    },
    async delete(namespace, name, signal) {
      const answer = await send('DELETE', one(namespace, name), null, signal);
      if (answer.status !== 404) accepted(answer, `deleting endpoint ${name}`, namespace);
    },
    async replicas(namespace, name, { from, until }, signal) {
      const span = { start: new Date(from).toISOString(), stop: new Date(until).toISOString() };
      const answer = await send('POST', `${one(namespace, name)}/metrics`, span, signal);
      // Not every plan, version or endpoint has them: then nothing is told, and that is no failure.
      if (answer.status === 501 || (answer.status >= 400 && answer.status < 429)) return null;
      return readReplicas(accepted(answer, `reading the graphs of ${name}`, namespace));
    },
    async quote(namespace, instance, signal) {
      return readQuote(await offers(namespace, signal), instance);
    },
    offers,
  };
}

async function listOffers(send: Send, namespace: string | null, signal?: AbortSignal): Promise<Offer[]> {
  const path = namespace === null ? PUBLIC_LIST : `${PUBLIC_LIST}/${encodeURIComponent(namespace)}`;
  const answer = await send('GET', path, null, signal);
  const body = accepted(answer, 'reading prices and quota', namespace ?? 'public');
  return readOffers(body, { hasQuota: namespace !== null });
}

/**
 * The endpoint of a spec's name: found, or made. Never a second one: it is looked up first, and again where the name was
 * taken meanwhile or the answer to the creation was lost. Throws AppError `conflict` where the name is not ours.
 */
export async function ensureEndpoint(
  client: Pick<EndpointsClient, 'get' | 'create'>,
  namespace: string,
  spec: EndpointSpec,
  signal?: AbortSignal,
): Promise<EndpointStatus> {
  const adopt = async () => {
    const found = await client.get(namespace, spec.name, signal);
    if (found === null || isOurs(found)) return found;
    throw new AppError('conflict', `there is an endpoint ${namespace}/${spec.name} that upshift did not make`, {
      hint: 'rename or delete that endpoint, then let the rollout be proposed again',
    });
  };
  const found = await adopt();
  if (found !== null) return found;
  try {
    return await client.create(namespace, spec, signal);
  } catch (error) {
    if (signal?.aborted === true) throw error;
    const isUnsure = ['conflict', 'unavailable', 'timeout', 'internal'].includes(errorCode(error));
    const made = isUnsure ? await adopt() : null;
    if (made !== null) return made;
    throw error;
  }
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
    // A cursor that comes back would go round for ever.
    if (cursor !== null && (cursors.has(cursor) || cursors.size >= MOST_PAGES)) throw unreadable('listing endpoints');
    if (cursor !== null) cursors.add(cursor);
  } while (cursor !== null);
  return found;
}

function all(namespace: string): string {
  return `/v2/endpoint/${encodeURIComponent(namespace)}`;
}

function sender({ baseUrl, token, dispatcher, timeoutMs = 30_000 }: EndpointsOptions): Send {
  return async (method, path, body, signal) => {
    const action = `${method} ${path.split('?')[0]}`;
    if (token === null && path !== PUBLIC_LIST) {
      throw new AppError('unauthorized', `${action} needs a token, and HF_TOKEN is not set`, { hint: TOKEN_HINT });
    }
    signal?.throwIfAborted();
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      const response = await request(`${baseUrl}${path}`, {
        method,
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          accept: 'application/json',
          ...(body === null ? {} : { 'content-type': 'application/json' }),
        },
        body: body === null ? null : JSON.stringify(body),
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
        ...(dispatcher === undefined ? {} : { dispatcher }),
      });
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > LARGEST_ANSWER_BYTES) throw unreadable(action);
        chunks.push(chunk);
      }
      return { status: response.statusCode, body: jsonOrText(Buffer.concat(chunks).toString('utf8')) };
    } catch (cause) {
      throw noAnswer(action, baseUrl, cause, signal);
    }
  };
}

const TOKEN_HINT = 'set HF_TOKEN to a token with the scope inference.endpoints.write for the namespace';

/** The body of a 2xx answer; anything else is thrown. */
function accepted({ status, body }: Answer, action: string, namespace: string): unknown {
  if (status >= 200 && status < 300) {
    if (typeof body === 'object' || body === '') return body;
    throw unreadable(action);
  }
  throw refused(status, saidIn(body), action, namespace);
}

function statusIn(answer: Answer, action: string, namespace: string): EndpointStatus {
  const status = readStatus(accepted(answer, action, namespace));
  if (status.name === '') throw unreadable(action);
  return status;
}

function refused(status: number, said: string, action: string, namespace: string): AppError {
  const message = `${action} in ${namespace}: the management API answered ${status}${said === '' ? '' : `: ${said}`}`;
  const make = (code: AppError['code'], hint: string) => new AppError(code, message, { hint });
  if (status === 401) return make('unauthorized', TOKEN_HINT);
  if (status === 402 || /payment/i.test(said)) {
    return make('unauthorized', `add a payment method for ${namespace} at https://huggingface.co/settings/billing`);
  }
  // The status of a quota that is used up is not documented; the word is all there is to go by.
  if (status < 500 && /quota/i.test(said)) {
    return make('conflict', 'pause or delete an endpoint, choose another instance, or ask Hugging Face for more quota');
  }
  if (status === 403) return make('unauthorized', TOKEN_HINT);
  if (status === 404) return make('not_found', `check the namespace ${namespace} and that its endpoint exists`);
  if (status === 409) return make('conflict', 'look at `upshift endpoints`: the name or the state is taken');
  if (status === 429) return make('unavailable', 'the management API limits requests; it is tried again later');
  if (status >= 500) return make('unavailable', 'see https://status.huggingface.co; it is tried again');
  return make('invalid', 'correct the endpoint block of the policy');
}

function unreadable(action: string): AppError {
  return new AppError('unavailable', `${action}: the management API's answer cannot be read`, {
    hint: 'check UPSHIFT_ENDPOINTS_URL: is it the management API?',
  });
}
