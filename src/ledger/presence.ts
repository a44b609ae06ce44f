import { statSync } from 'node:fs';
import type { Lock } from './lock.ts';
import { lockPath } from './lock.ts';
import { realPath } from './ownership.ts';

/**
 * What is wrong with the files of a ledger that this process has open. `ledger`: what is written to the open file is not in
 * the file at its path. `log`: what is written reaches the file only when this process ends. `lock`: another daemon has it.
 */
export interface Fault {
  readonly kind: 'ledger' | 'log' | 'lock';
  readonly text: string;
}

/** What tells a file from every other file of this machine; null if there is none at a path. */
function identityOf(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? null : `${stat.dev} ${stat.ino}`;
}

/** Notices if the files of an open ledger are deleted, moved or replaced, and if its lock is. */
export class Presence {
  readonly #lock: Lock;
  readonly #lockPath: string;
  readonly #files: readonly { readonly kind: Fault['kind']; readonly path: string; readonly identity: string }[];
  #lockIdentity: string | null;
  #fault: Fault | null = null;

  /** Remembers the files at the paths of a ledger, which must be open by now. */
  constructor(path: string, lock: Lock) {
    const file = realPath(path);
    this.#lock = lock;
    this.#lockPath = lockPath(path);
    this.#lockIdentity = identityOf(this.#lockPath);
    this.#files = ['', '-wal', '-shm'].flatMap((part) => {
      const identity = identityOf(file + part);
      return identity === null ? [] : [{ kind: part === '' ? 'ledger' : 'log', path: file + part, identity } as const];
    });
  }

  /** What was wrong when it looked last; null if nothing was. */
  get fault(): Fault | null {
    return this.#fault;
  }

  /** Looks whether all files are where they were. A lock that is gone is taken again. */
  look(): Fault | null {
    this.#fault = this.#lookAtFiles() ?? this.#lookAtLock();
    return this.#fault;
  }

  #lookAtFiles(): Fault | null {
    for (const { kind, path, identity } of this.#files) {
      const now = identityOf(path);
      if (now === identity) continue;
      const what = now === null ? 'was deleted or moved' : 'was replaced by another file';
      return { kind, text: `${path} ${what} while this daemon has it open` };
    }
    return null;
  }

  #lookAtLock(): Fault | null {
    if (identityOf(this.#lockPath) === this.#lockIdentity) return null;
    if (!this.#lock.renew()) return { kind: 'lock', text: `another process has taken ${this.#lockPath} meanwhile` };
    this.#lockIdentity = identityOf(this.#lockPath);
    return null;
  }
}
