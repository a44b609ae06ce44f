import { errorMessage } from '../../core/errors.ts';
import type { LedgerDb } from '../database.ts';
import { checkCalls } from './audit-calls.ts';
import type { CallsReport } from './audit-calls.ts';
import { linkChecker, unguarded } from './audit-links.ts';
import { checkRollouts } from './audit-rollouts.ts';
import { checkSeals } from './audit-seals.ts';
import type { Say, SealsReport } from './audit-seals.ts';
import { StateChecker } from './audit-states.ts';
import { sha256 } from '../sha256.ts';
import { differsFrom } from './mark.ts';
import type { Mark } from './mark.ts';
import { sealOf } from './seals.ts';

/** What is wrong; `decisionId` is null if it is not about a single decision. */
interface AuditProblem {
  readonly decisionId: number | null;
  readonly what: string;
  /** The seal of what is wrong; null if there is none. */
  readonly seal: number | null;
}

export interface AuditReport {
  /** Rows read. */
  readonly decisions: number;
  /** Of these: decided again, with the result compared. */
  readonly rerun: number;
  /** Of these, by version: made by another version of the core, and so not decided again. */
  readonly notCompared: readonly { readonly coreVersion: number; readonly decisions: number }[];
  /** How many rows of each kind are as they were sealed. */
  readonly covered: SealsReport['covered'];
  /** Which calls are as they were sealed, and which are not covered yet. */
  readonly calls: CallsReport;
  /** How many rollouts have a state that follows from their events. */
  readonly rollouts: number;
  /** How many seals there are. */
  readonly seals: number;
  /** Hash of the last seal. If you keep it elsewhere you can see later whether rows at the end were removed. */
  readonly head: string | null;
  /** The one that was sealed first comes first. */
  readonly problems: readonly AuditProblem[];
}

/** What the ledger is checked against, from outside of it. */
export interface AuditEvidence {
  /** The public key of its daemon, PEM; null: signatures are not checked. */
  readonly publicKey: string | null;
  /** Seals that it must have, each with where it was found: `the mark beside it`. */
  readonly marks: readonly (Mark & { readonly from: string })[];
}

interface StoredDecision {
  readonly id: number;
  readonly model: string;
  readonly coreVersion: number;
  readonly policyHash: string | null;
  readonly parsedHash: string | null;
  readonly input: string;
  readonly output: string;
}

interface StoredPolicy {
  readonly hash: string;
  readonly parsedHash: string;
  readonly text: string;
  readonly parsed: string;
}

/** Takes how much of a part of the check is done. */
type OnProgress = (done: number, part: 'decisions' | 'calls') => void;

/** Nothing from outside the ledger. */
const NO_EVIDENCE: AuditEvidence = { publicKey: null, marks: [] };

/**
 * Checks that nothing sealed was changed, removed or inserted since it was written, and that nothing which is to be
 * sealed came from another hand. Then it decides again from each stored input. `redecide`: from the stored input and the
 * parsed policy, both JSON, to the output as it would be stored. It reads one state of the ledger, even if a daemon
 * writes meanwhile.
 */
export function verifyAudit(
  db: LedgerDb,
  redecide: (input: string, policy: string | null) => string,
  coreVersion: number,
  { evidence = NO_EVIDENCE, onProgress }: { evidence?: AuditEvidence; onProgress?: OnProgress } = {},
): AuditReport {
  db.exec('BEGIN');
  try {
    return verifyState(db, redecide, coreVersion, evidence, onProgress);
  } finally {
    if (db.inTransaction) db.exec('ROLLBACK');
  }
}

function verifyState(
  db: LedgerDb,
  redecide: (input: string, policy: string | null) => string,
  coreVersion: number,
  { publicKey, marks }: AuditEvidence,
  onProgress?: OnProgress,
): AuditReport {
  const problems: AuditProblem[] = [];
  const say: Say = (decisionId, what, seal) => {
    const found = seal ?? (decisionId === null ? null : sealOf(db, 'decision', decisionId));
    problems.push({ decisionId, what, seal: found });
  };
  const sealed = attempt(say, 'the seals', () => checkSeals(db, publicKey, say));
  for (const mark of marks) {
    const what = differsFrom(db, mark);
    if (what !== null) say(null, `seal ${mark.seal}, which ${mark.from} names, is ${what}`, mark.seal);
  }
  const counts = attempt(say, 'the decisions', () => checkDecisions(db, redecide, coreVersion, say, onProgress));
  const calls = attempt(say, 'the calls', () =>
    checkCalls(
      db,
      (what, closing) => say(null, what, sealOf(db, 'calls', closing) ?? undefined),
      (done) => onProgress?.(done, 'calls'),
    ),
  );
  const folded = attempt(say, 'the rollouts', () => checkRollouts(db, coreVersion));
  for (const what of folded?.wrong ?? []) say(null, what);
  if (problems.length === 0) checkStructure(db, say);
  for (const table of unguarded(db)) say(null, `the triggers that keep ${table} from being changed are gone`);
  problems.sort((one, other) => (one.seal ?? Infinity) - (other.seal ?? Infinity));
  const { count = 0, head = null, covered = {} as SealsReport['covered'] } = sealed ?? {};
  const { decisions = 0, rerun = 0, notCompared = [] } = counts ?? {};
  return {
    decisions,
    rerun,
    notCompared,
    covered,
    calls: calls ?? { covered: 0, until: null, open: 0 },
    rollouts: folded?.checked ?? 0,
    seals: count,
    head,
    problems,
  };
}

