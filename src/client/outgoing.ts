/** The body of a call. */
export type Body = NonNullable<RequestInit['body']>;

/** A call in a form that can be sent more than once. */
export interface Outgoing {
  readonly method: string;
  readonly headers: Headers;
  readonly body: Body | null;
  readonly signal: AbortSignal | undefined;
  /** The caller's other options for `fetch`. */
  readonly rest: RequestInit;
}

type Input = Parameters<typeof globalThis.fetch>[0];

/** The URL and the method that the arguments of a `fetch` name. */
export function targetOf(
  input: Input,
  init: RequestInit | undefined,
): { readonly url: string; readonly method: string } {
  const request = asRequest(input);
  const url = request === null ? (input as string | URL).toString() : request.url;
  return { url, method: (init?.method ?? request?.method ?? 'GET').toUpperCase() };
}

/**
 * Reads the arguments of a `fetch`. A body that is a stream is read completely, so that it can be sent twice; rejects
 * with the signal's reason if the signal aborts meanwhile.
 */
export async function readOutgoing(input: Input, init: RequestInit | undefined, method: string): Promise<Outgoing> {
  const request = asRequest(input);
  const headers = new Headers(init?.headers ?? request?.headers);
  const signal = (init?.signal === null ? undefined : (init?.signal ?? request?.signal)) ?? undefined;
  signal?.throwIfAborted();
  const given = init?.body ?? request?.body ?? null;
  const body = isStream(given) ? await unlessAborted(readWhole(given), signal) : given;
  const redirect = request === null ? {} : { redirect: request.redirect };
  return { method, headers, body, signal, rest: { ...redirect, ...init } };
}

/** Also accepts Request objects from another implementation of the standard. */
function asRequest(input: Input): Request | null {
  return typeof input === 'string' || input instanceof URL || !('url' in input) ? null : input;
}

type Chunks = AsyncIterable<Uint8Array | string>;

function isStream(body: object | string | null): body is Chunks {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

async function readWhole(body: Chunks): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks);
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
