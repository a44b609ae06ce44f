import type { Canary, Role } from '../route.ts';

/**
 * A number in [0, 1) for a unit of assignment, the same whenever and wherever it is drawn: MurmurHash3 (x86, 32 bit,
 * public domain) over the salt's characters and then the unit's, a whole number going in as its low and high 32 bits.
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

/** What a call is assigned by: itself, or its agent for a block of clock time. */
export function unitOf(
  canary: Pick<Canary, 'affinity' | 'blockMs'>,
  arrivedAtUs: number,
  agent: string,
): string | number {
  if (canary.affinity === 'call') return arrivedAtUs;
  return `${Math.floor(arrivedAtUs / 1000 / canary.blockMs)}:${agent}`;
}

/**
 * The role of an eligible call. No dice: the audit can draw again. Raising the weight only ever moves units from stable
 * to canary, never the other way.
 */
export function assign(
  canary: Pick<Canary, 'rolloutId' | 'weight' | 'affinity' | 'blockMs'>,
  arrivedAtUs: number,
  agent: string,
): Role {
  return draw(canary.rolloutId, unitOf(canary, arrivedAtUs, agent)) < canary.weight ? 'canary' : 'stable';
}

/**
 * Whether a call is chosen to be copied in the shadow stage: each call by itself, and, by another salt, independently of
 * the role that the same call would have in a step.
 */
export function isShadowed(rolloutId: string, share: number, arrivedAtUs: number): boolean {
  return draw(`${rolloutId}/shadow`, arrivedAtUs) < share;
}

/** What is left for the other role, in whole ten-thousandths as the ledger keeps weights. */
export function otherShare(weight: number): number {
  return Math.round((1 - weight) * 10_000) / 10_000;
}
