import { createHash } from 'node:crypto';

/** The columns of a decision that the hash chain covers: all but the hash itself. */
export interface DecisionColumns {
  readonly id: number;
  readonly at: number;
  readonly model: string;
  readonly rolloutId: string | null;
  readonly coreVersion: number;
  readonly policyHash: string | null;
  readonly parsedHash: string | null;
  readonly action: string;
  readonly reason: string;
  readonly ticks: number;
  readonly input: string;
  readonly output: string;
}

/** The previous hash of the first decision. */
export const CHAIN_START = '';

/** SHA-256, as hex, over the hash of the row before and a canonical encoding of every column: a JSON array. */
export function chainHash(previous: string, row: DecisionColumns): string {
  const { id, at, model, rolloutId, coreVersion, policyHash, parsedHash, action, reason, ticks, input, output } = row;
  return sha256(
    JSON.stringify([
      previous,
      id,
      at,
      model,
      rolloutId,
      coreVersion,
      policyHash,
      parsedHash,
      action,
      reason,
      ticks,
      input,
      output,
    ]),
  );
}

/** SHA-256 of a text's UTF-8 bytes, as hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
