import { buildConnector, Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { proxyFor } from '../../core/wire/proxy.ts';
import type { Proxies } from '../../core/wire/proxy.ts';
import { filtered } from './connector.ts';
import { LARGEST_HEADERS } from './largest-headers.ts';
import { Proxied } from './proxied.ts';
import { following } from './redirect.ts';

/** Where an attempt is sent: an upstream's base URL in its parts, and a dispatcher. */
export interface Target {
  readonly origin: string;
  /** Path prefix of the base URL, without a trailing slash; often ''. */
  readonly prefix: string;
  readonly dispatcher: Pick<Dispatcher, 'dispatch'>;
}

interface PooledTarget extends Target {
  readonly pool: Dispatcher;
}

/** Creates the connections to one origin (scheme, host, port). */
export type DispatcherFor = (origin: string, connectMs: number) => Dispatcher;

/** One pool of connections for each origin and connect timeout, created at first use. */
export class Targets {
  readonly #dispatcherFor: DispatcherFor;
  readonly #byConnectMs = new Map<number, Map<string, PooledTarget>>();

  constructor(dispatcherFor: DispatcherFor) {
    this.#dispatcherFor = dispatcherFor;
  }

  /** The target of a base URL. `connectMs`: the connect timeout, real ms. */
  of(url: string, connectMs: number): Target {
    return this.#byConnectMs.get(connectMs)?.get(url) ?? this.#make(url, connectMs);
  }

  #make(url: string, connectMs: number): PooledTarget {
    const { origin, pathname } = new URL(url);
    const pool = this.#dispatcherFor(origin, connectMs);
    const target = { origin, prefix: pathname.replace(/\/+$/, ''), pool, dispatcher: following(pool) };
    let byUrl = this.#byConnectMs.get(connectMs);
    if (byUrl === undefined) this.#byConnectMs.set(connectMs, (byUrl = new Map()));
    byUrl.set(url, target);
    return target;
  }

  /** Closes all connections at once. */
  async close(): Promise<void> {
    const all = [...this.#byConnectMs.values()].flatMap((byUrl) => [...byUrl.values()]);
    this.#byConnectMs.clear();
    await Promise.all(all.map((target) => target.pool.destroy()));
  }
}

/** Connections that take these proxies where they apply. */
export function dispatchersThrough(proxies: Proxies): DispatcherFor {
  return (origin, connectMs) => {
    const proxy = proxyFor(proxies, origin);
    return proxy === null ? poolFor(origin, connectMs) : new Proxied(proxy, connectMs);
  };
}

// HTTP/2 costs 1.7 times as much processor time per call. With one connection per call in flight, no call delays
// another.
function poolFor(origin: string, connectMs: number): Dispatcher {
  const connect = filtered(buildConnector({ timeout: connectMs, allowH2: false }));
  return new Pool(origin, { connect, maxHeaderSize: LARGEST_HEADERS, connections: null, pipelining: 1 });
}
