import { request } from 'undici';
import type { Dispatcher } from 'undici';
import { AppError } from '../../core/errors.ts';
import { jsonOrText } from '../../core/wire/error-text.ts';
import { noAnswer, saidIn } from '../failure.ts';
import { readStatus } from './status.ts';
import type { EndpointStatus } from './status.ts';

/** The address and the credentials of the management API. */
export interface ManagementOptions {
  /** Without a trailing slash. */
  readonly baseUrl: string;
  readonly token: string | null;
  readonly dispatcher?: Dispatcher;
  /** Time limit of one answer, in real ms; 30 s by default. */
  readonly timeoutMs?: number;
}

/** The answer of the management API. `body` is JSON, or text if it is not JSON. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
/** Makes one request. Throws AppError `unavailable`, `timeout` or `unauthorized` (no token), or the signal's own reason. */
export type Send = (method: Method, path: string, body: object | null, signal?: AbortSignal) => Promise<Answer>;

/** The one route that answers without a token. */
export const PUBLIC_LIST = '/v2/provider';

const LARGEST_ANSWER_BYTES = 16 * 1_048_576;

/** Returns a function that makes requests of the management API. */
export function openManagement({ baseUrl, token, dispatcher, timeoutMs = 30_000 }: ManagementOptions): Send {
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

/** The body of a 2xx answer; throws for any other. */
export function accepted({ status, body }: Answer, action: string, namespace: string): unknown {
  if (status >= 200 && status < 300) {
    if (typeof body === 'object' || body === '') return body;
    throw unreadable(action);
  }
  throw refused(status, saidIn(body), action, namespace);
}

/** The endpoint in a 2xx answer; throws for any other. */
export function statusIn(answer: Answer, action: string, namespace: string): EndpointStatus {
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
  // The status of an exhausted quota is not documented, so only the word in the text identifies it.
  if (status < 500 && /quota/i.test(said)) {
    return make('conflict', 'pause or delete an endpoint, choose another instance, or ask Hugging Face for more quota');
  }
  if (status === 403) return make('unauthorized', TOKEN_HINT);
  if (status === 404) return make('not_found', `check the namespace ${namespace} and that its endpoint exists`);
  if (status === 409)
    return make('conflict', 'see `upshift endpoints`: the name is taken, or the state does not allow this');
  if (status === 429) return make('unavailable', 'the management API limits requests; upshift tries again later');
  if (status >= 500) return make('unavailable', 'see https://status.huggingface.co; upshift tries again');
  return make('invalid', 'correct the endpoint block of the policy');
}

/** The error for an answer whose form the API does not document. */
export function unreadable(action: string): AppError {
  return new AppError('unavailable', `${action}: the management API's answer cannot be read`, {
    hint: 'check that UPSHIFT_ENDPOINTS_URL is the management API',
  });
}
