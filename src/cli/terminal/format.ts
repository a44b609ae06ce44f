/** A whole number with its thousands apart: `2 113`. */
export function numberText(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ' ');
}

/** A share 0..1 as percent: `24.7 %`. */
export function percentText(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)} %`;
}

/** A weight 0..1 as percent without needless digits: `25`, `2.5`. */
export function weightText(weight: number): string {
  return String(Math.round(weight * 1_000) / 10);
}

/** Milliseconds for people: `310 ms`, `1.9 s`, `95 s`; a dash for none. */
export function latencyText(ms: number | null): string {
  if (ms === null) return '-';
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${numberText(ms / 1_000)} s`;
}

/** A share as a bar of so many characters. */
export function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

/** A time since a beginning, in whole minutes or seconds, so that no two read the same: `105 min`, `90 s`. */
export function offsetText(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return seconds > 0 && seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

/** A time as `03:33:44Z`. */
export function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(11, 19)}Z`;
}

/** A time as `2026-11-24 03:33:44Z`. */
export function dateText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

/** One thing or several: `1 call`, `2 113 calls`. */
export function countText(count: number, thing: string): string {
  return `${numberText(count)} ${thing}${count === 1 ? '' : 's'}`;
}
