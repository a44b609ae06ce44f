import { chmodSync, lstatSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { giveToGroup, groupOf } from '../group.ts';
import type { Group } from '../group.ts';
import { copiesPath, fileCode, openPath, realPath, wordsPath } from '../ownership.ts';

/** Of the folder of words: only the daemon's user enters it, or the members of a group may put words into it. */
const MODE = { alone: 0o700, group: 0o3730 } as const;
/** Of the folder of what is published: members of the group may read it. */
const PUBLISHED_MODE = 0o2750;
/** Of the folder of copies: members of the group may open what they know the name of, and list nothing. */
const COPIES_MODE = 0o2710;

const GROUP_PASSES = 0o010;
const OTHERS_PASS = 0o001;

/**
 * Makes the folder of words. `group`: its members may speak, too, and read what is asked and answered; null: nobody else.
 * Throws AppError `invalid` if there is no such group, or if the daemon's user is not a member.
 */
export function makeFolders(dbPath: string, group: string | null): void {
  const given = group === null ? null : groupOf(group);
  makeFolder(wordsPath(dbPath), given === null ? MODE.alone : MODE.group, given);
  const shared = [
    [openPath(dbPath), PUBLISHED_MODE],
    [copiesPath(dbPath), COPIES_MODE],
  ] as const;
  for (const [folder, mode] of shared) {
    if (given === null) rmSync(folder, { recursive: true, force: true });
    else makeFolder(folder, mode, given);
  }
}

function makeFolder(folder: string, mode: number, group: Group | null): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (fileCode(error) !== 'EEXIST') throw error;
  }
  // What is none is refused with all that belongs to the ledger.
  if (!lstatSync(folder).isDirectory()) return;
  if (group === null) chmodSync(folder, mode);
  else giveToGroup(folder, group, mode);
}

/** The folders above a ledger that members of its group of speakers cannot pass, each with what to type. */
export function closedFolders(dbPath: string): string[] {
  const { gid } = statSync(wordsPath(dbPath));
  const closed: string[] = [];
  for (let folder = dirname(realPath(dbPath)); ; folder = dirname(folder)) {
    const stat = statSync(folder);
    const isOpen = (stat.mode & (stat.gid === gid ? GROUP_PASSES : OTHERS_PASS)) !== 0;
    const who = stat.gid === gid ? 'g' : 'o';
    if (!isOpen) closed.unshift(`members of the group cannot pass ${folder}: chmod ${who}+x ${folder}`);
    if (folder === dirname(folder)) return closed;
  }
}
