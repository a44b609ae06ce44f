import { HubApiError, modelInfo, whoAmI } from '@huggingface/hub';
import { AppError } from '../../core/errors.ts';
import type { ModelFacts } from '../../core/sizing/facts.ts';
import { noAnswer, saidIn } from '../failure.ts';
import { readFacts } from './model-facts.ts';

/** The user of the token. */
interface Account {
  readonly name: string;
  readonly orgs: readonly { readonly name: string; readonly canPay: boolean | null }[];
  /** Whether a payment method exists; null if the Hub does not state it. */
  readonly canPay: boolean | null;
}

/** The Hub's facts about a model. */
export interface ModelSeen {
  readonly exists: boolean;
  /** Whether users must accept an agreement first; its engine then needs a token. */
  readonly isGated: boolean;
  readonly isPrivate: boolean;
  /** Whether the model exists but this token may not use it. */
  readonly isGatedForUs: boolean;
  /** The Hub's `pipeline_tag`, such as `text-generation`. */
  readonly task: string | null;
  /** The parameters of its weights, from their safetensors headers. */
  readonly parameters: number | null;
}

/**
 * A client of the Hub. Methods throw AppError `unauthorized` (the token is missing or refused), `unavailable`
 * (unreachable, 5xx, 429), `timeout`, or the signal's own reason.
 */
export interface HubClient {
  whoAmI(signal?: AbortSignal): Promise<Account>;
  inspectModel(model: string, signal?: AbortSignal): Promise<ModelSeen>;
  /** The facts about the size of a model. Also throws `not_found` if the Hub shows this token no such model. */
  describeModel(model: string, signal?: AbortSignal): Promise<ModelFacts>;
}

export interface HubOptions {
  /** Without a trailing slash. */
  readonly hubUrl: string;
  readonly token: string | null;
  /** Time limit of one answer, in real ms; 15 s by default. */
  readonly timeoutMs?: number;
}

const ABSENT: ModelSeen = {
  exists: false,
  isGated: false,
  isPrivate: false,
  isGatedForUs: false,
  task: null,
  parameters: null,
};
const NAME = /^\w[\w.-]*(?:\/\w[\w.-]*)?$/;
const TOKEN_HINT = 'set HF_TOKEN to a valid token from https://huggingface.co/settings/tokens';

/** A client of the Hub over `@huggingface/hub`, which supports neither a signal nor a time limit. */
export function createHubClient({ hubUrl, token, timeoutMs = 15_000 }: HubOptions): HubClient {
  const within = (signal?: AbortSignal): typeof fetch => {
    const limit = AbortSignal.timeout(timeoutMs);
    const both = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    return (input, init) => fetch(input, { ...init, signal: both });
  };
  const accessToken = token ?? undefined;

  return {
    async whoAmI(signal) {
      const action = 'asking the Hub whose token HF_TOKEN is';
      if (token === null) throw new AppError('unauthorized', 'HF_TOKEN is not set', { hint: TOKEN_HINT });
      try {
        return readAccount(await whoAmI({ accessToken: token, hubUrl, fetch: within(signal) }));
      } catch (error) {
        throw failed(action, hubUrl, error, signal);
      }
    },

    async inspectModel(model, signal) {
      if (!NAME.test(model)) return ABSENT;
      const action = `asking the Hub for ${model}`;
      try {
        const bounded = within(signal);
        const found = await modelInfo({
          name: model,
          hubUrl,
          fetch: bounded,
          additionalFields: ['safetensors'],
          ...(accessToken === undefined ? {} : { accessToken }),
        });
        const isGated = found.gated !== false && found.gated !== undefined;
        return {
          exists: true,
          isGated,
          isPrivate: found.private,
          isGatedForUs: isGated && !(await isLetIn(bounded, hubUrl, model, token)),
          task: found.task ?? null,
          parameters: found.safetensors?.total ?? null,
        };
      } catch (error) {
        if (error instanceof HubApiError) {
          if (error.statusCode === 404) return ABSENT;
          if (error.statusCode === 403) return { ...ABSENT, exists: true, isGated: true, isGatedForUs: true };
          // Without a token the Hub answers 401 for a model that does not exist, is private, or is gated.
          if (error.statusCode === 401 && (token === null || /not found/i.test(error.message))) return ABSENT;
        }
        throw failed(action, hubUrl, error, signal);
      }
    },

    describeModel: (model, signal) => describeModel(model, { hubUrl, token, fetch: within(signal) }, signal),
  };
}

