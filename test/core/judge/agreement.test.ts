import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Agreement } from '../../../src/core/form/agreement.ts';
import { disagreement } from '../../../src/core/judge/agreement-metric.ts';

const NOTHING: Agreement = { finish: true, tools: null, args: null, text: null, cosine: null };

describe('how far two answers differ', () => {
  const cases: readonly [string, Partial<Agreement>, number | null][] = [
    ['nothing that should be the same', {}, null],
    ['equal embeddings', { cosine: 0.9999 }, 0],
    ['other embeddings, whatever else agrees', { cosine: 0.99, args: true, text: 1 }, 1],
    ['other tools', { tools: false }, 1],
    ['the same tools, whose arguments cannot be compared', { tools: true }, null],
    ['the same tools with other arguments', { tools: true, args: false, text: 1 }, 1],
    ['the same tools and arguments', { tools: true, args: true }, 0],
    ['the same first quarter of a text', { text: 0.25 }, 0.75],
    ['the same arguments and half of the text', { tools: true, args: true, text: 0.5 }, 0.5],
  ];
  for (const [name, change, score] of cases) {
    it(name, () => assert.equal(disagreement({ ...NOTHING, ...change }), score));
  }
});
