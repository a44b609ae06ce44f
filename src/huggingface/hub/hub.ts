import { HubApiError, modelInfo, whoAmI } from '@huggingface/hub';
import { AppError } from '../../core/errors.ts';
import type { ModelFacts } from '../../core/sizing/facts.ts';
import { noAnswer, saidIn } from '../failure.ts';
import { readFacts } from './model-facts.ts';

/** Whose token it is. */
interface Account {
  readonly name: string;
  readonly orgs: readonly { readonly name: string; readonly canPay: boolean | null }[];
  /** Whether a payment method is there; null where the Hub does not tell. */
  readonly canPay: boolean | null;
}

/** What the Hub says of a model. */
interface ModelSeen {
  readonly exists: boolean;
  /** Whether it asks for an agreement before it is used: its engine then needs a token. */
  readonly isGated: boolean;
  /** Whether it exists and this token may not use it. */
  readonly isGatedForUs: boolean;
  /** The Hub's `pipeline_tag`, such as `text-generation`. */
  readonly task: string | null;
  /** How many parameters its weights have, from their safetensors headers. */
  readonly parameters: number | null;
}

/**
 * The Hub. Methods throw AppError `unauthorized` (the token is missing or refused), `unavailable` (out of reach, 5xx,
 * 429), `timeout`, or the signal's own reason.
 */
export interface HubClient {
  whoAmI(signal?: AbortSignal): Promise<Account>;
  inspectModel(model: string, signal?: AbortSignal): Promise<ModelSeen>;
  /** What tells how large a model is. Also throws `not_found` where the Hub shows no such model to this token. */
  describeModel(model: string, signal?: AbortSignal): Promise<ModelFacts>;
}

export interface HubOptions {
  /** Without a trailing slash. */
  readonly hubUrl: string;
  readonly token: string | null;
  /** How long one answer may take, in real ms; 15 s where it is left out. */
  readonly timeoutMs?: number;
}

const ABSENT: ModelSeen = { exists: false, isGated: false, isGatedForUs: false, task: null, parameters: null };
const NAME = /^\w[\w.-]*(?:\/\w[\w.-]*)?$/;
const TOKEN_HINT = 'set HF_TOKEN to a valid token from https://huggingface.co/settings/tokens';

/** A client of the Hub over `@huggingface/hub`, which takes neither a signal nor a time limit of its own. */
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
          isGatedForUs: isGated && !(await isLetIn(bounded, hubUrl, model, token)),
          task: found.task ?? null,
          parameters: found.safetensors?.total ?? null,
        };
      } catch (error) {
        if (error instanceof HubApiError) {
          if (error.statusCode === 404) return ABSENT;
          if (error.statusCode === 403) return { ...ABSENT, exists: true, isGated: true, isGatedForUs: true };
          // Without a token the Hub says 401 for what does not exist, is private, or is gated.
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
  if (!NAME.test(model)) throw new AppError('not_found', `${action}: that is no name of a model`, { hint });
  try {
    return await readFacts(model, { hubUrl, fetch: bounded, ...(token === null ? {} : { accessToken: token }) });
  } catch (error) {
    if (error instanceof HubApiError) {
      const { statusCode, message } = error;
      // The Hub says 401 of what it does not show to strangers, and of a token that is no good.
      const isHidden = statusCode === 401 && (token === null || /not found/i.test(message));
      if (isHidden || statusCode === 403 || statusCode === 404) {
        throw new AppError('not_found', `${action}: it shows us no such model (${statusCode})`, { hint });
      }
    }
    throw failed(action, hubUrl, error, signal);
  }
}

/**
 * A gated model's card is there for everyone; whether its files are tells `GET /api/models/{model}/auth-check`, the
 * route behind `auth_check` of huggingface_hub, which the JavaScript library does not have.
 */
async function isLetIn(bounded: typeof fetch, hubUrl: string, model: string, token: string | null): Promise<boolean> {
  const response = await bounded(`${hubUrl}/api/models/${model}/auth-check`, {
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
  });
  await response.body?.cancel();
  if (response.ok) return true;
  if (response.status === 401 || response.status === 403 || response.status === 404) return false;
  throw new AppError('unavailable', `the Hub answered ${response.status} when asked whether we may use ${model}`, {
    hint: 'see https://status.huggingface.co; it is tried again',
  });
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
      hint: 'see https://status.huggingface.co; it is tried again',
    });
  }
  // The library's own check of the token's form.
  if (error instanceof TypeError && error.message.includes('hf_')) {
    return new AppError('unauthorized', `${action}: HF_TOKEN does not begin with hf_`, { hint: TOKEN_HINT });
  }
  if (error instanceof SyntaxError || (error instanceof TypeError && error.message !== 'fetch failed')) {
    return new AppError('unavailable', `${action}: the answer of ${hubUrl} cannot be read`, {
      hint: 'check HF_ENDPOINT: is it the Hub?',
      cause: error,
    });
  }
  return noAnswer(action, hubUrl, error, signal);
}
