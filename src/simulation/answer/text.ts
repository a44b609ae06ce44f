import { seededDice } from '../dice.ts';
import { chance } from './chance.ts';

const WORDS =
  'agent plan task figure cost hour step limit queue model answer order report table price call result budget change ' +
  'load the a this each first next last open safe slow large small new other is was has needs keeps takes gives shows ' +
  'starts ends waits grows falls and but so then because while before after with from about over again today soon';

/** The longest text, so that the simulation stays cheap. Characters. */
const LONGEST = 2_000;
const SOURCE = writeSource(3 * LONGEST);

/** Sentences without a quote, a backslash or a pattern that repeats. */
function writeSource(length: number): string {
  const dice = seededDice(20_261_201);
  const words = WORDS.split(' ');
  let text = '';
  while (text.length < length) {
    const sentence = Array.from({ length: 6 + Math.floor(dice.next() * 9) }, () => {
      return words[Math.floor(dice.next() * words.length)] ?? 'the';
    }).join(' ');
    text += `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}. `;
  }
  return text.slice(0, length);
}

/** A text of about so many tokens, four characters each, at least 1 and at most 2,000 characters long. */
export function writeText(seed: number, tokens: number): string {
  const length = Math.min(LONGEST, Math.max(1, Math.round(tokens * 4)));
  const from = Math.floor(chance(seed, 'text') * (SOURCE.length - LONGEST));
  return SOURCE.slice(from, from + length);
}

/** Two texts, joined: the first up to this share (0..1) of its length, then the second. */
export function joinTexts(first: string, second: string, share: number): string {
  const at = Math.floor(first.length * share);
  return first.slice(0, at) + second.slice(at, first.length);
}
