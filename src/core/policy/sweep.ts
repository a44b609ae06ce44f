import { z } from 'zod';

/** What happens to endpoints that upshift created and that no rollout uses. Spans in clock ms. */
export interface SweepPolicy {
  /** Endpoints of rollouts that are over, as long as they cost money. */
  readonly ended: 'pause' | 'report';
  /** How long such an endpoint stays paused before it is deleted; null: it is never deleted. */
  readonly deleteAfter: number | null;
  /** Endpoints that this ledger has no record of. Another installation may use them. */
  readonly unknown: 'report' | 'pause' | 'delete';
  /** After this time without calls a promoted endpoint is reported; null: it is never reported. */
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
