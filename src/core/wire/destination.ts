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
]);

const NATIVE_METHODS: ReadonlySet<string> = new Set(['GET', 'POST', 'PUT', 'DELETE']);

// Paths with `..` are refused, because they could carry our token to parts of the router that clients must not reach.
const CLIMBING = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)|\\|%5c|%2f%2e|%2e%2f/i;

/** Finds the destination of a request, or null if the gateway does not serve its path. `url` is the request target. */
export function locate(method: string, url: string): Destination | null {
  if (method === 'POST') {
    const kind = OPENAI_KINDS.get(url);
    if (kind !== undefined) return { kind, path: url, agent: null, model: null };
  }
  const prefix = /^\/agents\/([^/?]+)(?=\/)/.exec(url);
  if (prefix === null) return locatePlain(method, url, null);
  const agent = decode(prefix[1] ?? '');
  return agent === null ? null : locatePlain(method, url.slice(prefix[0].length), agent);
}

function locatePlain(method: string, url: string, agent: string | null): Destination | null {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark);
  if (CLIMBING.test(path)) return null;
  if (method === 'POST') {
    const kind = OPENAI_KINDS.get(path);
    if (kind !== undefined) return { kind, path: url, agent, model: null };
  }
  if (method === 'GET' && (path === '/v1/models' || path.startsWith('/v1/models/'))) {
    return { kind: 'models', path: url, agent, model: null };
  }
  if (!NATIVE_METHODS.has(method)) return null;
  const [, first = '', ...rest] = path.split('/');
  if (first === 'models') {
    const model = modelOf(rest);
    return model === null ? null : { kind: 'native', path: `/hf-inference${path}${query}`, agent, model };
  }
  if (!PROVIDERS.has(first) || rest.length === 0) return null;
  const model = first === 'hf-inference' && rest[0] === 'models' ? modelOf(rest.slice(1)) : null;
  return { kind: 'native', path: url, agent, model };
}

/** `org/name` or the bare name of old models, before a sub-path such as `pipeline/...` or `v1/...`. */
function modelOf(segments: readonly string[]): string | null {
  const [first, second] = segments;
  if (first === undefined || first === '') return null;
  const hasOrganization = second !== undefined && second !== '' && second !== 'pipeline' && second !== 'v1';
  return decode(hasOrganization ? `${first}/${second}` : first);
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** A model's name without the router's suffix (`:fastest`, `:groq`). */
export function baseModel(model: string): string {
  const colon = model.lastIndexOf(':');
  return colon > 0 && model.indexOf('/', colon) < 0 && !model.includes('://') ? model.slice(0, colon) : model;
}
