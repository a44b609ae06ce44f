import { z } from 'zod';

/** What becomes of endpoints that upshift made and that no rollout uses. Spans in clock ms. */
export interface SweepPolicy {
  /** Those of rollouts that are over, as long as they cost money. */
  readonly ended: 'pause' | 'report';
  /** How long such an endpoint rests before it is deleted; null: for ever. */
  readonly deleteAfter: number | null;
  /** Those that this ledger does not know: another installation may use them. */
  readonly unknown: 'report' | 'pause' | 'delete';
  /** How long a promoted endpoint may be without calls until that is said; null: for ever. */
  readonly idle: number | null;
}

export const SWEEP_DEFAULTS: SweepPolicy = {
  ended: 'pause',
  deleteAfter: 604_800_000,
  unknown: 'report',
  idle: 86_400_000,
};

/** The block `sweep` of a policy. `span`: how a policy writes spans. */
export const sweepSchema = <Span extends z.ZodType<number>>(span: Span) => {
  const orNone = z
    .union([z.literal('none').transform(() => null), span], { error: 'expected a span such as 7d, or none' })
    .describe('span, or none');
  return z
    .strictObject({
      ended: z.enum(['pause', 'report']),
      deleteAfter: orNone,
      unknown: z.enum(['report', 'pause', 'delete']),
      idle: orNone,
    })
    .partial();
};
