import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { GATEWAY_DEFAULTS } from '../../src/core/policy/gateway.ts';
import { decodeBody, isEncoded } from '../../src/gateway/request/decode.ts';
import { MODEL, ask, chat, json, startRig, startUpstream } from './rig.ts';
import type { Behaviour } from './rig.ts';

type Encode = (text: string | Buffer) => Buffer;

const ENCODINGS: readonly (readonly [name: string, encode: Encode])[] = [
  ['gzip', gzipSync],
  ['GZip', gzipSync],
  ['x-gzip', gzipSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync],
];

const TWICE = ['gzip, br', (text: string | Buffer) => brotliCompressSync(gzipSync(text))] as const;

/** Answers with the hash of the bytes that came; the rig's upstream keeps bodies as text. */
function hashOf(body: string | Buffer): string {
  return createHash('sha256').update(body.toString()).digest('hex');
}
const hashing: Behaviour = (res, { body, headers }) =>
  json(res, 200, { hash: hashOf(body), encoding: headers['content-encoding'] });

test('an encoded call counts for its model and shape, goes to serverless, and its bytes go on as they came', async () => {
  await using router = await startUpstream(hashing);
  await using endpoint = await startUpstream((res) => json(res, 500, {}));
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, care: POLICY_DEFAULTS.care });
  for (const [name, encode] of ENCODINGS) {
    const body = encode(chat({ model: `${MODEL}:groq`, stream: true, tools: [{ type: 'function' }] }));
    const answer = await ask(rig.url, { body, headers: { 'content-encoding': name } });
    assert.deepEqual(JSON.parse(answer.body), { hash: hashOf(body), encoding: name });
    const call = rig.calls.at(-1);
    assert.equal(call?.model, MODEL, name);
    assert.equal(call?.shape, 'chat+stream+tools', name);
    assert.equal(call?.provider, 'groq', name);
    assert.equal(call?.isEligible, false, name);
    assert.equal(call?.requestBytes, body.length, name);
  }
  // The limit of the provider that the model names applies.
  assert.deepEqual(
    [...rig.gateway.lanes()].map(({ provider }) => provider),
    ['groq'],
  );
  assert.equal(endpoint.received.length, 0);
});

test('what cannot be decoded, or is no call once decoded, is left to the upstream', async () => {
  await using router = await startUpstream(hashing);
  await using rig = await startRig({ router: router.url });
  const whole = gzipSync(chat());
  const bodies: readonly (readonly [name: string, body: Buffer])[] = [
    ['gzip', Buffer.from('no gzip')],
    ['gzip', whole.subarray(0, whole.length - 9)],
    ['br', whole],
    ['aes128gcm', whole],
    ['gzip, gzip, gzip, gzip', gzipSync(gzipSync(gzipSync(whole)))],
    ['gzip', gzipSync('no JSON')],
    ['gzip', gzipSync('{"messages":[]}')],
    ['gzip', Buffer.alloc(0)],
  ];
  for (const [name, body] of bodies) {
    const answer = await ask(rig.url, { body, headers: { 'content-encoding': name } });
    assert.equal((JSON.parse(answer.body) as { hash: string }).hash, hashOf(body), name);
    assert.equal(rig.calls.at(-1)?.model, null, name);
    assert.equal(rig.calls.at(-1)?.shape, 'chat', name);
  }
});

test('a body in several encodings is decoded from the last to the first', async () => {
  await using router = await startUpstream(hashing);
  await using rig = await startRig({ router: router.url });
  const body = brotliCompressSync(gzipSync(chat()));
  for (const name of ['gzip, br', 'identity,gzip,BR']) {
    assert.equal((await ask(rig.url, { body, headers: { 'content-encoding': name } })).status, 200);
    assert.equal(rig.calls.at(-1)?.model, MODEL);
  }
});

test('a small body that stands for an endless text is refused, and is decoded to the limit and no further', async () => {
  const most = 1024 * 1024;
  const text = chat({ pad: 'x'.repeat(16 * most) });
  await using router = await startUpstream(hashing);
  for (const oversized of ['pass', 'reject'] as const) {
    const settings = () => ({ ...GATEWAY_DEFAULTS, maxBody: most, oversized });
    await using rig = await startRig({ router: router.url, settings });
    for (const [name, encode] of [...ENCODINGS, TWICE]) {
      const body = encode(text);
      assert.ok(body.length < most / 8);
      assert.equal(await decodeBody(name, body, most), 'bomb');
      const asked = router.received.length;
      const refused = await ask(rig.url, { body, headers: { 'content-encoding': name } });
      assert.deepEqual([refused.status, refused.headers['x-upshift-error']], [413, 'body_too_large'], name);
      assert.equal(router.received.length, asked);
      const fitting = encode(chat({ pad: 'x'.repeat(most / 2) }));
      assert.equal((await ask(rig.url, { body: fitting, headers: { 'content-encoding': name } })).status, 200);
      assert.equal(rig.calls.at(-1)?.model, MODEL);
    }
  }
});

test('an honest body whose text is too large is treated as one that was sent plain', async () => {
  const most = 64 * 1024;
  const text = chat({ pad: randomBytes(2 * most).toString('hex') });
  await using router = await startUpstream(hashing);
  for (const [oversized, status] of [
    ['pass', 200],
    ['reject', 413],
  ] as const) {
    const settings = () => ({ ...GATEWAY_DEFAULTS, maxBody: most, oversized });
    await using rig = await startRig({ router: router.url, settings });
    // Plain, it is too large already when it is sent.
    const body = gzipSync(chat({ pad: randomBytes(8_000).toString('hex').repeat(6) }));
    assert.ok(body.length < most);
    assert.equal((await ask(rig.url, { body, headers: { 'content-encoding': 'gzip' } })).status, status);
    assert.equal((await ask(rig.url, { body: text })).status, status);
    if (oversized === 'pass') assert.equal(rig.calls.at(-1)?.model, null);
  }
});

test('a body is decoded beside the event loop', async () => {
  const text = Buffer.alloc(1024 * 1024, 'x');
  for (const [name, encode] of ENCODINGS) {
    let isDecoded = false;
    const decoded = decodeBody(name, encode(text), text.length).then((plain) => {
      isDecoded = true;
      return plain;
    });
    // Work that blocked would be done by now: only other threads need a turn of the event loop.
    for (let n = 0; n < 100; n++) await Promise.resolve();
    assert.equal(isDecoded, false, name);
    assert.deepEqual(await decoded, text, name);
  }
});

test('a body is encoded unless its encoding is none', () => {
  for (const encoding of [undefined, '', 'identity', 'Identity']) assert.equal(isEncoded(encoding), false);
  for (const encoding of ['gzip', 'identity, gzip', 'unknown']) assert.equal(isEncoded(encoding), true);
});
