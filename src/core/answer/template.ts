import type { Json } from './output.ts';

/** The keys whose text may change from one event to the next without changing anything else. */
const TEXTS: readonly string[] = ['content', 'reasoning_content', 'reasoning', 'text'];

/**
 * Recognises an event that differs from an earlier one by its text alone, at a small part of what parsing it costs. A
 * stream consists of hundreds of them. The bytes before and after the text are the same and the text contains neither a
 * quote nor a backslash, so that the JSON is the same except for that one string.
 */
export class DeltaTemplate {
  #before = '';
  #after = '';

  /** Whether the data line has the same parts as the learned one. */
  fits(line: string): boolean {
    const before = this.#before;
    if (before === '' || !line.startsWith(before)) return false;
    const from = before.length;
    const quote = line.indexOf('"', from);
    if (quote < 0 || line.length - quote !== this.#after.length || !line.endsWith(this.#after)) return false;
    const backslash = line.indexOf('\\', from);
    return backslash < 0 || backslash > quote;
  }

  /** Learns from a data line that is one choice's delta without a finish reason: `delta` within `event`. */
  learn(line: string, event: Json, delta: Json): void {
    if ('usage' in event && event.usage !== null) return;
    for (const key of TEXTS) {
      const text = delta[key];
      if (typeof text !== 'string' || text === '' || text.includes('"') || text.includes('\\')) continue;
      for (const colon of ['":"', '": "']) {
        const needle = `"${key}${colon}${text}"`;
        const at = line.indexOf(needle);
        if (at < 0 || line.indexOf(needle, at + 1) >= 0) continue;
        const end = at + needle.length - 1;
        this.#before = line.slice(0, end - text.length);
        this.#after = line.slice(end);
        return;
      }
    }
  }
}
