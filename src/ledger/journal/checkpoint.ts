import { createHash, createPublicKey } from 'node:crypto';
import { AppError } from '../../core/errors.ts';
import type { LedgerDb } from '../database.ts';
import { readLedgerId } from '../ledger-id.ts';
import { isSignedBy } from './key.ts';
import type { LedgerKey } from './key.ts';
import { lastSeal } from './seals.ts';

/** What a checkpoint states: that a ledger had so many seals, and the hash of the newest, as hex. */
export interface Checkpoint {
  /** Name of the ledger: `upshift/` and its id. */
  readonly origin: string;
  readonly seals: number;
  readonly hash: string;
}

/** What a checkpoint of a ledger says now; null if it has no seal yet. */
export function checkpointOf(db: LedgerDb): Checkpoint | null {
  const last = lastSeal(db);
  return last === null ? null : { origin: originOf(db), seals: last.id, hash: last.hash };
}

/** The name of a ledger in its checkpoints. */
export function originOf(db: LedgerDb): string {
  return `upshift/${readLedgerId(db)}`;
}

/** The type of Ed25519 signatures in a signed note. */
const ED25519 = 1;
const KEY_ID_BYTES = 4;

/**
 * Writes a checkpoint as a signed note (C2SP, signed-note and tlog-checkpoint): three lines of text, an empty line, and
 * a line with the signature.
 */
export function writeCheckpoint({ origin, seals, hash }: Checkpoint, { sign, publicKey }: LedgerKey): string {
  const text = `${origin}\n${seals}\n${Buffer.from(hash, 'hex').toString('base64')}\n`;
  const signature = Buffer.concat([keyId(origin, publicKey), Buffer.from(sign(text), 'base64')]);
  return `${text}\n\u2014 ${origin} ${signature.toString('base64')}\n`;
}

const NOTE = /((upshift\/[0-9a-f]+)\n(\d+)\n([A-Za-z0-9+/]+=*)\n)\n\u2014 \S+ ([A-Za-z0-9+/]+=*)(?:\n|$)/y;

/**
 * Reads one or more checkpoints, in their order, with empty lines between them. `publicKey`: PEM; null: signatures are
 * not checked. Throws AppError `invalid` if there is none, if there is anything else, or if the key did not sign one.
 */
export function readCheckpoints(notes: string, publicKey: string | null): Checkpoint[] {
  const found: Checkpoint[] = [];
  for (let at = 0; at < notes.length || found.length === 0;) {
    NOTE.lastIndex = at;
    const match = NOTE.exec(notes);
    if (match === null) {
      const which = found.length === 0 ? 'this is no checkpoint' : `what follows checkpoint ${found.length} is none`;
      throw new AppError('invalid', `${which} of upshift`, {
        hint: 'expected the output of `upshift audit checkpoint` or the file of daily checkpoints, unchanged',
      });
    }
    found.push(readNote(match, publicKey));
    for (at = NOTE.lastIndex; notes[at] === '\n';) at++;
  }
  return found;
}

function readNote(match: RegExpExecArray, publicKey: string | null): Checkpoint {
  const [, text = '', origin = '', seals, hash = '', signature = ''] = match;
  const signed = Buffer.from(signature, 'base64');
  if (publicKey !== null) {
    const isThisKey = signed.subarray(0, KEY_ID_BYTES).equals(keyId(origin, publicKey));
    if (!isThisKey || !isSignedBy(publicKey, text, signed.subarray(KEY_ID_BYTES).toString('base64'))) {
      throw new AppError('invalid', `the checkpoint of ${seals} seals was not signed with this key`, {
        hint: 'use the key that was kept when the checkpoint was made, and the checkpoint as it was written',
      });
    }
  }
  return { origin, seals: Number(seals), hash: Buffer.from(hash, 'base64').toString('hex') };
}

/** The first bytes of SHA-256 over the name, a line end, the type and the key: C2SP, signed-note. */
function keyId(name: string, publicKey: string): Buffer {
  const { x = '' } = createPublicKey(publicKey).export({ format: 'jwk' });
  const raw = Buffer.from(x, 'base64url');
  return createHash('sha256')
    .update(Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([ED25519]), raw]))
    .digest()
    .subarray(0, KEY_ID_BYTES);
}
