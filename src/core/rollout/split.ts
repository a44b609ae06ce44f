import type { Canary, Role } from '../route.ts';

/**
 * A number in [0, 1) for a unit of assignment. The same salt and unit always give the same number. It is MurmurHash3
 * (x86, 32 bit, public domain) over the characters of the salt and then of the unit. If the unit is a whole number, its
 * low and high 32 bits are hashed.
 */
export function draw(salt: string, unit: string | number): number {
  let hash = absorbText(0, salt);
  hash =
    typeof unit === 'number'
      ? absorb(absorb(hash, unit | 0), Math.floor(unit / 0x1_0000_0000))
      : absorbText(absorb(hash, unit.length), unit);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return (hash >>> 0) / 0x1_0000_0000;
}

function absorbText(seed: number, text: string): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = absorb(hash, text.charCodeAt(i));
  return hash;
}

function absorb(hash: number, word: number): number {
  const scrambled = Math.imul(word, 0xcc9e2d51);
  const mixed = hash ^ Math.imul((scrambled << 15) | (scrambled >>> 17), 0x1b873593);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

/** The unit by which a call is assigned: its arrival (µs), or its agent within a block of clock time. */
export function unitOf(
  canary: Pick<Canary, 'affinity' | 'blockMs'>,
  arrivedAtUs: number,
  agent: string,
): string | number {
  if (canary.affinity === 'call') return arrivedAtUs;
  return `${Math.floor(arrivedAtUs / 1000 / canary.blockMs)}:${agent}`;
}

/**
 * The role of an eligible call. No random number is used, so the audit can compute the role again. A higher weight
 * moves units only from stable to canary, never from canary to stable.
 */
export function assign(
  canary: Pick<Canary, 'rolloutId' | 'weight' | 'affinity' | 'blockMs'>,
  arrivedAtUs: number,
  agent: string,
): Role {
  return draw(canary.rolloutId, unitOf(canary, arrivedAtUs, agent)) < canary.weight ? 'canary' : 'stable';
}

/**
 * Whether a call is chosen to be copied in the shadow stage. Each call is chosen separately. The salt differs from that
 * of `assign`, so that the choice is independent of the role that the same call would have in a step.
 */
export function isShadowed(rolloutId: string, share: number, arrivedAtUs: number): boolean {
  return draw(`${rolloutId}/shadow`, arrivedAtUs) < share;
}

/** The other role's share (0..1), rounded to whole ten-thousandths as the ledger stores weights. */
export function otherShare(weight: number): number {
  return Math.round((1 - weight) * 10_000) / 10_000;
}
