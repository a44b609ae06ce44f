import { BlockReader } from '../calls/blocks.ts';
import type { BlockContent, BlockRange } from '../calls/blocks.ts';
import type { LedgerDb } from '../database.ts';
import { FIRST_US } from './closing.ts';

/** Which calls the audit covers. */
export interface CallsReport {
  /** Calls of closed days, late ones included, that are as they were sealed. */
  readonly covered: number;
  /** Up to when days are closed, epoch ms; null if none is. */
  readonly until: number | null;
  /** Calls that no seal covers yet: of days that are not closed, or late. */
  readonly open: number;
}

type Block = BlockContent & BlockRange;

/** Blocks in a row that are not as they were sealed, and how many rows they have more than then. */
interface Difference extends BlockRange {
  readonly calls: number;
  readonly attempts: number;
  readonly shadows: number;
}

/** After so many findings in one closing the rest is only counted: one name can change all of its blocks. */
const MOST_FINDINGS = 10;

/**
 * Reads all calls of closed days again and compares them with what was sealed of them. `say` takes what is wrong, a
 * sentence each, with the times between which it is. `onProgress` takes how many calls are fine so far. Only reads.
 */
export function checkCalls(
  db: LedgerDb,
  say: (what: string, closingId: number) => void,
  onProgress?: (calls: number) => void,
): CallsReport {
  const reader = new BlockReader(db);
  const sql = 'SELECT id, until_us AS untilUs FROM call_closings WHERE closed_at_ms IS NOT NULL ORDER BY id';
  let covered = 0;
  let last = { id: 0, untilUs: FIRST_US };
  for (const closing of db.prepare<[], { id: number; untilUs: number }>(sql).all()) {
    const wrong: Difference[] = [];
    for (const [lateIn, firstUs, endUs] of [
      [null, last.untilUs, closing.untilUs],
      [closing.id, FIRST_US, last.untilUs],
    ] as const) {
      let fromUs = firstUs;
      for (const block of storedBlocks(db, closing.id, lateIn, firstUs)) {
        const now = reader.read(block);
        if (now.digest === block.digest) covered += now.calls;
        else note(wrong, block, now);
        onProgress?.(covered);
        fromUs = block.untilUs;
      }
      if (fromUs < endUs)
        say(`the blocks of calls from ${timeText(fromUs)} to ${timeText(endUs)} are missing`, closing.id);
    }
    for (const difference of wrong.slice(0, MOST_FINDINGS)) say(sentence(db, difference), closing.id);
    const more = wrong.length - MOST_FINDINGS;
    if (more > 0)
      say(
        `${more} more stretches of calls before ${timeText(closing.untilUs)} differ from what was sealed`,
        closing.id,
      );
    last = closing;
  }
  const until = last.id === 0 ? null : Math.floor(last.untilUs / 1_000);
  return { covered, until, open: countOpen(db, last) };
}

function storedBlocks(db: LedgerDb, closingId: number, lateIn: number | null, firstUs: number): Block[] {
  const sql = `SELECT until_us AS untilUs, call_count AS calls, attempt_count AS attempts, shadow_count AS shadows, digest
    FROM call_blocks WHERE closing_id = ? AND is_late = ? ORDER BY until_us`;
  const rows = db
    .prepare<[number, number], BlockContent & { untilUs: number }>(sql)
    .all(closingId, Number(lateIn !== null));
  return rows.map((row, n) => ({ ...row, lateIn, fromUs: rows[n - 1]?.untilUs ?? firstUs }));
}

/** Adds a block that differs, to the difference before it if the two touch. */
function note(wrong: Difference[], block: Block, now: BlockContent): void {
  const last = wrong.at(-1);
  const isNext = last !== undefined && last.lateIn === block.lateIn && last.untilUs === block.fromUs;
  const before = isNext ? last : { fromUs: block.fromUs, calls: 0, attempts: 0, shadows: 0 };
  if (isNext) wrong.pop();
  wrong.push({
    lateIn: block.lateIn,
    fromUs: before.fromUs,
    untilUs: block.untilUs,
    calls: before.calls + now.calls - block.calls,
    attempts: before.attempts + now.attempts - block.attempts,
    shadows: before.shadows + now.shadows - block.shadows,
  });
}

function sentence(db: LedgerDb, difference: Difference): string {
  const { lateIn, fromUs, untilUs, calls, attempts, shadows } = difference;
  const gone = lateIn === null ? [] : goneLate(db, lateIn, difference);
  const counts = [
    [calls, 'call'],
    [attempts, 'attempt'],
    [shadows, 'copy'],
  ] as const;
  const told = counts.flatMap(([more, name]) => (more === 0 ? [] : [`${name} ${more > 0 ? '+' : ''}${more}`]));
  const where =
    fromUs === FIRST_US ? `before ${timeText(untilUs)}` : `from ${timeText(fromUs)} to ${timeText(untilUs)}`;
  const what =
    gone.length > 0
      ? `were removed after they were sealed: ${gone.map(timeText).join(', ')}`
      : told.length > 0
        ? `were removed or inserted after they were sealed (${told.join(', ')})`
        : 'were changed after they were sealed, or a name that they use was';
  return `${lateIn === null ? 'calls' : 'late calls'} ${where} ${what}`;
}

/** The times of late calls that are no longer there; a few of them are enough. */
function goneLate(db: LedgerDb, closingId: number, { fromUs, untilUs }: BlockRange): number[] {
  const sql = `SELECT l.key_at_us FROM late_calls l WHERE l.closing_id = ? AND l.key_at_us >= ? AND l.key_at_us < ?
    AND l.is_copy = 0
    AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.ended_at_us = l.key_at_us AND c.gateway_id = l.gateway_id)
    ORDER BY 1 LIMIT 5`;
  return db.prepare<number[], number>(sql).pluck().all(closingId, fromUs, untilUs);
}

/** Calls of days that are not closed, and late ones that wait for the next closing. */
function countOpen(db: LedgerDb, last: { readonly id: number; readonly untilUs: number }): number {
  const sql = `SELECT (SELECT count(*) FROM calls WHERE ended_at_us >= @untilUs) +
    (SELECT count(*) FROM late_calls WHERE closing_id > @id AND is_copy = 0 AND key_at_us < @untilUs)`;
  return db.prepare<object, number>(sql).pluck().get(last) ?? 0;
}

/** An ISO time, to the millisecond. */
function timeText(us: number): string {
  const date = new Date(us / 1_000);
  return Number.isNaN(date.getTime()) ? String(us) : date.toISOString();
}
