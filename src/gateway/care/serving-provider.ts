import type { IncomingHttpHeaders } from 'node:http';
import { providerOf } from '../request/incoming-call.ts';
import type { IncomingCall } from '../request/incoming-call.ts';

/** The provider that an answer names; null where it names none. */
export function namedProvider(headers: IncomingHttpHeaders): string | null {
  const told = headers['x-inference-provider'];
  return typeof told === 'string' && told !== '' ? told : null;
}

const IS_PROVIDER = /^[\w.-]{1,64}$/;
/** LaneChoice to choose a provider, and no providers. */
const CHOICES: ReadonlySet<string> = new Set(['', 'fastest', 'cheapest', 'preferred', 'auto', 'v1']);

/**
 * Who answers a call to serverless: as the answer says (`x-inference-provider`, which is not documented), else whom the
 * call was sent to by name. `suffix`: what was put behind the model's name. Null where neither tells.
 */
export function servingProvider(
  headers: IncomingHttpHeaders,
  suffix: string | null,
  { destination, content }: IncomingCall,
): string | null {
  const told = namedProvider(headers) ?? suffix ?? providerOf(destination, content);
  return CHOICES.has(told) || !IS_PROVIDER.test(told) ? null : told;
}
