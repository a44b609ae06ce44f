import { InferenceClient, InferenceClientProviderApiError } from '@huggingface/inference';
import type { CallShape } from '../../core/route.ts';
import { jsonOrText } from '../../core/wire/error-text.ts';
import { codeOf, saidIn } from '../failure.ts';
import { bearer, limited } from '../http.ts';
import { askFor } from './probe-questions.ts';
import type { Post } from './probe-questions.ts';

/** The result of one probe of a shape. */
export interface ProbeResult {
  readonly ok: boolean;
  /**
   * HTTP status of the answer; null if there was none, or if it broke off. A wrong answer with status 200 is not ok.
   */
  readonly status: number | null;
  /** The problem, in one line without secrets; null if there was none. */
  readonly error: string | null;
  /** Real ms from the request to the end of the answer. */
  readonly latencyMs: number;
}

/** What the client is told to call; `named` replaces it. */
const STAND_IN = 'model';

/** The time limit of one probe. It is long, because a cold engine compiles during its first calls. */
const PROBE_MS = 60_000;

/**
 * Makes one call of a shape (see `core/route.ts`) with Hugging Face's own client and checks the answer: it has the
 * right form, it has content, and it states why it finished. The body names the model as the gateway will name it.
 * Rejects only with the reason of the signal that ended it.
 */
export async function probeShape(
  url: string,
  token: string | null,
  model: string,
  shape: CallShape,
  signal?: AbortSignal,
): Promise<ProbeResult> {
  const ask = askFor(shape);
  if (ask === undefined) return { ok: false, status: null, error: 'there is no probe for this shape', latencyMs: 0 };
  let status: number | null = null;
  const bounded = limited(PROBE_MS, signal);
  const noting: typeof fetch = async (input, init) => {
    const response = await fetch(input, named(init, model));
    status = response.status;
    return response;
  };
  // With retry_on_error on, the client repeats a 503 at once and without end.
  const options = { endpointUrl: url, retry_on_error: false, signal: bounded, fetch: noting };
  const client = new InferenceClient(token ?? undefined, options);
  const post: Post = async (path, body) => {
    const headers = { ...bearer(token), 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify(body), signal: bounded };
    const response = await noting(`${url}${path}`, init);
    const answer = jsonOrText(await response.text());
    if (!response.ok) throw new Error(saidIn(answer));
    return answer;
  };
  const began = performance.now();
  const ended = (error: string | null): ProbeResult => ({
    ok: error === null,
    status,
    error,
    latencyMs: performance.now() - began,
  });
  try {
    return ended(await ask({ client, model: STAND_IN, post }));
  } catch (error) {
    signal?.throwIfAborted();
    const broken = howBroken(error);
    if (broken !== null) status = null;
    return ended(broken ?? whatWasSaid(error));
  }
}

/**
 * The request with the engine's name for the model in its body. The client cannot be given that name, because it takes
 * a name that begins with a slash for a URL and refuses it before it sends anything. llama.cpp, SGLang and TGI name a
 * model by the path that they loaded it from.
 */
function named(init: RequestInit | undefined, model: string): RequestInit | undefined {
  if (typeof init?.body !== 'string') return init;
  const sent: unknown = JSON.parse(init.body);
  return { ...init, body: JSON.stringify(Object.assign({}, sent, { model })) };
}

/** Why the connection failed; null if it did not. */
function howBroken(error: unknown): string | null {
  if (error instanceof Error && error.name === 'TimeoutError') return 'no answer in time';
  const code = codeOf(error);
  return code === '' ? null : `no connection, or a broken one (${code})`;
}

/** The endpoint's own error text; the client's error text around it only if the endpoint sent none. */
function whatWasSaid(error: unknown): string {
  const said = error instanceof InferenceClientProviderApiError ? saidIn(error.httpResponse.body) : '';
  if (said !== '' && said !== '{}') return said;
  return saidIn(error instanceof Error ? error.message : String(error));
}
