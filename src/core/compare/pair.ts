import type { Agreement } from '../form/agreement.ts';
import type { AnswerForm } from '../form/form.ts';

/**
 * What a request asks for. `open`: a long answer without a limit of tokens; `long`: a long prompt; `reason`: a small puzzle;
 * `own`: a request of the user's file.
 */
export type RequestKind = 'tools' | 'json' | 'plain' | 'open' | 'reason' | 'long' | 'embedding' | 'own';

/** How a request ended on one side. It holds numbers and bits only. */
export type Ended =
  | {
      readonly kind: 'answered';
      /** Null for embeddings. */
      readonly form: AnswerForm | null;
      readonly promptTokens: number | null;
      readonly outputTokens: number | null;
    }
  /** Not answered: a status that says that the request is at fault (4xx), or another failure (0: no status). */
  | { readonly kind: 'failed'; readonly status: number }
  /** It says nothing about the side: it was limited in rate, or the comparison was stopped. */
  | { readonly kind: 'left' };

/** One request and its answers. */
export interface ComparedPair {
  readonly kind: RequestKind;
  readonly a: Ended;
  readonly b: Ended;
  /** The same request to A once more. Null if it was not sent. */
  readonly again: Ended | null;
  /** How far the answers of A and B agree, and those of A and A. Null if one of them is missing. */
  readonly agreement: Agreement | null;
  readonly baseline: Agreement | null;
}
