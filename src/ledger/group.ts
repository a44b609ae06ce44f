import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync } from 'node:fs';
import { AppError } from '../core/errors.ts';

/** A group of the operating system. */
export interface Group {
  readonly name: string;
  readonly id: number;
}

/** The group with a name. Throws AppError `invalid` if there is none. */
export function groupOf(name: string): Group {
  try {
    const options = { stdio: ['ignore', 'pipe', 'ignore'] as ('ignore' | 'pipe')[], timeout: 5_000 };
    const line = execFileSync('getent', ['group', '--', name], options).toString();
    const id = Number(line.split(':')[2]);
    if (Number.isInteger(id)) return { name, id };
  } catch {
    // Said below.
  }
  throw new AppError('invalid', `there is no group ${name}`, { hint: 'name one that `getent group` lists' });
}

/** Gives a file or folder of this user to a group, with the rights that its members then have. Throws AppError `invalid`. */
export function giveToGroup(path: string, group: Group, mode: number): void {
  try {
    chownSync(path, process.geteuid?.() ?? 0, group.id);
    chmodSync(path, mode);
  } catch (error) {
    throw new AppError('invalid', `${path} cannot be given to the group ${group.name}`, {
      hint: 'only a member of a group, and root, can give a file to it: add this user to the group',
      cause: error,
    });
  }
}
