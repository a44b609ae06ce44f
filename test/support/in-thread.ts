import { CallLog } from '../../src/ledger/calls/call-log.ts';
import { callPages } from '../../src/ledger/journal/journal.ts';
import type { Journal } from '../../src/ledger/journal/journal.ts';
import { JournalStore } from '../../src/ledger/journal/store.ts';
import type { RemoteStore } from '../../src/ledger/journal/thread.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { makeFolders } from '../../src/ledger/words/folders.ts';
import type { Ledger } from '../../src/ledger/open.ts';

const METHODS = Object.getOwnPropertyNames(JournalStore.prototype).filter((name) => name !== 'constructor');

/**
 * A ledger without a thread of its own, which takes longer to start than many a scenario to run. Its operator is always
 * the same one.
 */
export function openInThread(path: string, now: number): Pick<Ledger, 'calls' | 'journal' | 'close'> {
  makeFolders(path, null);
  migrate(path, now);
  const store = new JournalStore(path, { personOf: () => ({ user: 'ann', host: 'desk' }), groupsOf: () => [] });
  const methods = METHODS.map((name) => {
    const method = store[name as keyof JournalStore] as (...args: readonly unknown[]) => unknown;
    return [name, async (...args: readonly unknown[]) => method.apply(store, [...args])] as const;
  });
  const remote = Object.fromEntries(methods) as unknown as RemoteStore & Pick<Journal, 'close'>;
  const calls = new CallLog(path, { catchUp: (rows, shadows) => remote.writeCalls(rows, shadows) });
  const journal = { ...remote, ...callPages(remote) };
  const close = async () => {
    await calls.close();
    await journal.close();
  };
  return { calls, journal, close };
}
