import type { ComparedPair, Ended, RequestKind } from '../../../src/core/compare/pair.ts';
import type { Agreement } from '../../../src/core/form/agreement.ts';
import type { AnswerForm, ToolsForm } from '../../../src/core/form/form.ts';
import { PLAIN_FORM } from '../../support/forms.ts';

export const CALLED: ToolsForm = { isDemanded: false, called: 1, areParsed: true, areOffered: true, schema: 'good' };

export function answered(form: Partial<AnswerForm> = {}, promptTokens: number | null = 100): Ended {
  return { kind: 'answered', form: { ...PLAIN_FORM, ...form }, promptTokens, outputTokens: 20 };
}

export const ALIKE: Agreement = { finish: true, tools: null, args: null, text: 1, cosine: null };

export function pair(a: Ended, b: Ended, more: Partial<ComparedPair> = {}): ComparedPair {
  return { kind: 'plain', a, b, again: null, agreement: null, baseline: null, ...more };
}

/** So many pairs of a kind with these counts of prompt tokens. */
export function counted(
  kind: RequestKind,
  counts: readonly (readonly [a: number, b: number, again?: number])[],
): ComparedPair[] {
  return counts.map(([a, b, again]) =>
    pair(answered({}, a), answered({}, b), { kind, again: again === undefined ? null : answered({}, again) }),
  );
}
