import { causeMeaning } from '../../core/cause.ts';
import type { Cause } from '../../core/cause.ts';
import { entry } from './page.ts';
import type { Page } from './page.ts';

/** What a person can do about a cause, without the quotes of a document; null if it passes by itself. */
export function answerText(cause: Cause): string | null {
  return causeMeaning(cause).answer?.replaceAll('`', '') ?? null;
}

/** Causes that are no trouble, or that have a question or a command of their own beside them. */
const QUIET: ReadonlySet<Cause> = new Set([
  'demand',
  'cooldown',
  'approval',
  'evidence',
  'operator',
  'frozen',
  'request',
]);

/** A line that says what a person can do, also if that is nothing; none if there is no trouble. */
export function answerLines(cause: Cause | undefined, page: Pick<Page, 'width' | 'paint'>): string[] {
  if (cause === undefined || QUIET.has(cause)) return [];
  return entry('to do', [answerText(cause) ?? 'nothing: it goes on by itself'], page);
}
