import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { saysOverloaded } from '../../../src/core/overflow/overload-words.ts';

const full: readonly [who: string, body: string][] = [
  ['SGLang', '{"error":{"message":"The request queue is full.","code":503}}'],
  ['vLLM', '{"error":{"message":"Too many queued requests","type":"ServiceUnavailable","code":503}}'],
  ['vLLM', '{"message":"Queue is full"}'],
  ['llama.cpp', '{"error":{"code":503,"message":"no slot available","type":"unavailable_error"}}'],
  ['TGI', '{"error":"Model is overloaded","error_type":"overloaded"}'],
  ['Envoy', 'envoy overloaded'],
  ['Envoy', 'upstream connect error or disconnect/reset before headers. reset reason: overflow'],
  ['a custom router', '  queue full'],
  ['another server', '{"error":"The server is currently overloaded"}'],
];

const sick: readonly [who: string, body: string][] = [
  ['a scaled endpoint', '{"error":"503 Service Unavailable","code":"SERVICE_UNAVAILABLE"}'],
  ['llama.cpp that loads', '{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}'],
  ['TGI that is sick', '{"error":"unhealthy","error_type":"healthcheck"}'],
  ['an engine that quotes a prompt', '{"error":"bad input: Model is overloaded"}'],
  [
    'Envoy without a host',
    'upstream connect error or disconnect/reset before headers. reset reason: connection failure',
  ],
  ['nobody', ''],
];

describe('the words of an overload', () => {
  for (const [who, body] of full)
    it(`are in what ${who} says: ${body}`, () => assert.equal(saysOverloaded(body), true));
  for (const [who, body] of sick)
    it(`are not in what ${who} says: ${body}`, () => assert.equal(saysOverloaded(body), false));
});
