import type { Outcome } from '../core/outcome.ts';
import { isOpenAi } from '../core/route.ts';
import type { Attempt } from './attempt/attempt.ts';
import type { Head } from './attempt/delivery.ts';
import type { Admission } from './care/admission.ts';
import type { Forms } from './form/forms.ts';
import { servingProvider } from './care/serving-provider.ts';
import { renamedTo } from './request/assignment.ts';
import type { Assignment } from './request/assignment.ts';
import type { AnswerHeaders } from './request/headers.ts';
import type { IncomingCall } from './request/incoming-call.ts';

/** Seconds until a client may ask again, if serverless refused its call and did not say when. */
const RETRY_AFTER_S = 5;

/** An upstream's answer, as far as it has come. */
interface Answered {
  readonly attempt: Attempt;
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly outcome: Outcome;
}

/** How an answer is to be passed on. `admission`: the call's access to serverless; null if it has none. */
export function headOf(
  { assignment, attempts }: { readonly assignment: Assignment; readonly attempts: readonly Attempt[] },
  incoming: IncomingCall,
  { admission, forms }: { readonly admission: Admission | null; readonly forms: Forms },
  { attempt: { upstream }, status, headers, outcome }: Answered,
): Head {
  const isServed = upstream === 'serverless' && outcome === 'ok';
  return {
    status,
    headers,
    isOpenAi: isOpenAi(incoming.destination.kind),
    renamed: renamedTo(assignment, upstream),
    provider: isServed ? servingProvider(headers, admission?.suffix ?? null, incoming) : null,
    attempts: attempts.length,
    retryAfter: outcome === 'rate_limited' && admission !== null ? RETRY_AFTER_S : null,
    memory: outcome === 'ok' && attempts.length === 1 ? forms.memoryFor(incoming) : null,
  };
}
