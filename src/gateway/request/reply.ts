import type { ServerResponse } from 'node:http';
import { ERROR_HEADER } from './headers.ts';

/** An answer that the gateway makes by itself. */
export interface Reply {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** More headers, flat. */
  readonly headers?: readonly string[];
}

/** Answers in the shape of OpenAI's errors. */
export function sendReply(res: ServerResponse, { status, code, message, headers }: Reply): void {
  const type = status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'upstream_error';
  const body = JSON.stringify({ error: { message, type, code } });
  const own = [
    'content-type',
    'application/json',
    'content-length',
    String(Buffer.byteLength(body)),
    ERROR_HEADER,
    code,
  ];
  res.writeHead(status, headers === undefined ? own : [...own, ...headers]);
  res.end(body);
}

export function unknownPath(method: string, url: string): Reply {
  const path = url.split('?', 1)[0] ?? '';
  return {
    status: 404,
    code: 'unknown_path',
    message: `${method} ${path.slice(0, 200)} is not served here. Use /v1/chat/completions, another OpenAI path, /models/{org}/{name}, or a provider's path as on router.huggingface.co.`,
  };
}

export const INVALID_JSON: Reply = {
  status: 400,
  code: 'invalid_json',
  message: 'The request body is not a JSON object. Send one, with "content-type: application/json".',
};

export const NO_MODEL: Reply = {
  status: 400,
  code: 'model_missing',
  message: 'The request body names no model. Add "model": "org/name" at the top level.',
};

export const INVALID_REQUEST: Reply = {
  status: 400,
  code: 'invalid_request',
  message: 'The path or a header of the request cannot be sent on: it holds characters that HTTP does not allow.',
};

// A page in somebody's browser can reach loopback: it must not spend the daemon's token.
export const FOREIGN_ORIGIN: Reply = {
  status: 403,
  code: 'foreign_origin',
  message:
    'The gateway takes no calls from pages of other sites (the Origin header names one). Call it from a program.',
};

export function tooLarge(maxBytes: number): Reply {
  return {
    status: 413,
    code: 'body_too_large',
    message: `The request body is larger than the ${maxBytes} bytes that the gateway takes. Send less, or in several calls.`,
  };
}

// 502 and never 503: @huggingface/inference 4.13 repeats a 503 at once, without pause or limit.
export const UPSTREAM_UNAVAILABLE: Reply = {
  status: 502,
  code: 'upstream_unavailable',
  message: 'The upstream could not serve the call just now. Try again after a few seconds.',
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
  message: 'The gateway failed to handle the call. Its log says why.',
};
