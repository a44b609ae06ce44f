import { errorText, jsonOrText } from './wire/error-text.ts';

/** What the engine of an endpoint takes at most. Null: not known. */
export interface EndpointLimits {
  /** Tokens of a prompt. */
  readonly promptTokens: number | null;
  /** Tokens of a prompt and of the longest answer that the call allows, together. */
  readonly totalTokens: number | null;
  /** Bytes of a body. */
  readonly bodyBytes: number | null;
}

export const NO_LIMITS: EndpointLimits = { promptTokens: null, totalTokens: null, bodyBytes: null };

/** The stricter of two limits, each by each. */
export function stricter(one: EndpointLimits, other: EndpointLimits): EndpointLimits {
  return {
    promptTokens: least(one.promptTokens, other.promptTokens),
    totalTokens: least(one.totalTokens, other.totalTokens),
    bodyBytes: least(one.bodyBytes, other.bodyBytes),
  };
}

function least(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

/**
 * What an engine says when a call is too long for it, at the beginning of its message: only there, because further on
 * it may quote the call. Sources: vLLM's and SGLang's OpenAI servers, llama.cpp's tools/server, TGI's router validation.
 */
const STATED: readonly (readonly [what: 'promptTokens' | 'totalTokens', says: RegExp])[] = [
  // vLLM
  ['totalTokens', /^This model's maximum context length is (\d+) tokens/],
  ['totalTokens', /^'?max_tokens'?[^.]{0,80} is too large: \d+\. This model's maximum context length is (\d+) tokens/],
  ['totalTokens', /^You passed \d+ input \w+ and requested \d+ output tokens\. However, [\w ']{1,60} is only (\d+)/],
  ['promptTokens', /^The (?:decoder )?prompt \(length \d+\) is longer than the maximum model length of (\d+)/],
  // SGLang
  ['promptTokens', /^The input \(\d+ tokens\) is longer than the model's context length \((\d+) tokens\)/],
  ['totalTokens', /^Requested token count exceeds the model's maximum context length of (\d+) tokens/],
  // llama.cpp
  ['promptTokens', /^request \(\d+ tokens\) exceeds the available context size \((\d+) tokens\)/],
  // TGI
  ['totalTokens', /^Input validation error: `inputs` tokens \+ `max_new_tokens` must be <= (\d+)\./],
  ['promptTokens', /^Input validation error: `inputs` must have less than (\d+) tokens/],
];

/** The limits that the body of an engine's refusal states; null if it states none. */
export function statedLimits(body: string): EndpointLimits | null {
  const said = errorText(jsonOrText(body)) ?? '';
  for (const [what, says] of STATED) {
    const tokens = Number(says.exec(said)?.[1] ?? Number.NaN);
    if (Number.isSafeInteger(tokens) && tokens > 0) return { ...NO_LIMITS, [what]: tokens };
  }
  return null;
}
