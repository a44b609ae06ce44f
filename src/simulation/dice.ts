import type { Dice } from '../core/dice.ts';

/** A source of random numbers; the same seed gives the same numbers (a 32-bit multiply-and-xor-shift generator). */
export function seededDice(seed: number): Dice {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000;
  }
  function jitter(sigma: number): number {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    return Math.exp(sigma * radius * Math.cos(2 * Math.PI * next()));
  }
  return { next, jitter };
}
