import type { LedgerDb } from '../database.ts';

/** If there are more names than this, the memory is emptied. The table keeps them all. */
const MOST_NAMES = 100_000;

/**
 * Remembers the numbers of names in one dictionary table. After each transaction `keep` or `forget` must be called, because
 * a name that was added is not there if the transaction was rolled back.
 */
export class Names {
  readonly #known = new Map<string, number>();
  readonly #find;
  readonly #add;
  readonly #extra: readonly number[];
  #fresh: string[] = [];

  constructor(
    db: LedgerDb,
    table: 'routes' | 'shapes' | 'rollout_names' | 'agents' | 'providers',
    isDerived?: boolean,
  ) {
    const column = table === 'routes' ? 'model' : 'name';
    const isAgents = table === 'agents';
    this.#extra = isAgents ? [isDerived === true ? 1 : 0] : [];
    const [where, extra, mark] = isAgents ? [' AND is_derived = ?', ', is_derived', ', ?'] : ['', '', ''];
    this.#find = db.prepare<unknown[], number>(`SELECT id FROM ${table} WHERE ${column} = ?${where}`).pluck();
    this.#add = db.prepare(`INSERT INTO ${table} (${column}${extra}) VALUES (?${mark})`);
  }

  /** The number of a name. A new name is added in the running transaction. */
  id(name: string): number {
    return this.#known.get(name) ?? this.#lookUp(name);
  }

  /** The transaction was committed. */
  keep(): void {
    if (this.#fresh.length > 0) this.#fresh = [];
  }

  /** The transaction was rolled back. */
  forget(): void {
    for (const name of this.#fresh) this.#known.delete(name);
    this.#fresh = [];
  }

  #lookUp(name: string): number {
    if (this.#known.size >= MOST_NAMES) this.#known.clear();
    const found = this.#find.get(name, ...this.#extra);
    const id = found ?? Number(this.#add.run(name, ...this.#extra).lastInsertRowid);
    if (found === undefined) this.#fresh.push(name);
    this.#known.set(name, id);
    return id;
  }
}
