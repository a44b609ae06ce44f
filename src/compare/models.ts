import { objectOf, objectsOf, parseAnswer } from '../core/answer/output.ts';
import type { Json } from '../core/answer/output.ts';
import { AppError } from '../core/errors.ts';
import type { NamedEngine } from '../core/sizing/engine.ts';
import { bearer, readText, reasonOf } from './send.ts';
import type { Address, Side, TokenPrice } from './side.ts';

const LIST_MS = 15_000;
const MOST_NAMED = 5;

/**
 * What a side says of its models, from its `GET /models`. Null if it has no such list. Throws AppError `unavailable` if it
 * cannot be reached, `unauthorized` if it refuses the key.
 */
export async function listModels(side: Address, stop: AbortSignal): Promise<readonly Json[] | null> {
  const address = `${side.url}/models`;
  let status: number;
  let text: string;
  try {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(LIST_MS)]);
    const response = await fetch(address, { redirect: 'manual', headers: bearer(side), signal });
    ({ status } = response);
    text = await readText(response);
  } catch (error) {
    throw unreachable(side, reasonOf(error));
  }
  if (status === 401 || status === 403) throw refusedKey(side, status);
  const list = status === 200 ? objectOf(parseAnswer(text))?.data : undefined;
  return Array.isArray(list) ? objectsOf(list) : null;
}

/** No answer came. `why`: the code of the socket, or a few words. */
export function unreachable({ name, url }: Address, why: string): AppError {
  return new AppError('unavailable', `${name} cannot be reached at ${url}: ${why}`, {
    hint: 'check the URL and the network; the base URL is the one that an OpenAI client gets',
  });
}

/** The side refuses the key, or wants one. */
export function refusedKey({ name, url, key }: Address, status: number): AppError {
  const flag = `--key-env-${name.toLowerCase()} NAME`;
  const hint =
    key === null
      ? `name the environment variable that holds its key: ${flag}`
      : `check the key that was sent; ${flag} names another variable`;
  return new AppError('unauthorized', `${name} (${url}) answers ${status}`, { hint });
}

/**
 * The model to call at a side: the one that is wanted, else the only one that it lists. `wanted` may be called otherwise
 * there: a side with one model serves that one. Throws AppError `invalid` if the choice is not clear.
 */
export function chooseModel({ name }: Address, models: readonly Json[] | null, wanted: string | undefined): string {
  const ids = (models ?? []).flatMap(({ id }) => (typeof id === 'string' ? [id] : []));
  const [only] = ids;
  if (wanted !== undefined) return wanted;
  if (only !== undefined && ids.length === 1) return only;
  const flag = name === 'A' ? '--model' : '--model-b';
  const some = ids.slice(0, MOST_NAMED).join(', ');
  throw new AppError('invalid', `${name} lists ${ids.length === 0 ? 'no model' : `${ids.length} models`}`, {
    hint: `name one with ${flag}${some === '' ? '' : `, such as ${some}`}`,
  });
}

/** The engines by what their lists say of the owner of a model. */
const OWNERS: Readonly<Record<string, NamedEngine>> = {
  vllm: 'vLLM',
  sglang: 'sGLang',
  llamacpp: 'llamacpp',
  'text-generation-inference': 'tgi',
};

/** The engine and the prices of a model, as far as the list shows them. */
export function detailsOf(models: readonly Json[] | null, model: string): Pick<Side, 'engine' | 'prices'> {
  const found = models?.find(({ id }) => id === model);
  const owner = typeof found?.owned_by === 'string' ? found.owned_by.toLowerCase() : '';
  const engine = Object.hasOwn(OWNERS, owner) ? (OWNERS[owner] ?? null) : null;
  const prices = [found, ...objectsOf(found?.providers)].flatMap((place) => priceOf(objectOf(place?.pricing)));
  if (prices.length === 0) return { engine, prices: null };
  const sorted = prices.toSorted((one, other) => one.input + one.output - other.input - other.output);
  return { engine, prices: { low: sorted[0] as TokenPrice, high: sorted.at(-1) as TokenPrice } };
}

/** Hugging Face's router gives dollars for a million tokens. */
function priceOf(pricing: Json | null): TokenPrice[] {
  const { input, output } = pricing ?? {};
  const isPrice = typeof input === 'number' && typeof output === 'number' && input >= 0 && output >= 0;
  return isPrice ? [{ input, output }] : [];
}
