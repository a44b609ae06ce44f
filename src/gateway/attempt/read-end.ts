import { NO_USAGE, usageOf } from '../../core/answer/output.ts';
import type { WholeAnswer } from '../../core/answer/whole.ts';
import { skipSpace, skipValue } from '../../core/json-scan.ts';

/** What the end of a large answer shows: whether it ends as JSON does, and the usage if that stands there. */
export function readEnd(text: string): WholeAnswer {
  const end = text.trimEnd();
  if (!end.endsWith('}') && !end.endsWith(']'))
    return { outcome: 'incomplete_answer', hasOutput: true, usage: NO_USAGE };
  const key = end.lastIndexOf('"usage"');
  const colon = key < 0 ? -1 : skipSpace(end, key + 7);
  const start = skipSpace(end, colon + 1);
  const found = colon < 0 || end[colon] !== ':' ? undefined : parsed(end.slice(start, skipValue(end, start)));
  return { outcome: 'ok', hasOutput: true, usage: usageOf({ usage: found }) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
