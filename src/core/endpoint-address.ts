/** The domains under which Inference Endpoints gives every endpoint its host. */
const ENDPOINT_DOMAINS = ['endpoints.huggingface.cloud'];

const MOST_SHOWN = 200;

/** Whether a host, as a URL has it, is this machine's loopback interface. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/**
 * Whether calls, and the token with them, may go to a URL that the management API states: https, and a host below one of the
 * domains, or this machine if the API itself is on it (a simulation). `domains`: what the policy names beside those of
 * Inference Endpoints, each a host name, with its port if it is not 443.
 */
export function isEndpointUrl(text: string, domains: readonly string[], isLocalApi: boolean): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return false;
  if (isLoopbackHost(url.hostname)) return isLocalApi && (url.protocol === 'https:' || url.protocol === 'http:');
  if (url.protocol !== 'https:') return false;
  return [...ENDPOINT_DOMAINS, ...domains].some((domain) => url.host === domain || url.host.endsWith(`.${domain}`));
}

/** A URL for people, without a user name and password. */
export function shownUrl(text: string): string {
  const url = URL.parse(text);
  const shown = url === null ? text : `${url.protocol}//${url.host}${url.pathname}`;
  return shown.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, MOST_SHOWN);
}
