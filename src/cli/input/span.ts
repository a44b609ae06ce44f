import { AppError } from '../../core/errors.ts';
import { DAY_MS } from '../../core/time.ts';

/** Milliseconds of a span such as `30s`, `1.5m` or `2h`; null where it is none. */
export function parseSpan(text: string): number | null {
  const span = /^(\d+(?:\.\d+)?)\s*(s|m|h|d)$/.exec(text.trim());
  const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  return span === null ? null : Number(span[1]) * (units[span[2] ?? ''] ?? 0);
}

/** A time as epoch ms: ISO 8601, or a span before now. Throws AppError `invalid`. */
export function parseSince(text: string, now: number): number {
  const span = parseSpan(text);
  if (span !== null) return now - span;
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new AppError('invalid', `--since "${text}" is neither a span nor a time`, {
    hint: 'expected a span such as 30m or 2h, or a time such as 2026-11-24T12:00:00Z',
  });
}

/** The same, if it is at most so many days before now. Throws AppError `invalid`. */
export function parseSinceWithin(text: string, now: number, days: number): number {
  const since = parseSince(text, now);
  if (since < now && now - since <= days * DAY_MS) return since;
  throw new AppError('invalid', `--since ${text} is out of range`, {
    hint: `expected a past time, ${days}d ago at most`,
  });
}
