import { readVerdict } from '../../core/decide/links.ts';
import { byAssignment } from '../../core/judge/call-order.ts';
import type { RecordedCall, PastVerdict } from '../../core/judge/replay.ts';
import { inOrder } from '../../core/judge/shadow-pairs.ts';
import type { Pair } from '../../core/judge/shadow-pairs.ts';
import type { LedgerDb } from '../database.ts';
import { judgedCalls } from './arrivals.ts';
import { pairs } from './pairs.ts';

/** The calls of a rollout that were judged, in the order in which they were assigned. */
export function pastCalls(db: LedgerDb, rolloutId: string): RecordedCall[] {
  return [...judgedCalls(db, rolloutId)].filter(({ step }) => step > 0).sort(byAssignment);
}

/** The pairs of a rollout, in the order in which they were sent. */
export function pastPairs(db: LedgerDb, rolloutId: string): Pair[] {
  return [...pairs(db, rolloutId)].sort(inOrder);
}

/** The verdicts that a rollout's decisions saw, and decisions of other core versions with one that this one cannot read. */
export interface PastVerdicts {
  readonly verdicts: readonly PastVerdict[];
  readonly unreadable: readonly Omit<PastVerdict, 'verdict'>[];
}

/** The verdicts that a rollout's decisions saw, oldest first. Throws AppError `invalid` if a row was changed. */
export function pastVerdicts(db: LedgerDb, rolloutId: string): PastVerdicts {
  const sql = `SELECT id AS decisionId, decided_at_ms AS at, core_version AS coreVersion, input FROM decisions
    WHERE rollout_id = ? ORDER BY id`;
  const rows = db.prepare<[string], Omit<PastVerdict, 'verdict'> & { input: string }>(sql).all(rolloutId);
  const verdicts: PastVerdict[] = [];
  const unreadable: Omit<PastVerdict, 'verdict'>[] = [];
  for (const { input, ...decided } of rows) {
    // What a sweep saw of the rollout's endpoint has no verdict.
    const verdict = readVerdict(input, { id: decided.decisionId, coreVersion: decided.coreVersion });
    if (verdict === 'unreadable') unreadable.push(decided);
    else if (verdict !== null) verdicts.push({ ...decided, verdict });
  }
  return { verdicts, unreadable };
}
