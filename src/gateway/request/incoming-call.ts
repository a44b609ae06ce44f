import type { IncomingHttpHeaders } from 'node:http';
import { ROUTER_CHOICES } from '../../core/policy/care.ts';
import { callShape } from '../../core/route.ts';
import type { CallFeature, CallShape } from '../../core/route.ts';
import { baseModel, PROVIDERS } from '../../core/wire/destination.ts';
import type { Destination } from '../../core/wire/destination.ts';
import { INVALID_JSON, NO_MODEL } from './reply.ts';
import type { Reply } from './reply.ts';
import { scanObject } from './scan.ts';
import type { Scan } from './scan.ts';
import type { Upload } from './upload.ts';

/** A client's request after its body was read. */
export interface IncomingCall {
  /** Epoch µs. */
  readonly arrivedAtUs: number;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as the client sent them. */
  readonly rawHeaders: readonly string[];
  readonly destination: Destination;
  /** Empty if it is too large to be kept: then it is in `upload`. */
  readonly body: Buffer;
  readonly upload: Upload | null;
  readonly content: CallContent;
}

/** What a request asks for, as far as its path and body show. */
export interface CallContent {
  /** The model's name without the router's suffix; null if it is not known. */
  readonly model: string | null;
  readonly shape: CallShape;
  /** The suffix of the model's name without its colon (`groq`); '' if there is none. */
  readonly suffix: string;
  /** Null if the body was not or could not be scanned. */
  readonly scan: Scan | null;
}

/**
 * Reads what a request asks for. A body in a provider's own format may remain unread. A body in one of OpenAI's formats
 * must be a JSON object with a model; otherwise the reply for the client is returned.
 */
export function readContent(destination: Destination, body: Buffer): CallContent | Reply {
  const { kind, model } = destination;
  if (kind === 'models') return unreadContent(destination);
  if (kind === 'native') {
    const scan = model === null && body.length > 0 ? scanObject(body) : null;
    const named = scan === null ? null : scan.model;
    if (model !== null || named === null || named === '') return { model, suffix: '', shape: kind, scan };
    return { ...splitModel(named), shape: kind, scan };
  }
  const scan = scanObject(body);
  if (scan === null) return INVALID_JSON;
  if (scan.model === null || scan.model === '') return NO_MODEL;
  return { ...splitModel(scan.model), shape: shapeOf(destination, scan), scan };
}

/**
 * Reads what a request asks for whose body is encoded. `text`: the decoded body; null if it cannot be decoded. What is
 * wrong with it is the upstream's to say. There is no scan, because the body goes on as it came: nothing in it can be
 * replaced, and so it stays with serverless.
 */
export function readEncoded(destination: Destination, text: Buffer | null): CallContent {
  const content = text === null ? unreadContent(destination) : readContent(destination, text);
  return 'code' in content ? unreadContent(destination) : { ...content, scan: null };
}

/** What the path alone shows of a request. */
export function unreadContent({ kind, model }: Destination): CallContent {
  return { model, suffix: '', shape: kind, scan: null };
}

function splitModel(named: string): Pick<CallContent, 'model' | 'suffix'> {
  const model = baseModel(named);
  return { model, suffix: named.slice(model.length + 1) };
}

/**
 * The provider whose limit applies to a call: the one that its path or its model names; '' if the router chooses one.
 */
export function providerOf({ kind, path }: Destination, { suffix }: CallContent): string {
  const first = kind === 'native' ? (path.split('/', 2)[1] ?? '') : '';
  return PROVIDERS.has(first) ? first : suffix;
}

/** Whether the client demands a provider: its suffix is none of the ways in which the router chooses one. */
export function demandsProvider({ suffix }: CallContent): boolean {
  return suffix !== '' && !ROUTER_CHOICES.has(suffix.toLowerCase());
}

/**
 * How long a client waits, ms, from `X-Request-Timeout`: in seconds or with a unit (`30`, `30s`, `1500ms`). Infinite
 * without a readable header.
 */
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
