/** Some rows of a table, and where the next page begins. */
export interface Page {
  /** The next page begins after this time, epoch µs; null after the last page. */
  readonly next: number | null;
}

/** Reads page after page. `afterUs`: the first page begins after this time, epoch µs. */
export function* pagesOf<P extends Page>(afterUs: number, read: (afterUs: number) => P): Generator<P> {
  for (let after: number | null = afterUs; after !== null;) {
    const page: P = read(after);
    yield page;
    after = page.next;
  }
}

/**
 * Makes a page of at most `most` rows that were read in the order of time, which is their first column, epoch µs. A page
 * that is full ends before its last moment, because a row of another gateway with the same time may follow.
 */
export function cutPage<Row extends readonly (number | null)[]>(
  rows: readonly Row[],
  most: number,
): Page & { readonly rows: readonly Row[] } {
  if (rows.length < most) return { rows, next: null };
  const last = rows.at(-1)?.[0];
  const end = rows.findLastIndex(([timeUs]) => timeUs !== last) + 1;
  return { rows: rows.slice(0, end), next: rows[end - 1]?.[0] as number };
}
