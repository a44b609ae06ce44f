import { crc32 } from 'node:zlib';

/** A number in [0, 1) that depends on the seed and the word alone. Other words give independent numbers. */
export function chance(seed: number, word: string): number {
  let mixed = crc32(word, seed);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
}

/** A seed for a part of what a seed stands for. */
export function seedFor(seed: number, part: string): number {
  return crc32(part, seed);
}

/** A factor around 1, log-normal with median 1, that depends on the seed alone. `sigma`: spread of its logarithm. */
export function jitterOf(seed: number, sigma: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - chance(seed, 'radius')));
  return Math.exp(sigma * radius * Math.cos(2 * Math.PI * chance(seed, 'angle')));
}
