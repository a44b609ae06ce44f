import { Agent, Pool, ProxyAgent, setGlobalDispatcher } from 'undici';
import { proxyFor } from '../core/wire/proxy.ts';
import type { Proxies } from '../core/wire/proxy.ts';

/**
 * Makes every request of this process that names no dispatcher of its own (`fetch`, the libraries of Hugging Face, the
 * management API) take these proxies. Changes nothing if there are none.
 */
export function useProxies(proxies: Proxies): void {
  if (proxies.http === null && proxies.https === null) return;
  const factory = (origin: URL | string, options: object) => {
    const proxy = proxyFor(proxies, String(origin));
    return proxy === null ? new Pool(origin, options) : new ProxyAgent({ uri: proxy, proxyTunnel: true });
  };
  setGlobalDispatcher(new Agent({ factory }));
}
