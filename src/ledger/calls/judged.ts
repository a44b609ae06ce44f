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

/** The pairs of a rollout's shadow stage, in the order in which they were sent. */
export function pastPairs(db: LedgerDb, rolloutId: string): Pair[] {
  return [...pairs(db, rolloutId)].sort(inOrder);
}

/** The verdicts that a rollout's decisions saw, oldest first. */
export function pastVerdicts(db: LedgerDb, rolloutId: string): PastVerdict[] {
  const sql = `SELECT id AS decisionId, decided_at_ms AS at, core_version AS coreVersion, input FROM decisions
    WHERE rollout_id = ? ORDER BY id`;
  const rows = db.prepare<[string], Omit<PastVerdict, 'verdict'> & { input: string }>(sql).all(rolloutId);
  return rows.flatMap(({ input, ...decided }) => {
    // What a sweep saw of the rollout's endpoint has no verdict.
    const verdict = readVerdict(input, decided.decisionId);
    return verdict === null ? [] : [{ ...decided, verdict }];
  });
}
