import type { LedgerDb } from '../database.ts';
import { wordsPath } from '../ownership.ts';
import type { People } from '../words/people.ts';
import { WordFolder } from '../words/word-folder.ts';
import type { LedgerKey } from './key.ts';
import { isSealedBy } from './own-seals.ts';
import { addRequest, pendingRequests } from './requests.ts';
import type { Hearing, PendingRequest } from './requests.ts';
import { digestOf, lastSeal } from './seals.ts';

/** What operators ask for. `notes`: what was wrong with words and rows since the last look, a sentence each. */
export interface Pending {
  readonly requests: readonly PendingRequest[];
  readonly notes: readonly string[];
}

/** Carries out work in one transaction that seals rows. */
type Sealing = <T>(work: () => T) => T;

interface InboxOptions {
  readonly db: LedgerDb;
  readonly path: string;
  readonly key: LedgerKey;
  readonly people: People;
  /** The number of the newest seal that this ledger is known to have had. */
  readonly newestSeal: () => number;
}

/** The words of operators, on their way from the folder into the ledger, and from there to a tick. */
export class Inbox {
  readonly #given: InboxOptions;
  readonly #folder: WordFolder;
  /** Digests of the waiting rows that this daemon wrote; null for those of another hand. */
  #checked = new Map<number, string | null>();

  constructor(given: InboxOptions) {
    this.#given = given;
    this.#folder = new WordFolder(wordsPath(given.path));
  }

  /** See `JournalStore.pendingRequests`. */
  pending(hearing: Pick<Hearing, 'simulatedNow' | 'roles'>, sealing: Sealing): Pending {
    const notes = this.#takeWords(hearing, sealing);
    const checked = new Map<number, string | null>();
    const requests = pendingRequests(this.#given.db).filter(({ id }) => {
      const known = this.#checked.get(id);
      const own = known === undefined ? this.#ownDigest(id) : known;
      const isOwn = own !== null && this.#digest(id) === own;
      checked.set(id, isOwn ? own : null);
      if (!isOwn && known !== null) notes.push(FOREIGN(id));
      return isOwn;
    });
    this.#checked = checked;
    return { requests, notes };
  }

  /** These requests were answered: if their answers are gone later, somebody has removed them. */
  answered(ids: readonly number[]): void {
    for (const id of ids) this.#checked.delete(id);
  }

  close(): void {
    this.#folder.close();
  }

  #takeWords(hearing: Pick<Hearing, 'simulatedNow' | 'roles'>, sealing: Sealing): string[] {
    const { words, notes } = this.#folder.look();
    if (words.length === 0) return [...notes];
    const { db, key, people } = this.#given;
    const refused = sealing(() =>
      words.flatMap((word) => {
        const why = addRequest(db, word, { key, people, ...hearing });
        return why === null ? [] : [`the word ${word.name} of user ${word.uid} is about nothing: ${why}`];
      }),
    );
    this.#folder.remove(words);
    return [...notes, ...refused];
  }

  /** The digest of a request that this ledger's key has sealed; null if it has not, or if seals are missing. */
  #ownDigest(id: number): string | null {
    const { db, key, newestSeal } = this.#given;
    const isWhole = (lastSeal(db)?.id ?? 0) >= newestSeal();
    return isWhole && isSealedBy(db, key.publicKey, 'request', [id]) ? this.#digest(id) : null;
  }

  #digest(id: number): string | null {
    return digestOf(this.#given.db, 'request', JSON.stringify([id]));
  }
}

const FOREIGN = (id: number) =>
  `request ${id} came from another hand: it is never carried out. See what else was changed: npx upshift audit --verify`;
