import { errorMessage } from '../../core/errors.ts';
import type { LedgerDb } from '../database.ts';
import { linkChecker, unguarded } from './audit-links.ts';
import { CHAIN_START, chainHash, sha256 } from './chain.ts';
import type { DecisionColumns } from './chain.ts';

/** What is wrong; `decisionId` is null if it is not about a single decision. */
interface AuditProblem {
  readonly decisionId: number | null;
  readonly what: string;
}

export interface AuditReport {
  /** Rows read. */
  readonly decisions: number;
  /** Of these: decided again, with the result compared. */
  readonly rerun: number;
  /** Of these, by version: made by another version of the core, and so only checked against the chain. */
  readonly notCompared: readonly { readonly coreVersion: number; readonly decisions: number }[];
  /** Hash of the last decision. If you keep it elsewhere you can see later whether rows at the end were removed. */
  readonly head: string | null;
  readonly problems: readonly AuditProblem[];
}

interface StoredDecision extends DecisionColumns {
  readonly hash: string;
}

interface StoredPolicy {
  readonly hash: string;
  readonly parsedHash: string;
  readonly text: string;
  readonly parsed: string;
}

const COLUMNS = `id, decided_at_ms AS at, model, rollout_id AS rolloutId, core_version AS coreVersion, policy_hash AS policyHash,
  parsed_hash AS parsedHash, action, reason, ticks, input, output, hash`;

/**
 * Checks that no decision was changed, removed or inserted since it was written, nor its policy, its events, or the
 * operator's request that it answered. Then it decides again from each stored input. `redecide`: from the stored input
 * and the parsed policy, both JSON, to the output as it would be stored. Only reads.
 */
export function verifyAudit(
  db: LedgerDb,
  redecide: (input: string, policy: string | null) => string,
  coreVersion: number,
  onProgress?: (done: number) => void,
): AuditReport {
  const problems: AuditProblem[] = [];
  const policies = readPolicies(db, problems);
  let previous = { id: 0, hash: CHAIN_START };
  let decisions = 0;
  let rerun = 0;
  const others = new Map<number, number>();
  const checkLinks = linkChecker(db);
  for (const row of readDecisions(db, problems)) {
    decisions++;
    const policy = row.policyHash === null ? undefined : policies.get(row.policyHash);
    checkRow(row, previous, policy, problems);
    for (const what of checkLinks(row)) problems.push({ decisionId: row.id, what });
    if (row.coreVersion === coreVersion) {
      rerun++;
      const what = differs(row, policy, redecide);
      if (what !== null) problems.push({ decisionId: row.id, what });
    } else others.set(row.coreVersion, (others.get(row.coreVersion) ?? 0) + 1);
    previous = { id: Math.max(row.id, previous.id + 1), hash: row.hash };
    onProgress?.(decisions);
  }
  checkReferences(db, previous.id, problems);
  if (problems.length === 0) checkStructure(db, problems);
  for (const table of unguarded(db)) {
    problems.push({ decisionId: null, what: `the triggers that keep ${table} from being changed are gone` });
  }
  const head = decisions === 0 ? null : previous.hash;
  const notCompared = [...others].map(([version, count]) => ({ coreVersion: version, decisions: count }));
  return { decisions, rerun, notCompared, head, problems };
}

/** Reads in the order of the file, because a search for each key would not find rows behind a damaged key. */
function* readDecisions(db: LedgerDb, problems: AuditProblem[]): Generator<StoredDecision> {
  let last = 0;
  try {
    for (const row of db.prepare<[], StoredDecision>(`SELECT ${COLUMNS} FROM decisions ORDER BY id`).iterate()) {
      yield row;
      last = row.id;
    }
  } catch (error) {
    problems.push({ decisionId: last + 1, what: `cannot be read: ${errorMessage(error)}` });
  }
}

function checkRow(
  row: StoredDecision,
  previous: { readonly id: number; readonly hash: string },
  policy: StoredPolicy | undefined,
  problems: AuditProblem[],
): void {
  const say = (what: string, decisionId = row.id) => problems.push({ decisionId, what });
  const expected = previous.id + 1;
  if (row.id > expected) say(row.id === expected + 1 ? 'missing' : `missing, up to ${row.id - 1}`, expected);
  if (row.id < expected) say(`has the number ${row.id} now`, expected);
  if (chainHash(previous.hash, row) !== row.hash) say('changed after it was written: its hash does not fit');
  if (row.parsedHash === null) return;
  if (policy === undefined) say(`the policy ${row.policyHash} that it was made under is missing`);
  else if (sha256(policy.parsed) !== row.parsedHash)
    say(`the policy ${policy.hash} that it was made under was changed`);
}

function differs(
  row: StoredDecision,
  policy: StoredPolicy | undefined,
  redecide: (input: string, policy: string | null) => string,
): string | null {
  try {
    const again = redecide(row.input, policy?.parsed ?? null);
    return again === row.output ? null : 'decided again from what it saw, it comes out differently';
  } catch (error) {
    return `cannot be decided again from what it saw: ${errorMessage(error)}`;
  }
}

function readPolicies(db: LedgerDb, problems: AuditProblem[]): Map<string, StoredPolicy> {
  const policies = new Map<string, StoredPolicy>();
  const firstUse = db.prepare<[string], number>('SELECT min(id) FROM decisions WHERE policy_hash = ?').pluck();
  const sql = 'SELECT hash, parsed_hash AS parsedHash, text, parsed FROM policies';
  try {
    for (const policy of db.prepare<[], StoredPolicy>(sql).all()) {
      policies.set(policy.hash, policy);
      const say = (what: string) => problems.push({ decisionId: firstUse.get(policy.hash) ?? null, what });
      if (sha256(policy.text) !== policy.hash) say(`the text of policy ${policy.hash} was changed`);
      if (sha256(policy.parsed) !== policy.parsedHash) say(`the values of policy ${policy.hash} were changed`);
    }
  } catch (error) {
    problems.push({ decisionId: null, what: `the policies cannot be read: ${errorMessage(error)}` });
  }
  return policies;
}

/** The chain does not show that rows at its end were removed, but events, asks and outcomes still name them. */
function checkReferences(db: LedgerDb, lastId: number, problems: AuditProblem[]): void {
  const sql = `SELECT max(id) FROM (SELECT max(decision_id) AS id FROM events UNION ALL SELECT max(decision_id) FROM asks
    UNION ALL SELECT max(decision_id) FROM request_outcomes)`;
  try {
    const named = db.prepare<[], number | null>(sql).pluck().get() ?? 0;
    if (named > lastId) problems.push({ decisionId: lastId + 1, what: `missing, up to ${named}` });
  } catch (error) {
    problems.push({ decisionId: null, what: `the events cannot be read: ${errorMessage(error)}` });
  }
}

/** Finds damage that changes no value, such as a wrong length of a row. */
function checkStructure(db: LedgerDb, problems: AuditProblem[]): void {
  try {
    for (const table of ['decisions', 'policies']) {
      const rows = db.pragma(`integrity_check('${table}')`) as { integrity_check: string }[];
      for (const { integrity_check: what } of rows) {
        if (what !== 'ok') problems.push({ decisionId: null, what: `the table ${table} is damaged: ${what}` });
      }
    }
  } catch (error) {
    problems.push({ decisionId: null, what: `the file is damaged: ${errorMessage(error)}` });
  }
}
