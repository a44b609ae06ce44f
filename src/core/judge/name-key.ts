const START = 0x811c9dc5;
const FACTOR = 0x01000193;

/**
 * A number that stands for the name of a provider or an agent, the same wherever it is computed (FNV-1a, 32 bits), because pairs are read from
 * the ledger as numbers.
 */
export function nameKey(name: string): number {
  let hash = START;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), FACTOR) >>> 0;
  return hash;
}
