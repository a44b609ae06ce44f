import type { IncomingHttpHeaders } from 'node:http';
import { callShape } from '../../core/route.ts';
import type { CallFeature, CallShape } from '../../core/route.ts';
import { baseModel } from '../../core/wire/destination.ts';
import type { Destination } from '../../core/wire/destination.ts';
import { INVALID_JSON, NO_MODEL } from './reply.ts';
import type { Reply } from './reply.ts';
import { scanObject } from './scan.ts';
import type { Scan } from './scan.ts';

/** A request that was read. */
export interface IncomingCall {
  /** Epoch µs. */
  readonly arrivedAtUs: number;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** Flat, as they came. */
  readonly rawHeaders: readonly string[];
  readonly destination: Destination;
  readonly body: Buffer;
  readonly content: CallContent;
}

/** What a request asks for, as far as its path and body say. */
export interface CallContent {
  /** The model's name without the router's suffix; null where it is not known. */
  readonly model: string | null;
  readonly shape: CallShape;
  /** The provider that the model's suffix names (`:groq`), '' where none. */
  readonly suffix: string;
  /** Null where the body was not or could not be read. */
  readonly scan: Scan | null;
}

/**
 * Reads a request. A body that is encoded, or of a provider's own shape, may say nothing; one of OpenAI's shapes must be
 * a JSON object with a model, or it is answered with the returned reply.
 */
export function readContent(destination: Destination, encoding: string | undefined, body: Buffer): CallContent | Reply {
  const { kind, model } = destination;
  const isEncoded = encoding !== undefined && encoding !== '' && encoding !== 'identity';
  if (kind === 'models' || isEncoded) return { model, suffix: '', shape: kind, scan: null };
  if (kind === 'native') {
    const scan = model === null && body.length > 0 ? scanObject(body) : null;
    const named = scan === null || scan.model === null ? null : scan.model;
    return { model: model ?? (named === null ? null : baseModel(named)), suffix: '', shape: kind, scan };
  }
  const scan = scanObject(body);
  if (scan === null) return INVALID_JSON;
  if (scan.model === null || scan.model === '') return NO_MODEL;
  const base = baseModel(scan.model);
  return { model: base, suffix: scan.model.slice(base.length + 1), shape: shapeOf(destination, scan), scan };
}

/** Whose limit a call comes under: that of the provider it names in its path or its model; '' where the router chooses. */
export function providerOf({ kind, path }: Destination, { suffix }: CallContent): string {
  return kind === 'native' ? (path.split('/', 2)[1] ?? '') : suffix;
}

/** How long a client says it waits, ms: `X-Request-Timeout`, in seconds or with a unit (`30`, `30s`, `1500ms`). */
export function clientPatienceMs(headers: IncomingHttpHeaders): number {
  const said = headers['x-request-timeout'];
  const match = typeof said === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*(ms|s)?\s*$/.exec(said) : null;
  return match === null ? Number.POSITIVE_INFINITY : Number(match[1]) * (match[2] === 'ms' ? 1 : 1_000);
}

function shapeOf({ kind }: Destination, scan: Scan): CallShape {
  if (!scan.isStream && !scan.hasTools && !scan.isStructured && !scan.hasMedia) return kind;
  const features = new Set<CallFeature>();
  if (scan.isStream) features.add('stream');
  if (scan.hasTools) features.add('tools');
  if (scan.isStructured) features.add('structured');
  if (scan.hasMedia) features.add('media');
  return callShape(kind, features);
}