/** Does one part of the check. What a damaged file keeps from being read is a finding, and the other parts go on. */
function attempt<T>(say: Say, part: string, check: () => T): T | null {
  try {
    return check();
  } catch (error) {
    say(null, `${part} cannot be read: ${errorMessage(error)}`);
    return null;
  }
}

function checkDecisions(
  db: LedgerDb,
  redecide: (input: string, policy: string | null) => string,
  coreVersion: number,
  say: Say,
  onProgress?: OnProgress,
): Pick<AuditReport, 'decisions' | 'rerun' | 'notCompared'> {
  const policies = readPolicies(db, say);
  const others = new Map<number, number>();
  const states = new StateChecker(db, coreVersion, (what) => say(null, what));
  const checkLinks = linkChecker(db, states);
  let decisions = 0;
  let rerun = 0;
  // In the order of the file, because a search for each key would not find rows behind a damaged key.
  const sql = `SELECT id, model, core_version AS coreVersion, policy_hash AS policyHash, parsed_hash AS parsedHash, input, output
    FROM decisions ORDER BY id`;
  for (const row of readable(db.prepare<[], StoredDecision>(sql).iterate(), () =>
    say(decisions + 1, 'cannot be read'),
  )) {
    const expected = decisions + 1;
    if (row.id > expected) say(expected, row.id === expected + 1 ? 'missing' : `missing, up to ${row.id - 1}`);
    if (row.id < expected) say(expected, `has the number ${row.id} now`);
    decisions = Math.max(row.id, expected);
    const policy = row.policyHash === null ? undefined : policies.get(row.policyHash);
    if (row.parsedHash !== null && policy?.parsedHash !== row.parsedHash) {
      say(row.id, `the policy ${row.policyHash} that it was made under is missing or was changed`);
    }
    for (const what of checkLinks(row)) say(row.id, what);
    if (row.coreVersion === coreVersion) {
      rerun++;
      const what = differs(row, policy, redecide);
      if (what !== null) say(row.id, what);
    } else others.set(row.coreVersion, (others.get(row.coreVersion) ?? 0) + 1);
    onProgress?.(decisions, 'decisions');
  }
  states.finish();
  const notCompared = [...others].map(([version, count]) => ({ coreVersion: version, decisions: count }));
  return { decisions, rerun, notCompared };
}

/** The rows up to the first one that a damaged file keeps from being read. */
function* readable<T>(rows: IterableIterator<T>, unreadable: () => void): Generator<T> {
  try {
    yield* rows;
  } catch {
    unreadable();
  }
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

function readPolicies(db: LedgerDb, say: Say): Map<string, StoredPolicy> {
  const firstUse = db.prepare<[string], number>('SELECT min(id) FROM decisions WHERE policy_hash = ?').pluck();
  const sql = 'SELECT hash, parsed_hash AS parsedHash, text, parsed FROM policies';
  const policies = new Map(
    db
      .prepare<[], StoredPolicy>(sql)
      .all()
      .map((policy) => [policy.hash, policy]),
  );
  for (const { hash, parsedHash, text, parsed } of policies.values()) {
    const about = firstUse.get(hash) ?? null;
    if (sha256(text) !== hash) say(about, `the text of policy ${hash} was changed`);
    if (sha256(parsed) !== parsedHash) say(about, `the values of policy ${hash} were changed`);
  }
  return policies;
}

/** Finds damage that changes no value, such as a wrong length of a row. */
function checkStructure(db: LedgerDb, say: Say): void {
  try {
    for (const table of ['decisions', 'policies', 'seals']) {
      const rows = db.pragma(`integrity_check('${table}')`) as { integrity_check: string }[];
      for (const { integrity_check: what } of rows) {
        if (what !== 'ok') say(null, `the table ${table} is damaged: ${what}`);
      }
    }
  } catch (error) {
    say(null, `the file is damaged: ${errorMessage(error)}`);
  }
}
