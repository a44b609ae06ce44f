import type { ServingProvider } from '../core/advice/advice.ts';
import { AppError } from '../core/errors.ts';
import type { ProviderPrice } from '../core/money/price-book.ts';
import { jsonOrText } from '../core/wire/error-text.ts';
import { noAnswer, saidIn } from './failure.ts';
import { bearer, limited } from './http.ts';
import { at, number, text } from './json.ts';

const LIST_MS = 15_000;

/**
 * The providers of each model behind the router, from its `GET /v1/models`; leaves out providers that the list marks as
 * down. Throws AppError `unauthorized`, `unavailable` or `timeout`.
 */
export async function listProviders(
  routerUrl: string,
  token: string,
): Promise<ReadonlyMap<string, readonly ServingProvider[]>> {
  return new Map((await listModels(routerUrl, token)).flatMap(readModel));
}

/**
 * The prices of all providers for all models, including providers that are down; from the same list, with the same
 * errors.
 */
export async function listPrices(routerUrl: string, token: string): Promise<ProviderPrice[]> {
  return (await listModels(routerUrl, token)).flatMap((model) => {
    const id = text(at(model, 'id'));
    const providers = at(model, 'providers');
    if (id === null || !Array.isArray(providers)) return [];
    return providers.flatMap((one) => readPrice(id, one) ?? []);
  });
}

async function listModels(routerUrl: string, token: string): Promise<readonly unknown[]> {
  const action = 'asking the router who serves which model';
  let status: number;
  let body: unknown;
  try {
    const response = await fetch(`${routerUrl}/v1/models`, {
      headers: bearer(token),
      redirect: 'manual',
      signal: limited(LIST_MS, undefined),
    });
    status = response.status;
    body = jsonOrText(await response.text());
  } catch (cause) {
    throw noAnswer(action, routerUrl, cause);
  }
  if (status === 401 || status === 403) {
    throw new AppError('unauthorized', `${action}: it answered ${status}: ${saidIn(body)}`, {
      hint: 'set HF_TOKEN to a token with the scope inference.serverless.write',
    });
  }
  const models = at(body, 'data');
  if (status !== 200 || !Array.isArray(models)) {
    throw new AppError('unavailable', `${action}: it answered ${status} without a list: ${saidIn(body)}`, {
      hint: 'leave out --online, or try again later',
    });
  }
  return models;
}

function readPrice(model: string, one: unknown): ProviderPrice | null {
  const provider = text(at(one, 'provider'));
  if (provider === null) return null;
  const pricing = at(one, 'pricing');
  const micros = (dollars: unknown) => {
    const price = number(dollars);
    return price === null ? null : Math.round(price * 1_000_000);
  };
  return {
    model,
    provider,
    inputMicros: micros(at(pricing, 'input')),
    outputMicros: micros(at(pricing, 'output')),
    isFree: at(one, 'is_free') === true,
    isLive: at(one, 'status') !== 'error',
  };
}

function readModel(model: unknown): [string, readonly ServingProvider[]][] {
  const id = text(at(model, 'id'));
  const providers = at(model, 'providers');
  if (id === null || !Array.isArray(providers)) return [];
  const serving = providers.flatMap((one) => {
    const provider = text(at(one, 'provider'));
    if (provider === null || at(one, 'status') === 'error') return [];
    const pricing = at(one, 'pricing');
    return { provider, inputPrice: number(at(pricing, 'input')), outputPrice: number(at(pricing, 'output')) };
  });
  return [[id, serving]];
}
