import { readFileSync, statSync } from 'node:fs';
import { isEndpointUrl, isLoopbackHost } from '../../core/endpoint-address.ts';
import { AppError, errorMessage } from '../../core/errors.ts';
import type { CompareRequest } from '../../core/compare/built-in.ts';
import { readRequests } from '../../core/compare/request-file.ts';
import type { Address } from '../../compare/side.ts';
import { checkNumber } from '../input/options.ts';
import { readBaseUrl } from '../input/base-url.ts';
import { parseSpan } from '../input/span.ts';

/** The options of the command line; undefined if one is missing. */
export interface CompareWords {
  readonly urlA: string;
  readonly urlB: string;
  readonly model: string | undefined;
  readonly modelB: string | undefined;
  readonly requests: string | undefined;
  readonly n: number;
  readonly margin: string;
  readonly baseline: string;
  readonly concurrency: number;
  readonly timeout: string;
  readonly seed: number;
  readonly show: number;
  readonly keyEnv: string | undefined;
  readonly keyEnvA: string | undefined;
  readonly keyEnvB: string | undefined;
}

/** A comparison as it was asked for. */
export interface ComparePlan {
  readonly a: Address;
  readonly b: Address;
  readonly count: number;
  readonly margin: number;
  readonly baseline: number;
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly seed: number;
  readonly show: number;
  /** Null: the built-in ones. */
  readonly requests: readonly CompareRequest[] | null;
}

const [MOST_REQUESTS, MOST_AT_ONCE, MOST_SHOWN] = [20_000, 64, 100];
/** Longer than this, `fetch` itself does not wait for the first byte. */
const LONGEST_MS = 300_000;
const LARGEST_FILE = 256 * 1024 * 1024;

/** Reads and checks the options. `routerUrl`: Hugging Face's router by the environment. Throws AppError `invalid`. */
export function planCompare(words: CompareWords, env: NodeJS.ProcessEnv, routerUrl: string): ComparePlan {
  const { n, concurrency, seed, show } = words;
  checkWhole('n', n, 1, MOST_REQUESTS);
  checkWhole('concurrency', concurrency, 1, MOST_AT_ONCE);
  checkWhole('seed', seed, 0, 0xffff_ffff);
  checkWhole('show', show, 0, MOST_SHOWN);
  const side = (name: 'A' | 'B', text: string, named: string | undefined): Address => {
    const url = readBaseUrl(text);
    return { name, url: url.href, key: keyFor(url, named ?? words.keyEnv, env, routerUrl) };
  };
  return {
    a: side('A', words.urlA, words.keyEnvA),
    b: side('B', words.urlB, words.keyEnvB),
    count: n,
    margin: readShare('margin', words.margin, 0.001, 0.5),
    baseline: readShare('baseline', words.baseline, 0, 1),
    concurrency,
    timeoutMs: readTimeout(words.timeout),
    seed,
    show,
    requests: words.requests === undefined ? null : readFile(words.requests),
  };
}

/**
 * The key for a URL: of the variable that is named for it, else HF_TOKEN if the host is Hugging Face's. No other host ever gets
 * a key that was not named for it.
 */
function keyFor(url: URL, variable: string | undefined, env: NodeJS.ProcessEnv, routerUrl: string): string | null {
  const key = variable === undefined ? ofHuggingFace(url, env, routerUrl) : env[variable]?.trim();
  if (variable !== undefined && !key) {
    throw new AppError('invalid', `--key-env names ${variable}, which is not set`, {
      hint: `export ${variable}, or name another variable that holds the key; never give the key itself`,
    });
  }
  if (key === undefined || key === null || key === '') return null;
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new AppError('invalid', `${variable ?? 'HF_TOKEN'} holds characters that no key has`);
  }
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
    throw new AppError('invalid', `the key would go to ${url.host} unencrypted`, {
      hint: 'use https; http is allowed on loopback only (http://127.0.0.1:PORT)',
    });
  }
  return key;
}

const ROUTER = 'router.huggingface.co';

function ofHuggingFace(url: URL, env: NodeJS.ProcessEnv, routerUrl: string): string | null {
  const isRouter = url.protocol === 'https:' && url.hostname === ROUTER;
  const isOurs = isRouter || isEndpointUrl(url.href, [], false) || url.href.startsWith(`${routerUrl}/`);
  return isOurs ? (env['HF_TOKEN']?.trim() ?? null) : null;
}

function readFile(path: string): readonly CompareRequest[] {
  let text: string;
  try {
    if (statSync(path).size > LARGEST_FILE) throw new Error(`it has more than ${LARGEST_FILE / 1024 / 1024} MiB`);
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new AppError('invalid', `--requests ${path} cannot be read: ${errorMessage(cause)}`, { cause });
  }
  return readRequests(text);
}

function readTimeout(text: string): number {
  const ms = parseSpan(text);
  if (ms !== null && ms >= 1_000 && ms <= LONGEST_MS) return ms;
  throw new AppError('invalid', `--timeout "${text}" is no span of time in range`, {
    hint: 'expected a span such as 30s or 2m, from 1s to 5m',
  });
}

/** `10%` or `0.1`. */
function readShare(flag: string, text: string, least: number, most: number): number {
  const value = /^\d+(?:\.\d+)?%?$/.test(text) ? Number.parseFloat(text) / (text.endsWith('%') ? 100 : 1) : Number.NaN;
  checkNumber(flag, value, value >= least && value <= most, `a share from ${least * 100}% to ${most * 100}%`);
  return value;
}

function checkWhole(flag: string, value: number, least: number, most: number): void {
  checkNumber(
    flag,
    value,
    Number.isInteger(value) && value >= least && value <= most,
    `a whole number from ${least} to ${most}`,
  );
}
