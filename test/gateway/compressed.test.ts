import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { readerFor } from '../../src/gateway/attempt/answer-reader.ts';
import { MODEL, SSE, ask, chat, chatAnswer, chatEvents, json, startRig, startUpstream } from './rig.ts';

const WAYS: readonly (readonly [encoding: string, compress: (text: string) => Buffer, raw?: 'raw'])[] = [
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['GZIP', gzipSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync, 'raw'],
];

const JSON_TYPE = { 'content-type': 'application/json' };
const STREAM = chatEvents(MODEL, ['Hel', 'lo']).join('');
const WHOLE = JSON.stringify(chatAnswer(MODEL));

const ANSWERS: readonly (readonly [what: string, type: Record<string, string>, text: string, outcome: string])[] = [
  ['a whole stream', SSE, STREAM, 'ok'],
  ['a stream that is cut', SSE, STREAM.slice(0, STREAM.indexOf('finish_reason":"stop')), 'incomplete_answer'],
  ['a stream of nothing', SSE, 'data: [DONE]\n\n', 'empty_answer'],
  ['a stream with an error', SSE, 'data: {"error":{"message":"no"}}\n\n', 'server_error'],
  ['a whole answer', JSON_TYPE, WHOLE, 'ok'],
  ['an error', JSON_TYPE, '{"error":"no"}', 'server_error'],
  ['a page', { 'content-type': 'text/html' }, '<html>', 'incomplete_answer'],
  ['nothing', JSON_TYPE, '', 'empty_answer'],
];

for (const [encoding, compress, raw = 'as the standard says'] of WAYS) {
  test(`an endpoint’s answer is judged although it is compressed: ${encoding}, ${raw}`, async () => {
    await using router = await startUpstream((res) => json(res, 200, chatAnswer('from serverless')));
    for (const [what, type, text, outcome] of ANSWERS) {
      const bytes = compress(text);
      await using endpoint = await startUpstream((res) => {
        res.writeHead(200, { ...type, 'content-encoding': encoding, 'content-length': bytes.length });
        res.end(bytes);
      });
      await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
      await ask(rig.url, { body: chat() });
      const [call] = await rig.recorded(1);
      assert.equal(call?.outcome, outcome, what);
      // A stream has reached the client by then.
      if (type !== SSE) assert.equal(call?.servedBy, outcome === 'ok' ? 'dedicated' : 'serverless', what);
      if (outcome === 'ok') assert.deepEqual([call?.isEmpty, call?.promptTokens], [false, 7], what);
    }
  });
}

const judge = (encoding: string, ...pieces: readonly Buffer[]) => {
  const reader = readerFor({ ...JSON_TYPE, 'content-encoding': encoding }, true);
  for (const piece of pieces) reader.chunk(piece);
  return [reader.end(), reader.hasOutput];
};

test('a compressed answer that has no end of its own is read as far as it goes', () => {
  const bytes = gzipSync(WHOLE);
  assert.deepEqual(judge('gzip', bytes.subarray(0, 20), bytes.subarray(20, -8)), ['ok', true]);
  assert.deepEqual(judge('gzip', bytes.subarray(0, -30)), ['incomplete_answer', null]);
});

test('bytes that are not compressed as they say are no answer', () => {
  for (const encoding of ['gzip', 'br', 'zstd']) {
    assert.deepEqual(judge(encoding, Buffer.from('<html>busy</html>')), ['incomplete_answer', null]);
  }
});

test('a compressed answer that is too large, or becomes so, or is compressed twice, is not judged', () => {
  const bomb = gzipSync(Buffer.alloc(2 * 1024 * 1024));
  assert.deepEqual(judge('gzip', bomb), ['ok', null]);
  assert.deepEqual(judge('gzip', Buffer.alloc(200_000), Buffer.from('x')), ['ok', null]);
  assert.deepEqual(judge('gzip, br', Buffer.from('x')), ['ok', null]);
});

test('an encoding that compresses nothing hides nothing', () => {
  for (const encoding of ['', 'identity', 'identity, identity', 'utf-8', 'UTF-8', 'none', 'binary', 'aws-chunked']) {
    assert.deepEqual(judge(encoding, Buffer.from('{"error":"no"}')), ['server_error', false], encoding);
  }
});
