import type { Agreement } from './agreement.ts';
import { decodeAgreement, encodeAgreement } from './agreement.ts';
import { canonical, Steps } from './canonical.ts';
import { finishOfAll } from './given.ts';
import type { Given, GivenCall } from './given.ts';
import { leastCosine } from './vectors.ts';
import type { Vectors } from './vectors.ts';

/** Steps of comparing the arguments of one answer. */
const MOST_STEPS = 4_000;

/** What is kept of an answer until the other one has ended. */
export type Half =
  { readonly kind: 'given'; readonly given: Given } | { readonly kind: 'vectors'; readonly vectors: Vectors };

/** What a request asks for, as far as it matters for comparing its answers. */
export interface AskedOfPair {
  readonly hasTools: boolean;
  /** Whether it asks for a temperature of 0. */
  readonly isGreedy: boolean;
}

/**
 * How far two answers to the same request agree, in the steps in which the ledger stores it. Null if they cannot be
 * compared at all.
 */
export function agree(one: Half, other: Half, { hasTools, isGreedy }: AskedOfPair): Agreement | null {
  if (one.kind === 'vectors' || other.kind === 'vectors') {
    const cosine = one.kind === 'vectors' && other.kind === 'vectors' ? leastCosine(one.vectors, other.vectors) : null;
    return cosine === null ? null : stored({ finish: null, tools: null, args: null, text: null, cosine });
  }
  const [first, second] = [finishOfAll(one.given), finishOfAll(other.given)];
  const [calls, others] = [callsOf(one.given), callsOf(other.given)];
  const hasSameTools = !hasTools
    ? null
    : calls.length === others.length && calls.every(({ name }, at) => name === others[at]?.name);
  return stored({
    finish: first === null || second === null ? null : first === second,
    tools: hasSameTools,
    args: hasSameTools === true && calls.length > 0 ? haveSameArguments(calls, others) : null,
    text: isGreedy ? commonPart(textOf(one.given), textOf(other.given)) : null,
    cosine: null,
  });
}

/** As it is once it was stored, so that what is judged now is what is judged when the ledger is read again. */
function stored(agreement: Agreement): Agreement {
  return decodeAgreement(encodeAgreement(agreement));
}

function callsOf(given: Given): readonly GivenCall[] {
  return given.flatMap(({ calls }) => calls);
}

function haveSameArguments(calls: readonly GivenCall[], others: readonly GivenCall[]): boolean | null {
  const [mine, theirs] = [new Steps(MOST_STEPS), new Steps(MOST_STEPS)];
  let isUnknown = false;
  for (const [at, { args }] of calls.entries()) {
    const [one, two] = [canonicalArguments(args, mine), canonicalArguments(others[at]?.args ?? null, theirs)];
    if (one === null || two === null) isUnknown = true;
    else if (one !== two) return false;
  }
  return isUnknown ? null : true;
}

/** Arguments that are no JSON are compared as they are. Null: not known. */
function canonicalArguments(args: string | null, steps: Steps): string | null {
  if (args === null) return null;
  try {
    return canonical(JSON.parse(args), steps);
  } catch {
    return args;
  }
}

/** The text of an answer with one choice; null if it is not known, or if there are several. */
function textOf(given: Given): string | null {
  return given.length === 1 ? (given[0]?.text ?? null) : null;
}

/** The part of the longer text that both begin with, 0..1; null if there is none to compare. */
function commonPart(one: string | null, other: string | null): number | null {
  if (one === null || other === null) return null;
  const longest = Math.max(one.length, other.length);
  if (longest === 0) return null;
  let common = 0;
  while (common < one.length && common < other.length && one.charCodeAt(common) === other.charCodeAt(common)) common++;
  return common / longest;
}
