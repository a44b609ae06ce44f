import type { CallKind } from '../route.ts';

/** Where a request goes, according to its method and path. */
export interface Destination {
  readonly kind: CallKind;
  /** Path and query on the router, before its own prefix. Calls that may be split have the same path on an endpoint. */
  readonly path: string;
  /** The agent's id, if the path began with `/agents/{id}/`; else null. */
  readonly agent: string | null;
  /** The model, if the path names it; else null. */
  readonly model: string | null;
}

const CONTROL = /\p{Cc}/u;

/** The router's first path segments, from the provider list of `@huggingface/inference` 4.13.30. */
export const PROVIDERS: ReadonlySet<string> = new Set([
  'baseten',
  'cerebras',
  'cohere',
  'deepinfra',
  'fal-ai',
  'featherless-ai',
  'fireworks-ai',
  'groq',
  'hf-inference',
  'novita',
  'nscale',
  'openai',
  'ovhcloud',
  'publicai',
  'replicate',
  'scaleway',
  'together',
  'wavespeed',
  'zai-org',
]);

const OPENAI_KINDS: ReadonlyMap<string, CallKind> = new Map([
  ['/v1/chat/completions', 'chat'],
  ['/v1/completions', 'completion'],
  ['/v1/embeddings', 'embedding'],
  ['/v1/responses', 'response'],
  ['/v1/messages', 'message'],
  // It answers with a number, not with a completion, and no engine serves it.
  ['/v1/messages/count_tokens', 'native'],
]);

const NATIVE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE']);

/** A target in absolute form: its scheme and host, and what follows. */
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i;

/** The names of this machine, with any port, because a tunnel may change the port. */
const OURS = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i;

// Paths with `..` are refused, because they could carry our token to parts of the router that clients must not reach.
const CLIMBING = /(?:^|\/|%2f)(?:\.|%2e){1,2}(?:\/|%2f|$)|\\|%5c/i;

/**
 * Finds the destination of a request, or null if the gateway does not serve its path. `url` is the request target.
 * Slashes that are repeated count as one. So does a slash at the end of a path of OpenAI's.
 */
export function locate(method: string, url: string): Destination | null {
  if (method === 'POST') {
    const kind = OPENAI_KINDS.get(url);
    if (kind !== undefined) return { kind, path: url, agent: null, model: null };
  }
  const target = plainTarget(url);
  if (target === null) return null;
  const prefix = /^\/agents\/([^/]+)(?=\/)/.exec(target.path);
  if (prefix === null) return locatePlain(method, target, null);
  const agent = decode(prefix[1] ?? '');
  if (agent === null) return null;
  return locatePlain(method, { ...target, path: target.path.slice(prefix[0].length) }, agent);
}

/** A request target without scheme, host and repeated slashes. `query`: with its question mark, or ''. */
interface PlainTarget {
  readonly path: string;
  readonly query: string;
}

/**
 * The path and query of a target. Null if the target names another host: whoever uses the gateway as a proxy for that
 * host must not have its credentials sent to the router.
 */
function plainTarget(url: string): PlainTarget | null {
  const absolute = ABSOLUTE.exec(url);
  if (absolute !== null && !OURS.test(absolute[1] ?? '')) return null;
  const target = absolute === null ? url : (absolute[2] ?? '');
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  if (!path.startsWith('/')) return null;
  return { path: path.replaceAll(/\/{2,}/g, '/'), query: mark < 0 ? '' : target.slice(mark) };
}

function locatePlain(method: string, { path, query }: PlainTarget, agent: string | null): Destination | null {
  if (CLIMBING.test(path)) return null;
  const bare = path.endsWith('/') ? path.slice(0, -1) : path;
  const kind = openAiKind(method, bare);
  if (kind !== null) return { kind, path: `${bare}${query}`, agent, model: null };
  if (!NATIVE_METHODS.has(method)) return null;
  const [, first = '', ...rest] = path.split('/');
  if (first === 'models') {
    const model = modelOf(rest);
    return model === null ? null : { kind: 'native', path: `/hf-inference${path}${query}`, agent, model };
  }
  if (!PROVIDERS.has(first) || rest.length === 0) return null;
  const model = first === 'hf-inference' && rest[0] === 'models' ? modelOf(rest.slice(1)) : null;
  return { kind: 'native', path: `${path}${query}`, agent, model };
}

/**
 * Whether a request only asks if a server is there: clients ask for these paths before their first call. `url` is the
 * request target.
 */
export function isGreeting(method: string, url: string): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const path = plainTarget(url)?.path;
  return path === '/' || path === '/api/hello';
}

function openAiKind(method: string, path: string): CallKind | null {
  if (method === 'POST') return OPENAI_KINDS.get(path) ?? null;
  const isRead = method === 'GET' || method === 'HEAD';
  return isRead && (path === '/v1/models' || path.startsWith('/v1/models/')) ? 'models' : null;
}

/** `org/name` or the bare name of old models, before a sub-path such as `pipeline/...` or `v1/...`. */
function modelOf(segments: readonly string[]): string | null {
  const [first, second] = segments;
  if (first === undefined || first === '') return null;
  const hasOrganization = second !== undefined && second !== '' && second !== 'pipeline' && second !== 'v1';
  return decode(hasOrganization ? `${first}/${second}` : first);
}

/** A part of a path as its sender meant it; null if it is none, or if it could write to a terminal. */
function decode(text: string): string | null {
  try {
    const plain = decodeURIComponent(text);
    return CONTROL.test(plain) ? null : plain;
  } catch {
    return null;
  }
}

/** A model's name without the router's suffix (`:fastest`, `:groq`). */
export function baseModel(model: string): string {
  const colon = model.lastIndexOf(':');
  return colon > 0 && model.indexOf('/', colon) < 0 && !model.includes('://') ? model.slice(0, colon) : model;
}
