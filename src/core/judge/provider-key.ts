const START = 0x811c9dc5;
const FACTOR = 0x01000193;

/**
 * A number that stands for a provider's name, the same wherever it is computed (FNV-1a, 32 bits), because pairs are read from
 * the ledger as numbers.
 */
export function providerKey(name: string): number {
  let hash = START;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), FACTOR) >>> 0;
  return hash;
}
