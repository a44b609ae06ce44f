import { Pool, ProxyAgent } from 'undici';
import type { buildConnector, Dispatcher } from 'undici';
import { filtered } from './connector.ts';
import { LARGEST_HEADERS } from './largest-headers.ts';

/**
 * Connections to upstreams through a proxy, each in a tunnel of its own (`CONNECT`), so that the proxy sees no token.
 * `connectMs`: the connect timeout, real ms.
 */
export class Proxied extends ProxyAgent {
  constructor(proxy: string, connectMs: number) {
    super({
      uri: proxy,
      proxyTunnel: true,
      connectTimeout: connectMs,
      maxHeaderSize: LARGEST_HEADERS,
      allowH2: false,
      connections: null,
      pipelining: 1,
      factory: tunnels,
    });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return super.dispatch({ ...options, headers: byName(options.headers as string[]) }, handler);
  }
}

/** The connections to one origin, each in a tunnel that `connect` opens. */
function tunnels(origin: string | URL, options: object): Dispatcher {
  const { connect } = options as { readonly connect: buildConnector.connector };
  return new Pool(origin, { ...options, connect: filtered(connect) });
}

/** Headers by name. The class above keeps only the last of equal names in a flat list. */
function byName(flat: readonly string[]): Record<string, string | string[]> {
  const values = new Map<string, string[]>();
  for (let i = 0; i < flat.length; i += 2) {
    const name = (flat[i] as string).toLowerCase();
    const value = flat[i + 1] as string;
    const known = values.get(name);
    if (known === undefined) values.set(name, [value]);
    else known.push(value);
  }
  return Object.fromEntries([...values].map(([name, all]) => [name, all.length === 1 ? (all[0] as string) : all]));
}
