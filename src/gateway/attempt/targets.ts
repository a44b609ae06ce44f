import { Pool } from 'undici';
import type { Dispatcher } from 'undici';

/** An upstream's base URL, taken apart, and the connections to it. */
export interface PooledTarget {
  readonly origin: string;
  /** Path prefix of the base URL, without a trailing slash; often ''. */
  readonly prefix: string;
  readonly dispatcher: Dispatcher;
}

/** Makes the connections to one origin (scheme, host, port). */
export type DispatcherFor = (origin: string, connectMs: number) => Dispatcher;

/** One pool for each origin and connect timeout, made at first use. */
export class Targets {
  readonly #dispatcherFor: DispatcherFor;
  readonly #byConnectMs = new Map<number, Map<string, PooledTarget>>();

  constructor(dispatcherFor: DispatcherFor = poolFor) {
    this.#dispatcherFor = dispatcherFor;
  }

  /** The target of a base URL. */
  of(url: string, connectMs: number): PooledTarget {
    return this.#byConnectMs.get(connectMs)?.get(url) ?? this.#make(url, connectMs);
  }

  #make(url: string, connectMs: number): PooledTarget {
    const { origin, pathname } = new URL(url);
    const target = { origin, prefix: pathname.replace(/\/+$/, ''), dispatcher: this.#dispatcherFor(origin, connectMs) };
    let byUrl = this.#byConnectMs.get(connectMs);
    if (byUrl === undefined) this.#byConnectMs.set(connectMs, (byUrl = new Map()));
    byUrl.set(url, target);
    return target;
  }

  /** Cuts all connections. */
  async close(): Promise<void> {
    const all = [...this.#byConnectMs.values()].flatMap((byUrl) => [...byUrl.values()]);
    this.#byConnectMs.clear();
    await Promise.all(all.map((target) => target.dispatcher.destroy()));
  }
}

// HTTP/2 costs 1.7 times as much per call here, and one connection per call in flight keeps calls apart.
function poolFor(origin: string, connectMs: number): Dispatcher {
  return new Pool(origin, { connectTimeout: connectMs, allowH2: false, connections: null, pipelining: 1 });
}

/** Where an attempt goes: a target, or what stands before it. */
export interface Target extends Pick<PooledTarget, 'origin' | 'prefix'> {
  readonly dispatcher: Pick<Dispatcher, 'dispatch'>;
}
