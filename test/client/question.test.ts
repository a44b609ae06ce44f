import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readQuestion } from '../../src/client/question.ts';
import { locate } from '../../src/core/wire/destination.ts';
import type { Destination } from '../../src/core/wire/destination.ts';
import { readContent as readAtGateway } from '../../src/gateway/request/incoming-call.ts';

const PATHS = ['/v1/chat/completions', '/v1/embeddings', '/v1/messages', '/models/org/name', '/groq/x', '/fal-ai/a/b'];

test('a call past the gateway has the model and the shape that the gateway would have read', () => {
  const part = fc.record(
    {
      model: fc.constantFrom('org/name', 'org/name:groq', 'name', 'http://host:80/x'),
      stream: fc.constantFrom(true, false, null),
      tools: fc.constantFrom(null, [], [{}], {}),
      response_format: fc.constantFrom(null, {}, { type: 'json_object' }),
      messages: fc.constantFrom([], [{ type: 'image_url' }], [{ text: 'an "image_url" is no picture' }]),
    },
    { requiredKeys: ['model'] },
  );
  fc.assert(
    fc.property(fc.constantFrom(...PATHS), part, fc.boolean(), (path, value, isBytes) => {
      const destination = locate('POST', path) as Destination;
      const text = JSON.stringify(value);
      const expected = readAtGateway(destination, Buffer.from(text));
      assert.ok('shape' in expected);
      const found = readQuestion(destination, new Headers(), isBytes ? new TextEncoder().encode(text) : text);
      assert.deepEqual(found, { model: expected.model, shape: expected.shape });
    }),
    { numRuns: 300 },
  );
});

test('an unreadable body gives no model and no shape, and no name makes a report invalid', () => {
  const chat = locate('POST', '/v1/chat/completions') as Destination;
  for (const body of ['no json', '[]', 'null', '"text"', new FormData(), null]) {
    assert.deepEqual(readQuestion(chat, new Headers(), body), { model: null, shape: 'chat' });
  }
  const zipped = new Headers({ 'content-encoding': 'gzip' });
  assert.deepEqual(readQuestion(chat, zipped, '{"model":"a"}'), { model: null, shape: 'chat' });
  for (const model of ['', 'a\n', '\ud800', 'm'.repeat(1_025), 7]) {
    assert.deepEqual(readQuestion(chat, new Headers(), JSON.stringify({ model })).model, null);
  }
});
