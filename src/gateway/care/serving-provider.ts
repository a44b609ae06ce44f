import type { IncomingHttpHeaders } from 'node:http';
import { providerOf } from '../request/incoming-call.ts';
import type { IncomingCall } from '../request/incoming-call.ts';

/** The provider that an answer names; null if it names none. */
export function namedProvider(headers: IncomingHttpHeaders): string | null {
  const named = headers['x-inference-provider'];
  return typeof named === 'string' && named !== '' ? named : null;
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
  headers: IncomingHttpHeaders,
  suffix: string | null,
  { destination, content }: IncomingCall,
): string | null {
  const provider = namedProvider(headers) ?? suffix ?? providerOf(destination, content);
  return CHOICES.has(provider) || !IS_PROVIDER.test(provider) ? null : provider;
}
