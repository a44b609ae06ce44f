import type { WhenFull } from '../limits.ts';
import { familyOf } from './served.ts';
import type { EndpointSpec } from './spec.ts';

/** The answer of an engine that takes no further call. */
interface FullAnswer {
  readonly status: number;
  readonly body: object;
  readonly headers: Readonly<Record<string, string>>;
}

/** Whether an engine of this kind refuses the calls for which it has no place. */
export function refusesWhenFull(whenFull: WhenFull): boolean {
  return whenFull === 'refuse429' || whenFull === 'refuse503';
}

/**
 * The refusal of an engine that is full, in the form of its errors. TGI and TEI say with 429 that they are overloaded.
 * vLLM with a limited queue, and llama.cpp without a free slot, answer 503.
 */
export function fullAnswer(spec: EndpointSpec, whenFull: WhenFull, retryAfterSeconds: number | null): FullAnswer {
  const headers: Record<string, string> =
    retryAfterSeconds === null ? {} : { 'retry-after': String(retryAfterSeconds) };
  if (whenFull === 'refuse429') {
    return { status: 429, body: { error: 'Model is overloaded', error_type: 'overloaded' }, headers };
  }
  const error =
    familyOf(spec) === 'llamacpp'
      ? { code: 503, message: 'All slots are busy', type: 'unavailable_error' }
      : { message: 'The request queue is full', type: 'ServiceUnavailableError', param: null, code: 503 };
  return { status: 503, body: { error }, headers };
}

/**
 * Factor on the times of a call at this load; 1 is as many calls as the engine has places. An engine that takes more
 * writes as many tokens in all as when it is just full, so that each call takes longer.
 */
export function timesAt(load: number): number {
  return (1 + 0.5 * Math.min(1, load) ** 2) * Math.max(1, load);
}
