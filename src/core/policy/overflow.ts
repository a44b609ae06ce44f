import { z } from 'zod';
import { dollars } from './budget.ts';

/** What happens to calls for which an endpoint has no room. */
export interface OverflowPolicy {
  /** Whether they may go to serverless. If not, they wait for a place at the endpoint. */
  readonly enabled: boolean;
  /** What such calls may cost from 00:00 to 24:00 UTC, in dollars; null: no limit. */
  readonly maxPerDay: number | null;
}

export const OVERFLOW_DEFAULTS: OverflowPolicy = { enabled: true, maxPerDay: null };

/** The block `overflow` of a policy. */
export const overflowSchema = z
  .strictObject({ enabled: z.boolean().describe('true, false'), maxPerDay: dollars })
  .partial();
