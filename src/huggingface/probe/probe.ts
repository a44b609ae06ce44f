import { AppError } from '../../core/errors.ts';
import { count } from '../../core/json.ts';
import { jsonOrText } from '../../core/wire/error-text.ts';
import { noAnswer, saidIn, whyNoAnswer } from '../failure.ts';
import { bearer, limited } from '../http.ts';
import { at, text } from '../json.ts';

/** Time limit of a request to a small route, in real ms. */
const LOOK_MS = 10_000;
/** What helps if a token may not call an endpoint. */
export const CALL_HINT = 'give HF_TOKEN the scope inference.endpoints.infer.write';

/** What a health route said. `status`: null if there was no answer; `said`: what is wrong, empty if nothing is. */
interface Health {
  readonly ok: boolean;
  readonly status: number | null;
  readonly said: string;
}

/**
 * Calls an endpoint's health route. Any answer but 200, and no answer, is not ok. Rejects only with the reason of the
 * signal that ended it. The state `running` does not yet mean that the model is loaded; a 200 from this route does.
 */
export async function checkHealth(
  url: string,
  token: string | null,
  healthRoute: string,
  signal?: AbortSignal,
): Promise<Health> {
  try {
    const response = await fetch(`${url}${healthRoute}`, {
      headers: bearer(token),
      redirect: 'manual',
      signal: limited(LOOK_MS, signal),
    });
    const { status } = response;
    if (status === 200) {
      await response.body?.cancel();
      return { ok: true, status, said: '' };
    }
    return { ok: false, status, said: saidIn(jsonOrText(await response.text())) };
  } catch (error) {
    signal?.throwIfAborted();
    return { ok: false, status: null, said: whyNoAnswer(error) };
  }
}

/** A model as its engine serves it. */
export interface ServedModel {
  readonly name: string;
  /** The engine's context in tokens, `max_model_len`. vLLM and SGLang state it; null if the engine does not. */
  readonly contextTokens: number | null;
}

/**
 * The model that the engine serves, from `GET /v1/models`: `wanted` if it is listed, otherwise the first one. Engines
 * without that route (TEI) accept any name. Throws AppError `unauthorized`, `unavailable` or `timeout`.
 */
export async function readServedModel(
  url: string,
  token: string | null,
  wanted: string,
  signal?: AbortSignal,
): Promise<ServedModel> {
  const action = 'asking the endpoint for its models';
  let status: number;
  let body: unknown;
  try {
    const response = await fetch(`${url}/v1/models`, {
      headers: bearer(token),
      redirect: 'manual',
      signal: limited(LOOK_MS, signal),
    });
    status = response.status;
    body = jsonOrText(await response.text());
  } catch (cause) {
    throw noAnswer(action, url, cause, signal);
  }
  if (status === 404) return { name: wanted, contextTokens: null };
  if (status === 401 || status === 403) {
    throw new AppError('unauthorized', `${action}: it answered ${status}: ${saidIn(body)}`, { hint: CALL_HINT });
  }
  const listed = at(body, 'data');
  const served = Array.isArray(listed) ? listed.flatMap((model) => readModel(model) ?? []) : [];
  const [first] = served;
  if (status !== 200 || first === undefined) {
    throw new AppError('unavailable', `${action}: it answered ${status} without a model: ${saidIn(body)}`, {
      hint: 'the engine may still be starting; upshift asks it again',
    });
  }
  return served.find(({ name }) => name === wanted) ?? first;
}

function readModel(model: unknown): ServedModel | null {
  const name = text(at(model, 'id'));
  return name === null ? null : { name, contextTokens: count(at(model, 'max_model_len')) };
}
