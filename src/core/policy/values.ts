import { z } from 'zod';

/**
 * The forms of single values in a policy. A schema's description gives the form and the range, and `docs/policy.md`
 * shows it.
 */

const SPAN = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
export const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const SPAN_WANTED = 'expected a span such as 30s, 5m or 6h';
const SHARE_WANTED = 'expected a share such as 0.05 or "5%"';
const MARGIN_WANTED = 'expected a margin such as 0.15 or "15%"';

const LONGEST_MS = 365 * UNIT_MS.d;

/** Milliseconds in the form of a policy, in the largest unit that needs no fraction: `5m`. */
function written(ms: number): string {
  const unit = (['d', 'h', 'm', 's'] as const).find((one) => ms % UNIT_MS[one] === 0) ?? 'ms';
  return `${ms / UNIT_MS[unit]}${unit}`;
}

/** A span such as `30s`, to clock ms; `least` and `most` in ms. */
export const span = (least = 0, most = LONGEST_MS) =>
  z
    .string({ error: SPAN_WANTED })
    .transform((text, context) => {
      const match = SPAN.exec(text.trim());
      if (match === null) {
        context.addIssue({ code: 'custom', message: `${SPAN_WANTED}, got "${text}"` });
        return z.NEVER;
      }
      const ms = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
      if (ms >= least && ms <= most) return ms;
      const limit = ms < least ? `at least ${written(least)}` : `at most ${written(most)}`;
      context.addIssue({ code: 'custom', message: `expected ${limit}, got "${text}"` });
      return z.NEVER;
    })
    .describe(
      [
        'span',
        ...(least > 0 ? [`from ${written(least)}`] : []),
        ...(most < LONGEST_MS ? [`up to ${written(most)}`] : []),
      ].join(' '),
    );

/** A share such as 0.05 or "5%", to 0..1. */
export const share = z
  .union([z.number(), z.string()], { error: SHARE_WANTED })
  .transform((value, context) => {
    const percent = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*%$/.exec(value.trim()) : null;
    const number = typeof value === 'number' ? value : percent === null ? Number.NaN : Number(percent[1]) / 100;
    if (number >= 0 && number <= 1) return number;
    const message = `expected a share from 0 to 1, written 0.05 or "5%", got ${JSON.stringify(value)}`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  })
  .describe('share');

/** A whole number from `least`, up to `most` if that is given. */
export const count = (least = 0, most?: number) => {
  const whole = z.number().int().min(least);
  if (most === undefined) return whole.describe(`whole number from ${least}`);
  return whole.max(most).describe(`whole number from ${least} up to ${most}`);
};

const BYTES_WANTED = 'expected a size such as 512KiB or 32MiB';
const UNIT_BYTES = { KiB: 1_024, MiB: 1_048_576 } as const;

/** A number of bytes in the form of a policy: `32MiB`. */
export function bytesText(count: number): string {
  return count % UNIT_BYTES.MiB === 0 ? `${count / UNIT_BYTES.MiB}MiB` : `${count / UNIT_BYTES.KiB}KiB`;
}

/** A size such as `32MiB`, to bytes; `least` and `most` in bytes. */
export const bytes = (least: number, most: number) =>
  z
    .string({ error: BYTES_WANTED })
    .transform((text, context) => {
      const match = /^(\d+)\s*(KiB|MiB)$/i.exec(text.trim());
      const count =
        match === null ? Number.NaN : Number(match[1]) * (/^k/i.test(match[2] ?? '') ? UNIT_BYTES.KiB : UNIT_BYTES.MiB);
      if (count >= least && count <= most) return count;
      const limit = count < least ? `at least ${bytesText(least)}` : `at most ${bytesText(most)}`;
      const message = Number.isNaN(count) ? `${BYTES_WANTED}, got "${text}"` : `expected ${limit}, got "${text}"`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .describe(`size from ${bytesText(least)} up to ${bytesText(most)}`);

/** A margin such as 0.15 or "15%", above 0. */
export const margin = z
  .union([z.number(), z.string()], { error: MARGIN_WANTED })
  .transform((value, context) => {
    const percent = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*%$/.exec(value.trim()) : null;
    const number = typeof value === 'number' ? value : percent === null ? Number.NaN : Number(percent[1]) / 100;
    if (number > 0 && number <= 10) return number;
    const message = `expected a margin above 0, written 0.15 or "15%", got ${JSON.stringify(value)}`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  })
  .describe('margin, above 0 up to 1000%');

const MOST_TOKENS = 1_000;

/** A number of tokens, from 0. */
export const tokens = z.number().int().min(0).max(MOST_TOKENS).describe(`whole number of tokens up to ${MOST_TOKENS}`);
