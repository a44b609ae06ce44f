import type { Outcome } from './outcome.ts';
import { momentText } from './time.ts';

/** How an upstream fails, as a person would say it after its name. The kinds are those of outcomes, and finer ones of `connect_failed`. */
const VERBS = {
  refused_connection: 'refused the connection',
  unresolved: 'did not resolve by its name',
  closed_connection: 'closed the connection',
  connect_timeout: 'accepted no connection in time',
  connect_failed: 'could not be reached',
  rate_limited: 'refused the call (429)',
  unauthorized: 'denied the token (401 or 403)',
  not_found: 'did not know the path or the model (404 or 410)',
  paused: 'said that it is paused',
  server_error: 'answered with an error (5xx)',
  unavailable: 'said that it is not available (503)',
  first_byte_timeout: 'began no answer in time',
  idle_timeout: 'stopped in the middle of an answer',
  total_timeout: 'did not end an answer in time',
  broken_stream: 'broke off an answer',
  incomplete_answer: 'gave an answer that is not complete',
  empty_answer: 'gave an empty answer',
  rejected_by_endpoint: 'rejected a call that serverless answered',
  circuit_open: 'was not asked, because it had failed before',
} as const;

export type FaultKind = keyof typeof VERBS;

/** Every kind of fault. */
export const FAULT_KINDS = Object.keys(VERBS) as readonly FaultKind[];

const BY_CODE: Readonly<Record<string, FaultKind>> = {
  ECONNREFUSED: 'refused_connection',
  ENOTFOUND: 'unresolved',
  EAI_AGAIN: 'unresolved',
  ECONNRESET: 'closed_connection',
  EPIPE: 'closed_connection',
  UND_ERR_SOCKET: 'closed_connection',
  ETIMEDOUT: 'connect_timeout',
  UND_ERR_CONNECT_TIMEOUT: 'connect_timeout',
};

/** The kind of a fault. `code`: of the error that ended it; empty if there was none. Null: the outcome is of no kind. */
export function faultKind(outcome: Outcome, code: string): FaultKind | null {
  if (outcome === 'connect_failed') return BY_CODE[code] ?? 'connect_failed';
  return outcome in VERBS ? (outcome as FaultKind) : null;
}

/** Faults in a row: how many of each kind, and when the last of them was known, clock ms. */
export interface FaultRow {
  readonly kinds: Readonly<Partial<Record<FaultKind, number>>>;
  readonly lastAt: number;
}

/**
 * Faults in a row, for people: `the endpoint refused the connection 26 times in a row, last 12:11:05Z`. `row`: absent if
 * the kinds are not known.
 */
export function faultsText(side: string, count: number, row: FaultRow | undefined): string {
  const kinds = Object.entries(row?.kinds ?? {}).toSorted(([, a], [, b]) => b - a) as [FaultKind, number][];
  const [first] = kinds;
  if (row === undefined || first === undefined) return `${side} failed ${count} times in a row`;
  const last = `, last ${momentText(row.lastAt).slice(11)}`;
  if (kinds.length === 1) return `${side} ${VERBS[first[0]]} ${count} times in a row${last}`;
  const each = kinds.map(([kind, times]) => `${times === 1 ? 'once' : `${times} times`} it ${VERBS[kind]}`).join(', ');
  return `${side} failed ${count} times in a row${last}: ${each}`;
}
