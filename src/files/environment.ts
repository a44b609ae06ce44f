import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isLoopbackHost } from '../core/endpoint-address.ts';
import { AppError } from '../core/errors.ts';
import { readProxies } from '../core/wire/proxy.ts';
import type { Proxies } from '../core/wire/proxy.ts';

/** The settings from the environment. URLs have no trailing slash. */
export interface Environment {
  /** `HF_TOKEN`; null if it is not set. upshift never writes it anywhere. */
  readonly token: string | null;
  /** `UPSHIFT_ROUTER_URL`: the serverless router. */
  readonly routerUrl: string;
  /** `UPSHIFT_ENDPOINTS_URL`: the management API of Inference Endpoints. */
  readonly endpointsUrl: string;
  /** `HF_ENDPOINT`: the Hub, under the name that Hugging Face's own tools use. */
  readonly hubUrl: string;
  /** `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`: how other hosts are reached. */
  readonly proxies: Proxies;
  /** The credential `upshift.key` of systemd's `CREDENTIALS_DIRECTORY`; null if there is none. */
  readonly keyPath: string | null;
  /** `UPSHIFT_TIME_SCALE`: clock milliseconds per real millisecond; 1 outside the simulation. */
  readonly timeScale: number;
  /** `UPSHIFT_TIME_START`: the real time, in epoch ms, at which scaled and real time are equal. */
  readonly timeStart: number;
}

const UPSTREAMS = {
  UPSHIFT_ROUTER_URL: 'https://router.huggingface.co',
  UPSHIFT_ENDPOINTS_URL: 'https://api.endpoints.huggingface.cloud',
  HF_ENDPOINT: 'https://huggingface.co',
} as const;

type Upstream = keyof typeof UPSTREAMS;

/** Reads and checks the environment. Throws AppError `invalid` naming the variable, its value and the remedy. */
export function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  const urls = {
    UPSHIFT_ROUTER_URL: readUrl(env, 'UPSHIFT_ROUTER_URL'),
    UPSHIFT_ENDPOINTS_URL: readUrl(env, 'UPSHIFT_ENDPOINTS_URL'),
    HF_ENDPOINT: readUrl(env, 'HF_ENDPOINT'),
  };
  const timeScale = readScale(env);
  if (timeScale !== 1) refuseScaleOutside(urls, timeScale);
  return {
    token: readToken(env),
    routerUrl: urls.UPSHIFT_ROUTER_URL,
    endpointsUrl: urls.UPSHIFT_ENDPOINTS_URL,
    hubUrl: urls.HF_ENDPOINT,
    proxies: readProxies(env),
    keyPath: readKeyPath(env),
    timeScale,
    timeStart: readStart(env, timeScale),
  };
}

/** Whether a URL's host is this machine's loopback interface. */
export function isLoopback(url: string): boolean {
  return isLoopbackHost(new URL(url).hostname);
}

function readToken(env: NodeJS.ProcessEnv): string | null {
  const token = env['HF_TOKEN']?.trim() ?? '';
  if (token === '') return null;
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new AppError('invalid', 'HF_TOKEN contains spaces or other characters that are not allowed in a token', {
      hint: 'copy the token again from https://huggingface.co/settings/tokens',
    });
  }
  return token;
}

/** systemd.exec(5), LoadCredential: the folder has one file for each credential, which only the service's user may read. */
function readKeyPath(env: NodeJS.ProcessEnv): string | null {
  const folder = env['CREDENTIALS_DIRECTORY'];
  if (folder === undefined || folder === '') return null;
  const path = join(folder, 'upshift.key');
  return existsSync(path) ? path : null;
}

function readUrl(env: NodeJS.ProcessEnv, variable: Upstream): string {
  const value = env[variable]?.trim() ?? '';
  if (value === '') return UPSTREAMS[variable];
  const hint = `set ${variable} to a URL such as ${UPSTREAMS[variable]}, or unset it`;
  const url = URL.parse(value);
  if (url === null) throw new AppError('invalid', `${variable}: "${value}" is not a URL`, { hint });
  // The value is not repeated here: it holds a password.
  if (url.username !== '' || url.password !== '') {
    throw new AppError('invalid', `${variable} holds a user name or password; it must not`, { hint });
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new AppError('invalid', `${variable}: "${value}" is neither https nor http`, { hint });
  }
  if (url.protocol === 'http:' && !isLoopback(value)) {
    throw new AppError('invalid', `${variable}: "${value}" would send the token unencrypted`, {
      hint: `use https; http is allowed on loopback only (http://127.0.0.1:PORT)`,
    });
  }
  if (url.search !== '' || url.hash !== '') {
    throw new AppError('invalid', `${variable}: "${value}" has a query or fragment; a base URL has neither`, { hint });
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function readScale(env: NodeJS.ProcessEnv): number {
  const value = env['UPSHIFT_TIME_SCALE']?.trim() ?? '';
  if (value === '') return 1;
  const scale = Number(value);
  if (!Number.isFinite(scale) || scale <= 0) {
    throw new AppError('invalid', `UPSHIFT_TIME_SCALE: "${value}" is not a number above 0`, {
      hint: 'set it to the number of clock seconds per real second, e.g. 60, or unset it',
    });
  }
  return scale;
}

function refuseScaleOutside(urls: Readonly<Record<Upstream, string>>, scale: number): void {
  const outside = Object.entries(urls).find(([, url]) => !isLoopback(url));
  if (outside === undefined) return;
  throw new AppError('invalid', `UPSHIFT_TIME_SCALE: ${scale} is refused, since ${outside[0]} is ${outside[1]}`, {
    hint: 'only a simulation may scale time: set all three URLs to loopback, or unset UPSHIFT_TIME_SCALE',
  });
}

function readStart(env: NodeJS.ProcessEnv, scale: number): number {
  const value = env['UPSHIFT_TIME_START']?.trim() ?? '';
  if (value === '') {
    if (scale === 1) return 0;
    throw new AppError('invalid', `UPSHIFT_TIME_SCALE is ${scale} and UPSHIFT_TIME_START is not set`, {
      hint: 'set it to one epoch time in ms for all processes of the simulation, as `upshift simulate` prints it',
    });
  }
  const start = Number(value);
  if (!Number.isFinite(start) || start < 0) {
    throw new AppError('invalid', `UPSHIFT_TIME_START: "${value}" is not a time in epoch milliseconds`, {
      hint: 'copy the value that `upshift simulate` prints',
    });
  }
  return start;
}