async function describeModel(
  model: string,
  {
    hubUrl,
    token,
    fetch: bounded,
  }: { readonly hubUrl: string; readonly token: string | null; readonly fetch: typeof fetch },
  signal?: AbortSignal,
): Promise<ModelFacts> {
  const action = `asking the Hub how large ${model} is`;
  const hint = 'check the name, and whether HF_TOKEN may see it';
  if (!NAME.test(model)) throw new AppError('not_found', `${action}: the name is not valid`, { hint });
  try {
    const facts = await readFacts(model, { hubUrl, fetch: bounded, ...(token === null ? {} : { accessToken: token }) });
    const shut: string[] = [];
    for (const gated of facts.access?.gated ?? []) {
      if (!(await isLetIn(bounded, hubUrl, gated, token))) shut.push(gated);
    }
    return facts.access === undefined || shut.length === 0 ? facts : { ...facts, access: { ...facts.access, shut } };
  } catch (error) {
    if (error instanceof HubApiError) {
      const { statusCode, message } = error;
      // The Hub answers 401 both for a model that it hides from this token and for an invalid token.
      const isHidden = statusCode === 401 && (token === null || /not found/i.test(message));
      if (isHidden || statusCode === 403 || statusCode === 404) {
        throw new AppError('not_found', `${action}: the Hub shows HF_TOKEN no such model (${statusCode})`, { hint });
      }
    }
    throw failed(action, hubUrl, error, signal);
  }
}

/**
 * Everyone may read a gated model's card. `GET /api/models/{model}/auth-check` states whether this token may read its
 * files. It is the route behind `auth_check` of huggingface_hub, which the JavaScript library does not have.
 */
async function isLetIn(bounded: typeof fetch, hubUrl: string, model: string, token: string | null): Promise<boolean> {
  const response = await bounded(`${hubUrl}/api/models/${model}/auth-check`, {
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
  });
  await response.body?.cancel();
  if (response.ok) return true;
  if (response.status === 401 || response.status === 403 || response.status === 404) return false;
  throw new AppError(
    'unavailable',
    `the Hub answered ${response.status} when asked whether HF_TOKEN may use ${model}`,
    {
      hint: 'see https://status.huggingface.co; upshift tries again',
    },
  );
}

function readAccount(me: Awaited<ReturnType<typeof whoAmI>>): Account {
  if (typeof me.name !== 'string') throw new TypeError('an account without a name');
  const orgs = 'orgs' in me && Array.isArray(me.orgs) ? me.orgs : [];
  return {
    name: me.name,
    orgs: orgs.map((org) => ({ name: org.name, canPay: org.canPay ?? null })),
    canPay: 'canPay' in me ? (me.canPay ?? null) : null,
  };
}

function failed(action: string, hubUrl: string, error: unknown, signal?: AbortSignal): unknown {
  if (error instanceof AppError) return error;
  if (signal?.aborted === true) return signal.reason;
  if (error instanceof HubApiError) {
    const status = error.statusCode;
    if (status === 401 || status === 403) {
      return new AppError('unauthorized', `${action}: HF_TOKEN is refused (${status})`, { hint: TOKEN_HINT });
    }
    return new AppError('unavailable', `${action}: the Hub answered ${status}: ${saidIn(error.message)}`, {
      hint: 'see https://status.huggingface.co; upshift tries again',
    });
  }
  // The library itself checks the form of the token.
  if (error instanceof TypeError && error.message.includes('hf_')) {
    return new AppError('unauthorized', `${action}: HF_TOKEN does not begin with hf_`, { hint: TOKEN_HINT });
  }
  if (error instanceof SyntaxError || (error instanceof TypeError && error.message !== 'fetch failed')) {
    return new AppError('unavailable', `${action}: the answer of ${hubUrl} cannot be read`, {
      hint: 'check that HF_ENDPOINT is the Hub',
      cause: error,
    });
  }
  return noAnswer(action, hubUrl, error, signal);
}
