import type { AskedTexts } from '../../core/form/asked.ts';
import type { AskPlaces } from '../request/scan.ts';

/** The parts of a request's body that say which form its answer shall have. */
export function askedTexts(body: Buffer, places: AskPlaces): AskedTexts {
  const { toolsStart, toolsEnd, choiceStart, choiceEnd, formatStart, formatEnd, formatKey, isGreedy } = places;
  const format = textAt(body, formatStart, formatEnd);
  return {
    tools: textAt(body, toolsStart, toolsEnd),
    choice: textAt(body, choiceStart, choiceEnd),
    format: format === null ? null : [formatKey, format],
    isGreedy,
    isNamed: (text) => body.includes(text) || body.includes(escaped(text)),
  };
}

function textAt(body: Buffer, start: number, end: number): string | null {
  return start < 0 ? null : body.toString('utf8', start, end);
}

/** As some programs write it in JSON, so that it can stand in a page: Go's library for one. */
function escaped(text: string): string {
  return text.replaceAll('<', '\\u003c').replaceAll('>', '\\u003e');
}
