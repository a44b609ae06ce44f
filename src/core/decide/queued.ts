import type { OperatorRequest } from './observation.ts';

type Kind = OperatorRequest['kind'];

/** The words that take a rollout further. */
const APPROVALS: ReadonlySet<Kind> = new Set(['approve', 'over_evidence']);
/** The later words that withdraw an approval which was not carried out before they were read. */
const AGAINST_APPROVAL: ReadonlySet<Kind> = new Set(['reject', 'pause', 'abort']);

/**
 * Requests of one route that wait together, oldest first: each with the later one that withdraws it. The last word holds, so
 * that nothing is done which somebody took back before it was read.
 */
export function withLastWords<R extends OperatorRequest>(requests: readonly R[]): R[] {
  return requests.map((request, i) => {
    const later = requests.slice(i + 1).findLast((one) => isWithdrawn(request, one));
    return later === undefined ? request : { ...request, withdrawnBy: { kind: later.kind, by: later.by } };
  });
}

function isWithdrawn(earlier: OperatorRequest, later: OperatorRequest): boolean {
  if (earlier.rolloutId !== later.rolloutId) return false;
  if (earlier.kind === 'reject') return later.kind === 'approve' && later.askId === earlier.askId;
  if (!APPROVALS.has(earlier.kind) || !AGAINST_APPROVAL.has(later.kind)) return false;
  return later.kind !== 'reject' || later.askId === earlier.askId;
}
