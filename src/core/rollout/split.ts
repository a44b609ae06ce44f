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

/** How long an agent keeps its side under `affinity: agent`, clock ms. */
export const AGENT_BLOCK_MS = 600_000;

/** What tells the unit of a call. `session`: the keyed hash of its conversation; null if it has none. */
interface Unitary {
  readonly arrivedAtUs: number;
  readonly agent: string;
  readonly session: number | null;
}

/**
 * The unit by which a call is assigned, if several calls may share it: its agent within a block of clock time, or its
 * conversation. Null if it is assigned by itself. It is a whole number below 2^53, as the ledger stores it.
 */
export function unitOf(
  { affinity, blockMs }: Pick<Canary, 'affinity' | 'blockMs'>,
  { arrivedAtUs, agent, session }: Unitary,
): number | null {
  if (affinity === 'call') return null;
  if (affinity === 'session') return session;
  const block = `${Math.floor(arrivedAtUs / 1_000 / blockMs)}`;
  // Two draws of 32 and 21 bits.
  return draw(block, agent) * 2 ** 53 + Math.floor(draw(`${block}/`, agent) * 2 ** 21);
}

/**
 * The role of an eligible call. No random number is used, so the role can be computed again from the ledger. A higher weight
 * moves units only from stable to canary, never from canary to stable.
 */
export function assign(
  { rolloutId, weight }: Pick<Canary, 'rolloutId' | 'weight'>,
  arrivedAtUs: number,
  unit: number | null,
): Role {
  return draw(rolloutId, unit ?? arrivedAtUs) < weight ? 'canary' : 'stable';
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
