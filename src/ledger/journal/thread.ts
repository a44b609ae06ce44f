import { Worker } from 'node:worker_threads';
import { AppError } from '../../core/errors.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { JournalStore } from './store.ts';

/** Methods that only the worker itself calls. */
type WorkerOnly = 'checkpoint' | 'close';
type Method = Exclude<keyof JournalStore, WorkerOnly>;

/** The methods of `JournalStore` as other threads call them: each sends a message and gives a promise of the result. */
export type RemoteStore = {
  readonly [M in Method]: (...args: Parameters<JournalStore[M]>) => Promise<ReturnType<JournalStore[M]>>;
};

const WORKER_ONLY: ReadonlySet<string> = new Set<WorkerOnly | 'constructor'>(['checkpoint', 'close', 'constructor']);
const METHODS = Object.getOwnPropertyNames(JournalStore.prototype).filter((name) => !WORKER_ONLY.has(name));

/** What is sent to the worker. */
export interface JournalMessage {
  readonly id: number;
  readonly method: Method | 'close';
  readonly args: readonly unknown[];
}

/** The worker's answer to the message with the same id. */
export interface JournalReply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined };
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: AppError) => void;
}

/** The ledger, and the key that signs what is sealed in it. */
export interface JournalFiles {
  readonly path: string;
  readonly keyPath: string;
}

/** The worker and the calls that wait for its answers. The next call replaces a worker that has died. */
export class JournalThread {
  /** The store's methods. Each rejects with AppError. */
  readonly store: RemoteStore;
  readonly #files: JournalFiles;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #lastId = 0;
  #isClosed = false;

  constructor(files: JournalFiles) {
    this.#files = files;
    const methods = METHODS.map((name) => [name, (...args: unknown[]) => this.#send(name as Method, args)] as const);
    this.store = Object.fromEntries(methods) as RemoteStore;
  }

  #send(method: JournalMessage['method'], args: readonly unknown[]): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(new AppError('unavailable', 'the journal is closed'));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = ++this.#lastId;
    this.#waiting.set(id, { resolve, reject });
    try {
      this.#worker ??= this.#start();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      this.#worker.postMessage({ id, method, args } satisfies JournalMessage);
    } catch (error) {
      this.#waiting.delete(id);
      reject(new AppError('internal', `the journal's thread cannot be sent ${method}`, { cause: error }));
    }
    return promise;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    const worker = this.#worker;
    if (worker !== null) await this.#send('close', []).catch(() => undefined);
    this.#isClosed = true;
    await worker?.terminate();
  }

  #start(): Worker {
    const name = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    const worker = new Worker(new URL(name, import.meta.url), { workerData: this.#files });
    worker.on('message', (reply: JournalReply) => this.#take(reply));
    worker.on('error', (error: unknown) => this.#died(worker, error));
    worker.on('exit', () => this.#died(worker, undefined));
    return worker;
  }

  #take({ id, value, error }: JournalReply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new AppError(error.code, error.message, error.hint === undefined ? {} : { hint: error.hint }));
  }

  #died(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(new AppError('unavailable', 'the journal’s thread has died', { cause }));
  }
}
