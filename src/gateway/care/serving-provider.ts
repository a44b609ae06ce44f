import type { IncomingHttpHeaders } from 'node:http';
import { providerOf } from '../request/question.ts';
import type { Asked } from '../request/question.ts';

/** The provider that an answer names; null where it names none. */
export function toldIn(headers: IncomingHttpHeaders): string | null {
  const told = headers['x-inference-provider'];
  return typeof told === 'string' && told !== '' ? told : null;
}

const IS_PROVIDER = /^[\w.-]{1,64}$/;
/** Ways to choose a provider, and no providers. */
const CHOICES: ReadonlySet<string> = new Set(['', 'fastest', 'cheapest', 'preferred', 'auto', 'v1']);

/**
 * Who answers a call to serverless: as the answer says (`x-inference-provider`, which is not documented), else whom the
 * call was sent to by name. `suffix`: what was put behind the model's name. Null where neither tells.
 */
export function servingProvider(
  headers: IncomingHttpHeaders,
  suffix: string | null,
  { destination, question }: Asked,
): string | null {
  const told = toldIn(headers) ?? suffix ?? providerOf(destination, question);
  return CHOICES.has(told) || !IS_PROVIDER.test(told) ? null : told;
}
