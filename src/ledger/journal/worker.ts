import { parentPort, workerData } from 'node:worker_threads';
import { AppError, errorMessage } from '../../core/errors.ts';
import { isBusy, sqliteCode } from '../database.ts';
import { JournalStore } from './store.ts';
import type { JournalFiles, JournalMessage, JournalReply } from './thread.ts';

const CHECKPOINT_EVERY_MS = 500;

const port = parentPort;
if (port === null) throw new AppError('internal', 'the journal worker must be started as a thread');
const { path, keyPath } = workerData as JournalFiles;
let store: JournalStore | null = null;

port.on('message', (message: JournalMessage) => port.postMessage(answer(message)));

setInterval(() => {
  try {
    store?.checkpoint();
  } catch {
    // If the file cannot be checkpointed it cannot be written either, and then the next write reports the error.
  }
}, CHECKPOINT_EVERY_MS);

/** Opens the file with the first message. If that fails, the next message tries again. */
function answer({ id, method, args }: JournalMessage): JournalReply {
  try {
    store ??= new JournalStore(path, undefined, keyPath);
    const work = store[method] as (...args: readonly unknown[]) => unknown;
    const value = work.apply(store, [...args]);
    if (method === 'close') store = null;
    return { id, value };
  } catch (error) {
    return { id, error: describe(method, error) };
  }
}

function describe(method: string, error: unknown): NonNullable<JournalReply['error']> {
  if (error instanceof AppError) return { code: error.code, message: error.message, hint: error.hint };
  if (isBusy(error)) {
    return {
      code: 'unavailable',
      message: `the ledger ${path} is locked by another program (${method})`,
      hint: 'end whatever holds a transaction open on the file',
    };
  }
  const code = sqliteCode(error);
  const isOurs = code === '' || code === 'SQLITE_ERROR' || code.startsWith('SQLITE_CONSTRAINT');
  return {
    code: isOurs ? 'internal' : 'unavailable',
    message: `the ledger ${path} could not do ${method}: ${errorMessage(error)}`,
    hint: isOurs ? undefined : 'check the disk: space, permissions, damage',
  };
}
