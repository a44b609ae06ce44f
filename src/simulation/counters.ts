/** Counts the answers of each part by status; status 0 is a connection that was cut or left hanging. */
export interface Counters {
  add(upstream: string, status: number): void;
  of(upstream: string, status: number): number;
  snapshot(): Record<string, Record<string, number>>;
}

export function createCounters(): Counters {
  const counts = new Map<string, Map<number, number>>();
  return {
    add(upstream, status) {
      const row = counts.get(upstream) ?? new Map<number, number>();
      if (row.size === 0) counts.set(upstream, row);
      row.set(status, (row.get(status) ?? 0) + 1);
    },
    of: (upstream, status) => counts.get(upstream)?.get(status) ?? 0,
    snapshot() {
      return Object.fromEntries([...counts].map(([upstream, row]) => [upstream, Object.fromEntries(row)]));
    },
  };
}
