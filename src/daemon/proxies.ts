import { proxyFor, shownProxy } from '../core/wire/proxy.ts';
import type { Environment } from '../files/environment.ts';
import type { Log } from './log.ts';

type Urls = Pick<Environment, 'routerUrl' | 'endpointsUrl' | 'hubUrl' | 'proxies'>;

/** The hosts of Hugging Face that are reached through a proxy, each with the proxy's URL without its credentials. */
export function proxiesInUse({ routerUrl, endpointsUrl, hubUrl, proxies }: Urls): Record<string, string> {
  const used = [routerUrl, endpointsUrl, hubUrl].flatMap((url) => {
    const proxy = proxyFor(proxies, url);
    return proxy === null ? [] : [[new URL(url).host, shownProxy(proxy)] as const];
  });
  return Object.fromEntries(used);
}

/** Logs which proxy is used for what, if any is. */
export function logProxies(urls: Urls, log: Log): void {
  const used = proxiesInUse(urls);
  if (Object.keys(used).length > 0) log('info', 'requests take a proxy', { proxies: used });
}
