import { homedir, tmpdir, userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { directDispatcher } from './direct.ts';
import { AppError } from '../core/errors.ts';
import { LONGEST_AGENT } from '../core/wire/bypass.ts';

/** Options of a fetch; missing ones come from the environment, which is read at the first call. */
export interface UpshiftFetchOptions {
  /** Base URL of the gateway; default: `UPSHIFT_GATEWAY_URL`, then `http://127.0.0.1:8787`. */
  readonly gateway?: string;
  /**
   * The agent's name for calls that do not name one; default: `UPSHIFT_AGENT_ID`, then the program's name and process
   * id.
   */
  readonly agent?: string;
  /**
   * The token for calls that send none or a placeholder, used while the gateway is unreachable; default: `HF_TOKEN`.
   */
  readonly token?: string;
  /** Base URL of Hugging Face's router; default: `UPSHIFT_ROUTER_URL`, then `https://router.huggingface.co`. */
  readonly router?: string;
  /**
   * The file that keeps the outcomes of calls that bypassed the gateway until they are reported; null: they are not
   * kept. Default: `UPSHIFT_SPOOL`, then a file in the user's state folder.
   */
  readonly spool?: string | null;
  /** The most outcomes in the file; 10 000 by default. Beyond it the oldest are dropped and counted. */
  readonly mostSpooled?: number;
  /** How long calls bypass the gateway after it was unreachable, in ms; 5 s by default. */
  readonly awayMs?: number;
  /** The function that sends the calls; Node's own fetch by default. */
  readonly fetch?: typeof globalThis.fetch;
}

export interface Settings {
  /** URLs without a trailing slash. */
  readonly gateway: string;
  readonly router: string;
  readonly agent: string;
  readonly token: string | null;
  readonly spool: string | null;
  readonly mostSpooled: number;
  readonly awayMs: number;
  readonly fetch: typeof globalThis.fetch;
  /** Further options of each request to the gateway. */
  readonly toGateway: object;
}

export const ROUTER = 'https://router.huggingface.co';
const GATEWAY = 'http://127.0.0.1:8787';
const MOST_SPOOLED = 10_000;
const AWAY_MS = 5_000;

const LOOPBACK = /^https?:\/\/(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?(?:\/|$)/;

/** Kept at import, because a program may replace the global fetch by ours later. */
const nodeFetch = globalThis.fetch;

/** Reads missing options from the environment. Throws AppError `invalid` for an unusable URL. */
export function readSettings(options: UpshiftFetchOptions, env: NodeJS.ProcessEnv): Settings {
  const stated = (value: string | undefined, variable: string) => value?.trim() || env[variable]?.trim() || null;
  const gateway = readBase(stated(options.gateway, 'UPSHIFT_GATEWAY_URL') ?? GATEWAY, 'the gateway');
  return {
    gateway,
    router: readBase(stated(options.router, 'UPSHIFT_ROUTER_URL') ?? ROUTER, 'the router'),
    agent: agentName(stated(options.agent, 'UPSHIFT_AGENT_ID') ?? programName()) || 'node',
    token: stated(options.token, 'HF_TOKEN'),
    spool: options.spool === null ? null : (stated(options.spool, 'UPSHIFT_SPOOL') ?? defaultSpool(gateway, env)),
    mostSpooled: Math.max(1, Math.floor(options.mostSpooled ?? MOST_SPOOLED)),
    awayMs: options.awayMs ?? AWAY_MS,
    fetch: options.fetch ?? nodeFetch,
    // A dispatcher of the caller, such as a proxy, is for the connection to Hugging Face, not for the gateway. Only
    // Node's own fetch surely accepts one of Node's.
    toGateway: { dispatcher: options.fetch === undefined && LOOPBACK.test(gateway) ? directDispatcher() : undefined },
  };
}

/** An agent's name in the form that the gateway and the ledger accept. */
export function agentName(text: string): string {
  return text
    .replaceAll(/[\x00-\x1f\x7f]/g, ' ')
    .trim()
    .slice(0, LONGEST_AGENT)
    .toWellFormed();
}

function readBase(value: string, what: string): string {
  const url = URL.parse(value);
  const hint = 'give a URL such as http://127.0.0.1:8787 or https://router.huggingface.co';
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new AppError('invalid', `the URL of ${what} is neither https nor http`, { hint });
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new AppError('invalid', `the URL of ${what} has a query, a fragment or credentials; a base URL has none`, {
      hint,
    });
  }
  if (url.protocol === 'http:' && !LOOPBACK.test(url.origin)) {
    throw new AppError('invalid', `${url.origin} of ${what} would receive tokens unencrypted`, {
      hint: 'use https; http is allowed on loopback only',
    });
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/** The default name: one process is one agent. */
function programName(): string {
  const script = process.argv[1];
  const name = script === undefined ? 'node' : basename(script).replace(/\.[cm]?[jt]sx?$/, '');
  return `${name}-${process.pid}`;
}

/** The default file: one for each gateway, so that its calls are reported only to it. */
function defaultSpool(gateway: string, env: NodeJS.ProcessEnv): string {
  const name = gateway.replace(/^https?:\/\//, '').replaceAll(/[^\w.-]+/g, '-');
  return join(stateFolder(env), `outcomes-${name}.jsonl`);
}

function stateFolder(env: NodeJS.ProcessEnv): string {
  const state = env['XDG_STATE_HOME'];
  if (state !== undefined && state.startsWith('/')) return join(state, 'upshift');
  const home = homedir();
  // Some containers run as a user that has no home folder.
  if (home !== '' && home !== '/' && home !== '/nonexistent') return join(home, '.local', 'state', 'upshift');
  return join(tmpdir(), `upshift-${userInfo().uid}`);
}
