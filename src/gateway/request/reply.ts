import type { ServerResponse } from 'node:http';
import { ERROR_HEADER } from './headers.ts';

/** An answer that the gateway makes itself. */
export interface Reply {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** The error's type; by default it follows from the status. */
  readonly type?: string;
  /** Further headers, names and values in turn. */
  readonly headers?: readonly string[];
}

/** Sends an error in OpenAI's format. */
export function sendReply(res: ServerResponse, reply: Reply): void {
  const { headers, body } = replyParts(reply);
  res.writeHead(reply.status, headers);
  res.end(body);
}

/** The headers of an error in OpenAI's format, names and values in turn, and its body. */
export function replyParts({ status, code, message, type, headers }: Reply): { headers: string[]; body: string } {
  const usual = status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'upstream_error';
  const body = JSON.stringify({ error: { message, type: type ?? usual, code } });
  const own = [
    'content-type',
    'application/json',
    'content-length',
    String(Buffer.byteLength(body)),
    ERROR_HEADER,
    code,
  ];
  return { headers: headers === undefined ? own : [...own, ...headers], body };
}

export function unknownPath(method: string, url: string): Reply {
  const path = url.split('?', 1)[0] ?? '';
  return {
    status: 404,
    code: 'unknown_path',
    message: `${method} ${path.slice(0, 200)} is not a path that the gateway serves. Use /v1/chat/completions, another path of OpenAI's API, /models/{org}/{name}, or a provider's path as on router.huggingface.co.`,
  };
}

/** `why`: in the parser's words. */
export function unreadableRequest(why: string): Reply {
  return {
    status: 400,
    code: 'unreadable_request',
    message: `The request is no valid HTTP/1.1: ${why.slice(0, 200)}.`,
  };
}

export const REQUEST_TIMEOUT: Reply = {
  status: 408,
  code: 'request_timeout',
  message: 'The request did not arrive in time: its headers may take 60 seconds, and the whole of it 5 minutes.',
};

export const UNKNOWN_EXPECTATION: Reply = {
  status: 417,
  code: 'unknown_expectation',
  message: 'The gateway knows no other expectation than 100-continue. Send the request without its Expect header.',
};

export const INVALID_JSON: Reply = {
  status: 400,
  code: 'invalid_json',
  message: 'The request body is not a JSON object. Send a JSON object, with "content-type: application/json".',
};

export const NO_MODEL: Reply = {
  status: 400,
  code: 'model_missing',
  message: 'The request body has no "model". Add "model": "org/name" at its top level.',
};

export const INVALID_REQUEST: Reply = {
  status: 400,
  code: 'invalid_request',
  message:
    'The path or a header of the request cannot be forwarded, because it contains characters that HTTP does not allow.',
};

// A web page in a browser on this machine can reach loopback. It must not be able to use the daemon's token.
export function foreignOrigin(origin: string): Reply {
  return {
    status: 403,
    code: 'foreign_origin',
    message: `The gateway refuses calls of this page: its origin is ${origin.slice(0, 200)}. Call from a program without an Origin header, or add the origin to gateway.origins in the policy.`,
  };
}

export function tooLarge(maxBytes: number, form: 'sent' | 'decoded' = 'sent'): Reply {
  return {
    status: 413,
    code: 'body_too_large',
    message: `The${form === 'decoded' ? ' decoded' : ''} request body is larger than ${maxBytes} bytes, the most that the gateway accepts. Send less, or use several calls.`,
  };
}

// 502 and never 503, because @huggingface/inference 4.13 repeats a call after a 503 at once, without pause or limit.
export const UPSTREAM_UNAVAILABLE: Reply = {
  status: 502,
  code: 'upstream_unavailable',
  message: 'The upstream cannot serve the call at the moment. Try again after a few seconds.',
  headers: ['retry-after', '5'],
};

export const LOCAL_TROUBLE: Reply = {
  status: 502,
  code: 'gateway_exhausted',
  message:
    'The machine of the gateway cannot open a connection: it lacks file descriptors, ports or memory. Its log has the reason. Try again after a few seconds.',
  headers: ['retry-after', '5'],
};

export const UPSTREAM_TIMEOUT: Reply = {
  status: 504,
  code: 'upstream_timeout',
  message: 'The upstream did not answer in time.',
};

export const INTERNAL: Reply = {
  status: 500,
  code: 'internal',
  message: 'The gateway failed to handle the call. The reason is in its log.',
};
