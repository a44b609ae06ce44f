import type { EndpointLimits } from './endpoint-limits.ts';
import { isEligible } from './route.ts';
import type { CallShape } from './route.ts';

/**
 * Why a call of a model that has an endpoint cannot go there. The position is the number stored in the ledger: append
 * only. If there are several reasons, the first of this list is given.
 */
export const INELIGIBLE_REASONS = [
  'unchangeable', // the body goes on as it came, because it is encoded, not JSON, or too large to keep
  'provider', // the client demands a provider behind the router
  'media', // pictures, sound, video or files
  'shape', // the endpoint has not shown that it can answer calls of that shape
  'too_large', // the body has more bytes than the engine takes
  'too_long', // the prompt, or the prompt and the longest answer together, cannot fit into the engine's context
  'rejected', // the endpoint lately rejected most calls of that shape, and serverless answered them
] as const;

export type IneligibleReason = (typeof INELIGIBLE_REASONS)[number];

/** What is known of a call before it is sent. */
export interface CallAsked {
  readonly shape: CallShape;
  /** Whether the model's name in its body can be replaced by the engine's. */
  readonly isChangeable: boolean;
  readonly demandsProvider: boolean;
  readonly bodyBytes: number;
  /** Characters of the body that are written as six bytes, `\u00e9`. It is asked only of a long body. */
  readonly escapes: () => number;
  /** The tokens that the answer may have at most; null if the call does not say. */
  readonly maxTokens: number | null;
  /** Whether the size of the body shows nothing about the length of a prompt. */
  readonly isBatch: boolean;
}

/**
 * Why a call cannot go to an endpoint that has shown some shapes and has some limits; null if it can. `isWithheld`:
 * whether the endpoint rejects most calls of that shape.
 */
export function ineligibleReason(
  call: CallAsked,
  shown: ReadonlySet<CallShape>,
  limits: EndpointLimits,
  isWithheld = false,
): IneligibleReason | null {
  if (!call.isChangeable) return 'unchangeable';
  if (call.demandsProvider) return 'provider';
  if (call.shape.includes('+media')) return 'media';
  if (!isEligible(call.shape, shown)) return 'shape';
  if (limits.bodyBytes !== null && call.bodyBytes > limits.bodyBytes) return 'too_large';
  if (isTooLong(call, limits)) return 'too_long';
  return isWithheld ? 'rejected' : null;
}

/**
 * A prompt has at least one token for so many bytes of its body. The tokenizer is not known, so only what is clearly
 * too long is kept from the endpoint: English has 4 to 5 bytes a token, code and other scripts have fewer, and the rest
 * of the body (keys, quotes, settings) is small beside a long prompt. A call that is too long all the same is refused by
 * the engine, which costs one attempt. A call that is kept back by mistake is answered by serverless.
 */
const MOST_BYTES_PER_TOKEN = 8;
/** An escaped character takes six bytes in a body, and at most three in UTF-8 (a pair of two escapes: four). */
const SAVED_PER_ESCAPE = 3;

/** Embeddings are left out, because a body of them often holds many texts, and each of them has to fit by itself. */
function isTooLong(call: CallAsked, { promptTokens, totalTokens }: EndpointLimits): boolean {
  const { bodyBytes, maxTokens, isBatch, shape } = call;
  if (isBatch || shape.startsWith('embedding') || (promptTokens === null && totalTokens === null)) return false;
  const mostPrompt = Math.min(promptTokens ?? Infinity, (totalTokens ?? Infinity) - (maxTokens ?? 0));
  const mostBytes = mostPrompt * MOST_BYTES_PER_TOKEN;
  return bodyBytes > mostBytes && bodyBytes - SAVED_PER_ESCAPE * call.escapes() > mostBytes;
}
