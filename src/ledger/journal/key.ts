import { createPrivateKey, createPublicKey, generateKeyPairSync, sign as signBytes, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { AppError } from '../../core/errors.ts';
import { realPath } from '../ownership.ts';
import type { Sign } from './seals.ts';

const OTHERS = 0o077;

/** The key with which a daemon signs what it seals (Ed25519, RFC 8032). */
export interface LedgerKey {
  readonly sign: Sign;
  /** The public half, as PEM: with it everybody can check the signatures. */
  readonly publicKey: string;
}

/** Where a ledger's key is: beside it. */
export function keyPathOf(dbPath: string): string {
  return `${realPath(dbPath)}.key`;
}

/**
 * Opens a key, and makes it if there is none. Throws AppError `invalid` if the file is no private Ed25519 key, and
 * `conflict` if others than its owner may read it.
 */
export function openKey(path: string): LedgerKey {
  if (!existsSync(path)) makeKey(path);
  const stat = lstatSync(path);
  const me = process.geteuid?.() ?? stat.uid;
  if (!stat.isFile() || stat.uid !== me || (stat.mode & OTHERS) !== 0) {
    throw new AppError('conflict', `the key ${path} cannot be trusted: others than user ${me} may use it`, {
      hint: `make it this user's own: chown ${me} and chmod 600. If others may have read it, make a new ledger`,
    });
  }
  const key = readKey(path, createPrivateKey);
  return {
    sign: (text) => signBytes(null, Buffer.from(text), key).toString('base64'),
    publicKey: createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** The public key in a file, which may hold the private one too, as PEM. Throws AppError `invalid` if it holds none. */
export function readPublicKey(path: string): string {
  return readKey(path, createPublicKey).export({ type: 'spki', format: 'pem' }).toString();
}

/** Whether a signature, base64, is that of a text under a public key, PEM. */
export function isSignedBy(publicKey: string, text: string, signature: string): boolean {
  try {
    return verify(null, Buffer.from(text), publicKey, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}

function makeKey(path: string): void {
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
}

function readKey(path: string, read: (pem: Buffer) => KeyObject): KeyObject {
  let key: KeyObject | null = null;
  try {
    key = read(readFileSync(path));
  } catch (cause) {
    throw notAKey(path, cause);
  }
  if (key.asymmetricKeyType !== 'ed25519') throw notAKey(path, undefined);
  return key;
}

function notAKey(path: string, cause: unknown): AppError {
  return new AppError('invalid', `${path} holds no Ed25519 key in PEM form`, {
    hint: 'name the file that upshift made, or the public key that you kept of it',
    cause,
  });
}
