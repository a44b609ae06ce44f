import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readRequests } from '../../../src/core/compare/request-file.ts';
import { AppError } from '../../../src/core/errors.ts';

const GOOD: readonly (readonly [line: object, path: string, body: object])[] = [
  [{ model: 'm', messages: [], temperature: 1 }, '/chat/completions', { messages: [], temperature: 1 }],
  [{ prompt: 'a' }, '/completions', { prompt: 'a' }],
  [{ model: 'm', input: ['a'] }, '/embeddings', { input: ['a'] }],
  [
    { custom_id: '1', method: 'POST', url: '/v1/chat/completions', body: { model: 'm', messages: [] } },
    '/chat/completions',
    { messages: [] },
  ],
];

const BAD: readonly (readonly [title: string, file: string, message: RegExp])[] = [
  ['an empty file', '\n\n', /has no requests/],
  ['no JSON', '{"messages":[]}\nsecret words', /^line 2 is no JSON object$/],
  ['no object', '[1]', /^line 1 is no JSON object$/],
  ['no call', '{"secret":"words"}', /^line 1 is no call/],
  ['another route of a batch', '{"url":"/v1/images","body":{"prompt":"secret"}}', /^line 1 is no call/],
];

describe('a file of requests', () => {
  it('has bodies of calls and lines of batches, without their models', () => {
    const file = GOOD.map(([line]) => JSON.stringify(line)).join('\n\n');
    assert.deepEqual(
      readRequests(`${file}\n`).map(({ kind, path, body }) => [kind, path, body]),
      GOOD.map(([, path, body]) => ['own', path, body]),
    );
  });

  for (const [title, file, message] of BAD) {
    it(`is refused, without its words: ${title}`, () => {
      assert.throws(
        () => readRequests(file),
        (error) => {
          assert.ok(error instanceof AppError && error.code === 'invalid');
          assert.match(error.message, message);
          assert.doesNotMatch(`${error.message}${error.hint}`, /secret/);
          return true;
        },
      );
    });
  }
});
