import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { scanObject } from '../../../src/gateway/request/scan.ts';
import { EventSplicer, spliceModel } from '../../../src/gateway/attempt/splice.ts';

/** Text of a JSON value with arbitrary white space and escapes, as a writer other than JSON.stringify may write it. */
function written(value: unknown, spaces: () => string, escapes: () => boolean): string {
  const text = (one: string) => {
    const plain = JSON.stringify(one);
    if (!escapes()) return plain;
    const units = [...Array(one.length).keys()].map((i) => one.charCodeAt(i).toString(16).padStart(4, '0'));
    return `"${units.map((unit) => `\\u${unit}`).join('')}"`;
  };
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value)) {
    return `[${spaces()}${value.map((one) => written(one, spaces, escapes)).join(`${spaces()},${spaces()}`)}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([key, one]) => `${text(key)}${spaces()}:${spaces()}${written(one, spaces, escapes)}`,
    );
    return `{${spaces()}${members.join(`${spaces()},${spaces()}`)}${spaces()}}`;
  }
  return JSON.stringify(value);
}

const awkward = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom('model', '"model":"x"', '\\', '\\\\"', '{"model":', 'image_url', ']}', '\n\t"', 'ümläut', '😀'),
);
const anything = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    awkward,
    fc.integer(),
    fc.constantFrom(true, false, null),
    tie('list'),
    tie('map'),
  ),
  list: fc.array(tie('value'), { maxLength: 4 }),
  map: fc.dictionary(fc.oneof(awkward, fc.constantFrom('model', 'stream', 'tools')), tie('value'), { maxKeys: 4 }),
})).value;
const request = fc.record(
  {
    messages: anything,
    model: fc.oneof(awkward, anything),
    stream: fc.oneof(fc.boolean(), fc.constant(null)),
    tools: fc.oneof(fc.constant(null), fc.constant([]), fc.array(anything, { minLength: 1, maxLength: 2 })),
    response_format: fc.oneof(fc.constant(null), fc.constant({ type: 'json_object' })),
    extra: anything,
  },
  { requiredKeys: [] },
);

test('finds what JSON.parse finds, however the text is written', () => {
  fc.assert(
    fc.property(
      request,
      fc.infiniteStream(fc.constantFrom('', ' ', '\n ')),
      fc.infiniteStream(fc.boolean()),
      (value, spaces, escapes) => {
        const next =
          <T>(stream: Iterator<T>) =>
          () =>
            stream.next().value as T;
        const text = written(value, next(spaces), next(escapes));
        const parsed = JSON.parse(text) as Record<string, unknown>;
        const scan = scanObject(Buffer.from(text));
        assert.ok(scan);
        const model = typeof parsed['model'] === 'string' ? parsed['model'] : null;
        assert.equal(scan.model, model);
        assert.equal(scan.isStream, parsed['stream'] === true);
        const tools = parsed['tools'];
        assert.equal(scan.hasTools, Array.isArray(tools) && tools.length > 0);
        assert.equal(scan.isStructured, (parsed['response_format'] ?? null) !== null);
        assert.equal(scan.hasMedia, /(?<!\\)"(?:image_url|video_url|input_audio)"/.test(text));
      },
    ),
    { numRuns: 500 },
  );
});

test('takes the last of repeated keys', () => {
  const scan = scanObject(Buffer.from('{"model":"a","stream":true,"model":"b","stream":false}'));
  assert.equal(scan?.model, 'b');
  assert.equal(scan?.isStream, false);
});

test('a repeated model that is not a string hides the one before it', () => {
  assert.equal(scanObject(Buffer.from('{"model":"a","model":3}'))?.model, null);
});

test('refuses what cannot be a JSON object', () => {
  const wrong = [
    '',
    '  ',
    'hello',
    '[1]',
    '"model"',
    '{',
    '{"model"',
    '{"model":',
    '{"model":}',
    '{"model":"a"',
    '{"a":1 "b":2}',
  ];
  for (const text of [...wrong, '{"model":"a"} x', '{"a":[1}', '{"model":"\\x"}', '{a:1}', '{"a":"\\"}']) {
    assert.equal(scanObject(Buffer.from(text)), null, text);
  }
});

test('an object that is cut off at any place is refused', () => {
  const text = Buffer.from(JSON.stringify({ messages: [{ content: 'a "b" \\ {' }], model: 'm', n: 1 }));
  for (let end = 0; end < text.length; end++) assert.equal(scanObject(text.subarray(0, end)), null);
});

test('replacing the model changes nothing else, and replacing it back gives the same bytes', () => {
  fc.assert(
    fc.property(request, awkward, awkward, (value, served, own) => {
      const body = Buffer.from(JSON.stringify({ ...value, model: own }));
      const there = spliceModel(body, served);
      assert.deepEqual(JSON.parse(there.toString()), { ...(JSON.parse(body.toString()) as object), model: served });
      assert.equal(spliceModel(there, own).toString(), body.toString());
    }),
  );
});

test('the models of a stream are replaced, wherever its chunks end', () => {
  const lines = (model: string) =>
    `: ping\n\ndata: ${JSON.stringify({ model, choices: [{ delta: { content: 'say "model": "x" \\ ü😀' } }] })}\n\nevent: x\r\ndata:{"model": "${model}"}\r\n\r\ndata: [DONE]\n\n`;
  const bytes = Buffer.from(lines('served'));
  for (let cut = 0; cut <= bytes.length; cut++) {
    const splicer = new EventSplicer('acme/tiny');
    const out = [splicer.push(bytes.subarray(0, cut)), splicer.push(bytes.subarray(cut)), splicer.flush()];
    const expected = lines('acme/tiny').replace('"model": "acme/tiny"', '"model": "acme/tiny"');
    assert.equal(Buffer.concat(out).toString(), expected);
  }
  const one = new EventSplicer('acme/tiny');
  const single = [...bytes].map((byte) => one.push(Buffer.from([byte])));
  assert.equal(Buffer.concat([...single, one.flush()]).toString(), lines('acme/tiny'));
});

test('a line without an end is passed on, so that the kept bytes are bounded', () => {
  const splicer = new EventSplicer('m');
  const piece = Buffer.alloc(300_000, 0x61);
  let out = 0;
  for (let i = 0; i < 10; i++) out += splicer.push(piece).length;
  assert.ok(out >= 10 * 300_000 - 1_100_000);
  assert.equal(out + splicer.push(Buffer.from('\ndata: {"model":"x"}\n')).length + splicer.flush().length, 3_000_021);
});

test('a model that contains half a surrogate pair is refused', () => {
  assert.equal(scanObject(Buffer.from('{"model":"x/y\\ud800","messages":[]}')), null);
  assert.equal(scanObject(Buffer.from('{"model":"x/\\ud83d\\ude00"}'))?.model, 'x/😀');
});
