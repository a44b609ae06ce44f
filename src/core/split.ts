import type { Canary, Role } from './route.ts';

/**
 * A number in [0, 1) for a unit of assignment, the same whenever and wherever it is drawn: FNV-1a over the text
 * `salt:unit`, then the 32-bit finalizer of MurmurHash3 (public domain) so that neighbouring units fall far apart.
 */
export function draw(salt: string, unit: string | number): number {
  let hash = 0x811c9dc5;
  hash = absorb(hash, salt);
  hash = Math.imul(hash ^ 58, 0x01000193);
  hash = absorb(hash, typeof unit === 'number' ? String(unit) : unit);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return (hash >>> 0) / 0x1_0000_0000;
}

function absorb(seed: number, text: string): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
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
