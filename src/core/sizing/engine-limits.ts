import { NO_LIMITS } from '../endpoint-limits.ts';
import type { EndpointLimits } from '../endpoint-limits.ts';
import type { EndpointPolicy } from '../policy/endpoint.ts';
import { flagValue } from './engine-args.ts';
import type { Engine } from './engine-shapes.ts';

/** TGI's and TEI's `--payload-limit` (their READMEs). vLLM, SGLang and llama.cpp document none. */
const PAYLOAD_BYTES = 2_000_000;

/**
 * What the engine of an endpoint takes at most: the context that it stated while it warmed up, in tokens, and the body
 * that its documentation allows or the policy sets.
 */
export function engineLimits(
  engine: Engine,
  { args, env }: Pick<EndpointPolicy, 'args' | 'env'>,
  contextTokens: number | null,
): EndpointLimits {
  const isLimited = engine === 'tgi' || engine === 'tei';
  const stated = Number(flagValue(args, '--payload-limit') ?? env['PAYLOAD_LIMIT'] ?? PAYLOAD_BYTES);
  const bodyBytes = Number.isSafeInteger(stated) && stated > 0 ? stated : PAYLOAD_BYTES;
  return { ...NO_LIMITS, totalTokens: contextTokens, bodyBytes: isLimited ? bodyBytes : null };
}
