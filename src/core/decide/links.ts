import { z } from 'zod';
import { verdictSchema } from '../judge/stored.ts';
import type { Verdict } from '../judge/verdict.ts';
import { readStored } from '../stored.ts';
import { CORE_VERSION } from './decision.ts';

const outputLinks = z.object({
  events: z.array(z.unknown()).optional(),
  replaced: z.object({ event: z.unknown() }).optional(),
  outcome: z.object({ requestId: z.int() }).nullable().optional(),
});
const inputLinks = z.object({
  rollout: z.unknown().optional(),
  observation: z.object({ request: z.object({ id: z.int() }).nullable().optional() }).optional(),
});

/**
 * The rows of other tables that a decision names: its events, the outcome of a request, and the request. `rollout`: what
 * the decision was about; undefined if it was about no route.
 */
export interface DecisionLinks extends z.output<typeof outputLinks> {
  readonly rollout?: unknown;
  readonly request: { readonly id: number } | null;
}

/**
 * Reads the links of a stored decision of any core version. Throws AppError `invalid`, which names the row and what is
 * wrong.
 */
export function readLinks(input: string, output: string, id: number): DecisionLinks {
  const { observation, rollout } = readStored(inputLinks, input, { table: 'decisions', row: `${id}, column input` });
  const links = readStored(outputLinks, output, { table: 'decisions', row: `${id}, column output` });
  return { ...links, rollout, request: observation?.request ?? null };
}

const verdictSeen = z.object({ observation: z.object({ verdict: verdictSchema.nullable() }).optional() });
const anyVerdictSeen = z.object({ observation: z.object({ verdict: z.unknown() }).optional() });

/**
 * Reads the verdict in the observation of a stored decision; null if there was none, `unreadable` if another core
 * version stored it in a form that this one does not know. Throws AppError `invalid`, which names the row and what is
 * wrong.
 */
export function readVerdict(
  input: string,
  { id, coreVersion }: { readonly id: number; readonly coreVersion: number },
): Verdict | null | 'unreadable' {
  const where = { table: 'decisions', row: `${id}, column input` };
  const { observation } = readStored(anyVerdictSeen, input, where);
  const verdict = observation?.verdict ?? null;
  if (verdict === null) return null;
  if (coreVersion !== CORE_VERSION && !verdictSchema.safeParse(verdict).success) return 'unreadable';
  return readStored(verdictSeen, input, where).observation?.verdict ?? null;
}
