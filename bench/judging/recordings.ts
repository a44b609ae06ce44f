import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** A call as somebody recorded it at a real server. Times in ms. */
export interface RecordedCall {
  readonly promptTokens: number;
  readonly outputTokens: number | null;
  readonly latencyMs: number;
  readonly firstTokenMs: number | null;
  readonly end: 'ok' | 'refused' | 'failed';
}

/** Two recordings of equal worth: calls of one in the order in which they were made, by key where both have one. */
export interface Recording {
  readonly calls: readonly RecordedCall[];
  /** The same key in another recording of the same file: the same question. */
  readonly keys: readonly string[];
}

/** Reads the recordings of a gzipped file in the format of the project's traces; a map from `backend run`. */
export function readRecordings(folder: string, file: string): ReadonlyMap<string, Recording> {
  const [head = '', ...lines] = gunzipSync(readFileSync(join(folder, file)))
    .toString('utf8')
    .trim()
    .split('\n');
  const columns = head.trim().split(',');
  const found = new Map<string, { calls: RecordedCall[]; keys: string[] }>();
  for (const line of lines) {
    const cells = line.trim().split(',');
    const row = Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? ''])) as Record<Column, string>;
    const name = `${row.backend} ${row.run.replace(/@.*/, '')}`;
    const recording = found.get(name) ?? { calls: [], keys: [] };
    found.set(name, recording);
    recording.calls.push(callOf(row));
    recording.keys.push(row.pair_key);
  }
  return found;
}

type Column = 'prompt_tokens' | 'output_tokens' | 'latency_ms' | 'ttft_ms' | 'status' | 'backend' | 'run' | 'pair_key';

function callOf(row: Record<Column, string>): RecordedCall {
  return {
    promptTokens: numberOf(row.prompt_tokens) ?? 1,
    outputTokens: numberOf(row.output_tokens),
    latencyMs: numberOf(row.latency_ms) ?? 50,
    firstTokenMs: numberOf(row.ttft_ms),
    end: row.status === '429' ? 'refused' : row.status === '-1' ? 'failed' : 'ok',
  };
}

function numberOf(cell: string): number | null {
  return cell === '' ? null : Number(cell);
}

/** Those of both whose keys match, in the first one's order; null where the recordings have no keys. */
export function match(a: Recording, b: Recording): readonly [Recording, Recording] | null {
  const at = new Map(b.keys.map((key, i) => [key, i]));
  const rows = a.keys.flatMap((key, i) => {
    const other = key === '' ? undefined : at.get(key);
    return other === undefined ? [] : [[i, other] as const];
  });
  if (rows.length === 0) return null;
  const pick = ({ calls, keys }: Recording, side: 0 | 1): Recording => ({
    calls: rows.map((row) => calls[row[side]] as RecordedCall),
    keys: rows.map((row) => keys[row[side]] as string),
  });
  return [pick(a, 0), pick(b, 1)];
}
