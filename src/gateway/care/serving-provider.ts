import { providerOf } from '../request/incoming-call.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import { headerOf } from '../request/headers.ts';
import type { AnswerHeaders } from '../request/headers.ts';

/** The provider that an answer names; null if it names none. */
export function namedProvider(headers: AnswerHeaders): string | null {
  return headerOf(headers, 'x-inference-provider') || null;
}

const IS_PROVIDER = /^[\w.-]{1,64}$/;
/** Suffixes and path segments that do not name a provider. */
const CHOICES: ReadonlySet<string> = new Set(['', 'fastest', 'cheapest', 'preferred', 'auto', 'v1']);

/**
 * The provider that answers a call to serverless: the one that the answer names (`x-inference-provider`, which is not
 * documented), otherwise the one that the call named. `suffix`: what the gateway appended to the model's name. Null if
 * neither names one.
 */
export function servingProvider(
  headers: AnswerHeaders,
  suffix: string | null,
  { destination, content }: IncomingCall,
): string | null {
  const provider = namedProvider(headers) ?? suffix ?? providerOf(destination, content);
  return CHOICES.has(provider) || !IS_PROVIDER.test(provider) ? null : provider;
}
