import type { Frozen } from '../../core/decide/observation.ts';
import { hasRole, isHeldByOthers } from '../../core/roles/roles.ts';
import { Copies } from '../copies.ts';
import type { LedgerDb } from '../database.ts';
import { wordsPath } from '../ownership.ts';
import type { People } from '../words/people.ts';
import { Publisher } from '../words/published.ts';
import { WordFolder } from '../words/word-folder.ts';
import type { SpokenCopyWord, SpokenWord } from '../words/word-folder.ts';
import type { LedgerKey } from './key.ts';
import { standingFreeze } from './freeze.ts';
import { isSealedBy } from './own-seals.ts';
import { openAsks } from './asks.ts';
import { activeRollouts, addRequest, hear, pendingRequests, replyTo, wordOf } from './requests.ts';
import type { Hearing, PendingRequest } from './requests.ts';
import type { Sealing } from './sealing.ts';
import { digestOf, lastSeal } from './seals.ts';

/**
 * What operators ask for. `notes`: what was wrong with words and rows since the last look, a sentence each. `news`: what else
 * is worth a line in the log.
 */
export interface Pending {
  readonly requests: readonly PendingRequest[];
  /** The freeze of all routes; null if there is none. */
  readonly frozen: Frozen | null;
  readonly notes: readonly string[];
  readonly news: readonly string[];
}

type Said = Pick<Hearing, 'simulatedNow' | 'roles'>;

interface InboxOptions {
  readonly db: LedgerDb;
  readonly path: string;
  readonly key: LedgerKey;
  readonly people: People;
  readonly sealing: Sealing;
}

/** The words of operators, on their way from the folder into the ledger, and from there to a tick. */
export class Inbox {
  readonly #given: InboxOptions;
  readonly #folder: WordFolder;
  /** Null if only the daemon's user may speak. */
  readonly #publisher: Publisher | null;
  /** Null if nobody but the daemon's user may ask for a copy. */
  readonly #copies: Copies | null;
  /** Digests of the waiting rows that this daemon wrote; null for those of another hand. */
  #checked = new Map<number, string | null>();
  /** The freeze of all routes; undefined before it was read. */
  #frozen: Frozen | null | undefined;
  /** What was wrong with sealing at the last look. */
  #problem: string | null = null;

  constructor(given: InboxOptions) {
    this.#given = given;
    this.#folder = new WordFolder(wordsPath(given.path));
    const publisher = Publisher.open(given.path);
    this.#publisher = publisher;
    this.#copies =
      publisher === null
        ? null
        : new Copies({ dbPath: given.path, reply: (word, reply) => publisher.reply(word, reply) });
  }

  /** See `JournalStore.pendingRequests`. */
  pending(hearing: Said): Pending {
    const notes = this.#takeWords(hearing);
    const frozen = this.#freeze();
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
    this.#publish(notes, hearing);
    const { problem } = this.#given.sealing;
    if (problem !== null && problem !== this.#problem) notes.push(problem);
    this.#problem = problem;
    return { requests, frozen, notes, news: this.#copies?.sweep() ?? [] };
  }

  /** These requests were answered: if their answers are gone later, somebody has removed them. */
  answered(ids: readonly number[]): void {
    for (const id of ids) {
      this.#checked.delete(id);
      if (this.#publisher !== null) this.#reply(wordOf(this.#given.db, id));
    }
  }

  close(): void {
    this.#folder.close();
    this.#copies?.close();
  }

  #freeze(): Frozen | null {
    const { db, key } = this.#given;
    if (this.#frozen === undefined) this.#frozen = standingFreeze(db, key.publicKey);
    return this.#frozen;
  }

  #takeWords(hearing: Said): string[] {
    const { words, notes } = this.#folder.look();
    if (words.length === 0) return [...notes];
    const requests = words.filter((word) => word.kind !== 'copy');
    const refused = requests.length === 0 ? [] : this.#takeRequests(requests, hearing);
    for (const word of words) if (word.kind === 'copy') refused.push(...this.#takeCopyWord(word, hearing));
    return [...notes, ...refused];
  }

  #takeRequests(words: readonly SpokenWord[], hearing: Said): string[] {
    const { db, key, people, sealing } = this.#given;
    const { roles, simulatedNow } = hearing;
    const heard = words.map((word) => hear(word, { people, roles }));
    const taken = sealing.doUrgent(() =>
      heard.map((word) => {
        const became = addRequest(db, word, { key, simulatedNow, frozen: this.#freeze() });
        if (word.kind === 'freeze' || word.kind === 'thaw') this.#frozen = undefined;
        return { ...became, own: 'id' in became ? this.#digest(became.id) : null };
      }),
    );
    this.#folder.remove(words);
    return heard.flatMap(({ name, uid }, i) => {
      const became = taken[i];
      if (became !== undefined && 'why' in became) {
        this.#publisher?.reply(name, { request: null, result: 'refused', message: became.why });
        return [`the word ${name} of user ${uid} is about nothing: ${became.why}`];
      }
      if (became !== undefined && 'id' in became) this.#checked.set(became.id, became.own);
      this.#reply(name);
      return [];
    });
  }

  /** Returns what was wrong. */
  #takeCopyWord(word: SpokenCopyWord, { roles }: Said): string[] {
    const { people, path } = this.#given;
    const { name, place, uid } = word;
    this.#folder.remove([word]);
    // Whoever said it while no daemon ran waits no more.
    if (this.#copies === null || Date.now() - word.at > STALE_COPY_MS) return [];
    const { user } = people.personOf(uid);
    if (hasRole(roles, 'read', { uid, user, groups: () => people.groupsOf(uid) })) {
      this.#copies.ask({ word: name, place, uid, user });
      return [];
    }
    const message = `${user} (user ${uid}) may not read ${path}: this needs the role read, which ${path}.roles gives`;
    this.#publisher?.reply(name, { request: null, result: 'refused', message });
    return [message];
  }

  #reply(word: string | null): void {
    const reply = word === null || this.#publisher === null ? null : replyTo(this.#given.db, word);
    if (word !== null && reply !== null) this.#publisher?.reply(word, reply);
  }

  #publish(notes: string[], { roles }: Said): void {
    if (this.#publisher === null) return;
    const { db } = this.#given;
    const hasReaders = isHeldByOthers(roles, 'read', process.geteuid?.() ?? 0);
    this.#publisher.publish({ pid: process.pid, rollouts: activeRollouts(db), asks: openAsks(db), hasReaders });
    const note = this.#publisher.takeNote();
    if (note !== null) notes.push(note);
  }

  /** The digest of a request that this ledger's key has sealed; null if it has not, or if seals are missing. */
  #ownDigest(id: number): string | null {
    const { db, key, sealing } = this.#given;
    const isWhole = (lastSeal(db)?.id ?? 0) >= sealing.newestSeal;
    return isWhole && isSealedBy(db, key.publicKey, 'request', [id]) ? this.#digest(id) : null;
  }

  #digest(id: number): string | null {
    return digestOf(this.#given.db, 'request', JSON.stringify([id]));
  }
}

/** In real ms. */
const STALE_COPY_MS = 60_000;

const FOREIGN = (id: number) =>
  `request ${id} came from another hand: it is never carried out. See what else was changed: npx upshift audit --verify`;
