import { z } from 'zod';

/** How single values are written in a policy: every block of it is made of these. */

const SPAN = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
export const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const SPAN_WANTED = 'expected a span such as 30s, 5m or 6h';
const SHARE_WANTED = 'expected a share such as 0.05 or "5%"';
const MARGIN_WANTED = 'expected a margin such as 0.15 or "15%"';

/** A span such as `30s`, to clock ms; `least` and `most` in ms. */
export const span = (least = 0, most = 365 * UNIT_MS.d) =>
  z.string({ error: SPAN_WANTED }).transform((text, context) => {
    const match = SPAN.exec(text.trim());
    if (match === null) {
      context.addIssue({ code: 'custom', message: `${SPAN_WANTED}, got "${text}"` });
      return z.NEVER;
    }
    const ms = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
    if (ms >= least && ms <= most) return ms;
    const limit = ms < least ? `at least ${least / 1000}s` : `at most ${most / UNIT_MS.d}d`;
    context.addIssue({ code: 'custom', message: `expected ${limit}, got "${text}"` });
    return z.NEVER;
  });

/** A share such as 0.05 or "5%", to 0..1. */
export const share = z.union([z.number(), z.string()], { error: SHARE_WANTED }).transform((value, context) => {
  const percent = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*%$/.exec(value.trim()) : null;
  const number = typeof value === 'number' ? value : percent === null ? Number.NaN : Number(percent[1]) / 100;
  if (number >= 0 && number <= 1) return number;
  const message = `expected a share from 0 to 1, written 0.05 or "5%", got ${JSON.stringify(value)}`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

/** A whole number from `least`. */
export const count = (least = 0) => z.number().int().min(least);

/** A margin such as 0.15 or "15%", above 0. */
export const margin = z.union([z.number(), z.string()], { error: MARGIN_WANTED }).transform((value, context) => {
  const percent = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*%$/.exec(value.trim()) : null;
  const number = typeof value === 'number' ? value : percent === null ? Number.NaN : Number(percent[1]) / 100;
  if (number > 0 && number <= 10) return number;
  const message = `expected a margin above 0, written 0.15 or "15%", got ${JSON.stringify(value)}`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});
