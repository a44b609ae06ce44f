import { constants, lstatSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;

/** Opens a file to add to it; nobody's link is followed. */
export const APPEND = O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW;

const WRITABLE_BY_OTHERS = 0o022;
/** In such a folder only the owner of a file may remove or rename it. */
const STICKY = 0o1000;

/**
 * Makes the folder of a file, for this user alone. Throws if another user could read, change or replace the file,
 * because it tells which agent called which model, and what it says is reported to the gateway.
 */
export function prepareOwnFile(path: string): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const me = process.geteuid?.();
  if (me === undefined) return;
  const { uid, mode } = lstatSync(folder);
  const isSafe = (mode & WRITABLE_BY_OTHERS) === 0 || (mode & STICKY) !== 0;
  if ((uid !== me && uid !== 0) || !isSafe) throw new Error(`${folder} is not this user's own`);
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined) return;
  if (!file.isFile() || file.uid !== me || file.nlink > 1) throw new Error(`${path} is not this user's own`);
}
