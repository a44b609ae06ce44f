import { z } from 'zod';

const replicas = z.number().int().min(1).max(64);

/** What a policy file may say of scaling. `span`: the schema of a span between two limits, in ms. */
export function scalingSchemas<S extends z.ZodType<number>>(span: (least?: number, most?: number) => S) {
  const sleep = z.strictObject({ after: span(60_000), calls: z.number().int().min(0).optional() });
  const scaling = z
    .strictObject({
      adjust: z.enum(['off', 'ask', 'automatic']),
      from: replicas,
      to: replicas,
      every: span(600_000),
      within: span(1_000),
      sleep: z.union([sleep, z.null()], { error: 'expected {after: 30m}, or null for never' }),
    })
    .partial();
  return { scaling, sleep };
}
