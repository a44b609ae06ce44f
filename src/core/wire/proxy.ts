import { AppError } from '../errors.ts';

/** The proxies that requests to other hosts take. Their URLs may hold a user name and a password. */
export interface Proxies {
  /** For `http:` URLs; null: none. */
  readonly http: string | null;
  /** For `https:` URLs; null: none. */
  readonly https: string | null;
  readonly exempt: readonly Exemption[];
}

/** Hosts that are reached without a proxy. */
interface Exemption {
  /** In lower case, without dots or brackets around it; `*`: every host. */
  readonly host: string;
  /** Null: every port. */
  readonly port: string | null;
  /** Whether only names below the host are meant. */
  readonly isBelowOnly: boolean;
}

export const NO_PROXIES: Proxies = { http: null, https: null, exempt: [] };

/**
 * The names of this machine, on which the gateway listens: they never take a proxy. A proxy could not reach them, or
 * would reach its own machine.
 */
const OWN_HOSTS: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1']);

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Reads `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` as Node does: a variable in lower case comes first, and
 * `HTTP_PROXY` stands in for a missing `HTTPS_PROXY`. Throws AppError `invalid` naming the variable, but not its value,
 * because that may hold a password.
 */
export function readProxies(env: Variables): Proxies {
  const http = readProxy(env, 'HTTP_PROXY');
  const https = readProxy(env, 'HTTPS_PROXY');
  const { NO_PROXY = '', no_proxy: exempt = NO_PROXY } = env;
  return { http, https: https ?? http, exempt: exempt.split(/[\s,]+/).flatMap(readExemption) };
}

function readProxy(env: Variables, variable: string): string | null {
  const value = (env[variable.toLowerCase()] ?? env[variable] ?? '').trim();
  if (value === '') return null;
  const url = URL.parse(value.includes('://') ? value : `http://${value}`);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new AppError('invalid', `${variable} does not name an http or https proxy`, {
      hint: `set ${variable} to a URL such as http://proxy.example:3128, or unset it`,
    });
  }
  return url.href;
}

function readExemption(text: string): Exemption[] {
  const [, host = '', port = null] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
  // A bare IPv6 address has colons of its own.
  const isBareAddress = /^[^[]*:.*:/.test(text);
  const named = isBareAddress ? text : host;
  const plain = plainHost(named.replace(/^\*?\./, ''));
  if (plain === '') return [];
  return [{ host: plain, port: isBareAddress ? null : port, isBelowOnly: named.startsWith('*.') }];
}

function plainHost(host: string): string {
  return host
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
}

/** The URL of the proxy that requests to a URL take, credentials included; null if they take none. */
export function proxyFor({ http, https, exempt }: Proxies, url: string): string | null {
  const { protocol, hostname, port } = new URL(url);
  const isSecure = protocol === 'https:';
  const proxy = isSecure ? https : http;
  const host = plainHost(hostname);
  if (proxy === null || OWN_HOSTS.has(host)) return null;
  const at = port === '' ? (isSecure ? '443' : '80') : port;
  const isExempt = exempt.some(
    (one) =>
      (one.port === null || one.port === at) &&
      (one.host === '*' || (host === one.host && !one.isBelowOnly) || host.endsWith(`.${one.host}`)),
  );
  return isExempt ? null : proxy;
}

/** A proxy's URL without its user name and password: what may be shown and logged. */
export function shownProxy(proxy: string): string {
  return new URL(proxy).origin;
}
