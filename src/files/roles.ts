import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { AppError, errorMessage } from '../core/errors.ts';
import { parseRoles } from '../core/roles/roles.ts';
import type { Roles } from '../core/roles/roles.ts';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const ROOT = 0;
const OTHERS_WRITE = 0o022;
const LARGEST_BYTES = 65_536;

/**
 * Reads who may do what (YAML 1.2). Without a file these are `defaults`. Throws AppError: `conflict` if another user could
 * have written the file, `invalid` if it is wrong.
 */
export function readRoles(path: string, defaults: Roles): Roles {
  const text = readTrusted(path);
  if (text === null) return defaults;
  const roles = parseText(text, defaults);
  if (!Array.isArray(roles)) return roles;
  throw new AppError('invalid', `${path}: ${roles.join('; ')}`, {
    hint: 'docs/approvals.md shows such a file. Without one, the daemon’s user and root may do everything',
  });
}

function parseText(text: string, defaults: Roles): Roles | string[] {
  const document = parseDocument(text, { prettyErrors: false, version: '1.2', stringKeys: true });
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) return problems.map(({ message }) => `not valid YAML: ${message}`);
  try {
    return parseRoles(document.toJS({ maxAliasCount: 0 }), defaults);
  } catch (error) {
    return [errorMessage(error)];
  }
}

/** The text of a file that only the daemon's user or root can write; null if there is none. */
function readTrusted(path: string): string | null {
  const file = openOrNull(path);
  if (file === null) return null;
  try {
    const stat = fstatSync(file);
    const { uid, mode, size } = stat;
    const me = process.geteuid?.() ?? uid;
    if (!stat.isFile()) throw untrusted(path, 'it is not a regular file');
    if (uid !== me && uid !== ROOT) throw untrusted(path, `it belongs to user ${uid}`);
    if ((mode & OTHERS_WRITE) !== 0) throw untrusted(path, 'others than its owner may write it');
    if (size > LARGEST_BYTES) throw new AppError('invalid', `${path} has more than ${LARGEST_BYTES} bytes`);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function openOrNull(path: string): number | null {
  try {
    return openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return null;
    if (code === 'ELOOP') throw untrusted(path, 'it is a symbolic link');
    throw new AppError('invalid', `cannot read ${path}`, { cause: error });
  }
}

function untrusted(path: string, why: string): AppError {
  return new AppError('conflict', `${path} cannot be trusted: ${why}`, {
    hint: 'it says who may approve, so only the daemon’s user or root may write it: chown it and chmod 600',
  });
}
