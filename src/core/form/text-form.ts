/** Characters at the end that are looked at for repetition. */
const TAIL = 1_024;
/** So many characters at the end must repeat what stands before them. */
const REPEATED = 512;
/** How often at least a piece must stand there. */
const TIMES = 4;
const PROBE = 16;
/** Places where the last characters stand once more, at most so many are tried. */
const MOST_PLACES = 16;

/** Replacement characters, controls that no text has, and what is no character. */
const NO_TEXT = /[\u0000-\u0008\u000e-\u001a\u001c-\u001f\u007f-\u009f\ufffd-\uffff]/;

/** Whether a text holds characters that no writer means: replacement characters, controls, halves of pairs. */
export function isGarbled(text: string): boolean {
  return NO_TEXT.test(text) || !text.isWellFormed();
}

/**
 * Whether the end of a text repeats itself: its last 512 characters are one piece four times or more. Lines of one
 * character, as rules and empty tables have them, are shorter.
 */
export function isRepeating(text: string): boolean {
  if (text.length < REPEATED) return false;
  const tail = text.slice(-TAIL);
  const probe = tail.slice(-PROBE);
  let place = tail.length - PROBE;
  for (let n = 0; n < MOST_PLACES && place > 0; n++) {
    place = tail.lastIndexOf(probe, place - 1);
    const period = tail.length - PROBE - place;
    if (place < 0 || period * TIMES > REPEATED) return false;
    if (hasPeriod(tail, period)) return true;
  }
  return false;
}

function hasPeriod(tail: string, period: number): boolean {
  const from = Math.max(period, tail.length - REPEATED + period);
  for (let at = tail.length - 1; at >= from; at--) {
    if (tail.charCodeAt(at) !== tail.charCodeAt(at - period)) return false;
  }
  return true;
}

/** Whether a text holds reasoning that the engine did not take out of it. */
export function hasThought(text: string): boolean {
  return /^\s*<think(?:ing)?>/.test(text) || text.includes('</think>');
}
