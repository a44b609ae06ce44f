import { closeSync, constants, fstatSync, openSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Result } from '../../core/decide/decision.ts';
import { AppError, errorMessage } from '../../core/errors.ts';
import type { OpenAsk } from '../journal/asks.ts';
import type { RolloutRow } from '../journal/rows.ts';
import { fileCode, openPath, replacePrivate } from '../ownership.ts';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/** What members of the group may know of a ledger that they may not read. */
export interface Published {
  /** Process id of the daemon. */
  readonly pid: number;
  /** The rollouts that are not over. */
  readonly rollouts: readonly Pick<RolloutRow, 'id' | 'model' | 'phase' | 'toward'>[];
  readonly asks: readonly (OpenAsk & { readonly model: string })[];
  /** Whether anybody but the daemon's user and root has the role `read`. */
  readonly hasReaders: boolean;
}

/** What became of a word. */
export interface Reply {
  /** Number of the request; null if the word is none. */
  readonly request: number | null;
  readonly result: Result;
  readonly message: string;
}

const END = '.json';
const QUESTIONS = `open${END}`;
/** So many replies are kept; of more the oldest are removed. */
const MOST_REPLIES = 1_000;

/** Writes what members of the group may read. A failure is kept for `takeNote`, because nothing else must wait for it. */
export class Publisher {
  readonly #folder: string;
  #replies: string[];
  #last = '';
  #note: string | null = null;
  #isFailing = false;

  /** Null if the ledger has no such group. */
  static open(dbPath: string): Publisher | null {
    try {
      return new Publisher(openPath(dbPath));
    } catch (error) {
      if (fileCode(error) === 'ENOENT') return null;
      throw error;
    }
  }

  private constructor(folder: string) {
    this.#folder = folder;
    const isReply = (file: string) => file !== QUESTIONS && file.endsWith(END);
    this.#replies = readdirSync(folder).filter(isReply).toSorted();
  }

  /** Replaces what is asked, if it has changed. */
  publish(published: Published): void {
    const text = `${JSON.stringify(published)}\n`;
    if (text === this.#last) return;
    if (this.#write(QUESTIONS, text)) this.#last = text;
  }

  /** Writes what became of a word. */
  reply(word: string, reply: Reply): void {
    const file = word + END;
    if (!this.#write(file, `${JSON.stringify(reply)}\n`)) return;
    this.#replies.push(file);
    for (const old of this.#replies.splice(0, Math.max(0, this.#replies.length - MOST_REPLIES))) {
      rmSync(join(this.#folder, old), { force: true });
    }
  }

  /** Why something could not be written, once; null if all could. */
  takeNote(): string | null {
    const note = this.#note;
    this.#note = null;
    return note;
  }

  #write(file: string, text: string): boolean {
    const path = join(this.#folder, file);
    try {
      replacePrivate(path, text, { mode: 0o640 });
      this.#isFailing = false;
      return true;
    } catch (error) {
      if (!this.#isFailing) this.#note = `${path} cannot be written: ${errorMessage(error)}`;
      this.#isFailing = true;
      return false;
    }
  }
}

/**
 * What the daemon of a ledger has published; null if it publishes nothing, or not to this user. Throws AppError `conflict`
 * if another user could have written it.
 */
export function readPublished(dbPath: string): Published | null {
  return readOwn(dbPath, QUESTIONS) as Published | null;
}

/** What became of a word; null until it is known. */
export function readReply(dbPath: string, word: string): Reply | null {
  return readOwn(dbPath, word + END) as Reply | null;
}

/** Reads a file of the user whose folder it is in. */
function readOwn(dbPath: string, file: string): unknown {
  const folder = openPath(dbPath);
  const opened = openOrNull(join(folder, file));
  if (opened === null) return null;
  try {
    const stat = fstatSync(opened);
    const isTheirs = stat.isFile() && stat.uid === statSync(folder).uid && (stat.mode & 0o022) === 0;
    if (!isTheirs) throw new AppError('conflict', `${join(folder, file)} was not written by the daemon`);
    return JSON.parse(readFileSync(opened, 'utf8'));
  } finally {
    closeSync(opened);
  }
}

function openOrNull(path: string): number | null {
  try {
    return openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'EACCES'].includes(fileCode(error))) return null;
    throw error;
  }
}
