import { errorText, jsonOrText } from './error-text.ts';

/**
 * What stands behind an answer that no engine gave. `paused`: somebody must resume the endpoint. `starting`: it may
 * answer the same call a little later. `forbidden`: the token may not call it.
 */
export type ProxyMeaning = 'paused' | 'starting' | 'forbidden';

interface ProxyAnswer {
  readonly status: number;
  /** Matches the error text from its first character, because an engine may quote a request further on. */
  readonly says: RegExp;
  readonly means: ProxyMeaning;
}

/**
 * What the proxy before an endpoint says, and an engine that is not ready. Hugging Face documents the 503 alone; the
 * other texts are those that people have reported.
 */
const ANSWERS: readonly ProxyAnswer[] = [
  // A client takes this 400 for its own mistake, and the endpoint does not wake by itself. Several public reports.
  { status: 400, says: /^(?:Bad Request: )?(?:The )?endpoint is paused/i, means: 'paused' },
  // The same in 2024, reported by users of Elasticsearch's connector.
  { status: 400, says: /^Bad Request: Invalid state/i, means: 'paused' },
  // Scaled to zero, starting, or being updated; without Retry-After. Inference Endpoints documentation, "Autoscaling".
  { status: 503, says: /^503 Service Unavailable/i, means: 'starting' },
  // The engine listens, but has not loaded its weights: llama.cpp's tools/server, TGI's router, the toolkit.
  { status: 503, says: /^Loading model/i, means: 'starting' },
  { status: 503, says: /^unhealthy/i, means: 'starting' },
  { status: 503, says: /^Model \S+ is currently loading/i, means: 'starting' },
  // No token or an unknown one; and a token without the scope. So does the health route.
  { status: 401, says: /^401 Unauthorized/i, means: 'forbidden' },
  { status: 403, says: /^(?:Forbidden: )?missing permissions/i, means: 'forbidden' },
];

/** What an answer with this status and body means; null if the engine itself answered, or if the text is not known. */
export function proxyMeaning(status: number, body: string): ProxyMeaning | null {
  const said = errorText(jsonOrText(body))?.trimStart();
  if (said === undefined) return null;
  return ANSWERS.find((one) => one.status === status && one.says.test(said))?.means ?? null;
}
