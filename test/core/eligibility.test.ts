import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { INELIGIBLE_REASONS, ineligibleReason } from '../../src/core/eligibility.ts';
import type { CallAsked } from '../../src/core/eligibility.ts';
import { NO_LIMITS, statedLimits, stricter } from '../../src/core/endpoint-limits.ts';
import type { EndpointLimits } from '../../src/core/endpoint-limits.ts';

const SHOWN = new Set(['chat', 'chat+stream', 'completion', 'embedding']);
const PLAIN: CallAsked = {
  shape: 'chat',
  isChangeable: true,
  demandsProvider: false,
  bodyBytes: 200,
  escapes: () => 0,
  maxTokens: null,
  isBatch: false,
};
const limits = (some: Partial<EndpointLimits>): EndpointLimits => ({ ...NO_LIMITS, ...some });

describe('why an endpoint cannot get a call', () => {
  const cases: readonly (readonly [string, Partial<CallAsked>, Partial<EndpointLimits>, string | null])[] = [
    ['a plain call', {}, { totalTokens: 8192, promptTokens: 8192, bodyBytes: 2_000_000 }, null],
    ['a body that goes on as it came', { isChangeable: false }, {}, 'unchangeable'],
    ['a provider that the client demands', { demandsProvider: true }, {}, 'provider'],
    ['a picture', { shape: 'chat+media' }, {}, 'media'],
    ['a picture in a stream', { shape: 'chat+stream+media' }, {}, 'media'],
    ['a shape that was not shown', { shape: 'chat+tools' }, {}, 'shape'],
    ['a body as large as the engine takes', { bodyBytes: 2_000_000 }, { bodyBytes: 2_000_000 }, null],
    ['a larger body', { bodyBytes: 2_000_001 }, { bodyBytes: 2_000_000 }, 'too_large'],
    ['8 bytes for each token of the context', { bodyBytes: 65_536 }, { totalTokens: 8192 }, null],
    ['one byte more', { bodyBytes: 65_537 }, { totalTokens: 8192 }, 'too_long'],
    ['the same where only the prompt is limited', { bodyBytes: 65_537 }, { promptTokens: 8192 }, 'too_long'],
    ['an answer that leaves no room', { maxTokens: 8193 }, { totalTokens: 8192 }, 'too_long'],
    ['an answer that leaves room for 25 tokens', { maxTokens: 8167 }, { totalTokens: 8192 }, null],
    ['an answer that leaves room for 24 tokens', { maxTokens: 8168 }, { totalTokens: 8192 }, 'too_long'],
    ['a long answer where only the prompt is limited', { maxTokens: 100_000 }, { promptTokens: 8192 }, null],
    ['many texts to embed', { shape: 'embedding', bodyBytes: 9_000_000 }, { totalTokens: 512 }, null],
    ['many prompts', { shape: 'completion', isBatch: true, bodyBytes: 900_000 }, { totalTokens: 8192 }, null],
    ['no known limit', { bodyBytes: 30_000_000, maxTokens: 1e6 }, {}, null],
  ];
  for (const [title, call, known, reason] of cases) {
    it(`${reason ?? 'none'}: ${title}`, () => {
      assert.equal(ineligibleReason({ ...PLAIN, ...call }, SHOWN, limits(known)), reason);
    });
  }

  it('counts an escaped character as the three bytes that it has at most', () => {
    const chinese = '"中"'.repeat(20_000);
    const escaped = chinese.replaceAll('中', '\\u4e2d');
    const ask = (text: string, escapes: number) =>
      ineligibleReason({ ...PLAIN, bodyBytes: Buffer.byteLength(text), escapes: () => escapes }, SHOWN, {
        ...NO_LIMITS,
        totalTokens: 13_000,
      });
    assert.equal(ask(chinese, 0), null);
    assert.equal(ask(escaped, 20_000), null);
    assert.equal(ask(escaped, 0), 'too_long');
  });

  it('never becomes eligible by a stricter limit or a longer body', () => {
    const limit = fc.option(fc.integer({ min: 1, max: 100_000 }), { nil: null });
    const some = fc.record({ promptTokens: limit, totalTokens: limit, bodyBytes: limit });
    fc.assert(
      fc.property(some, some, fc.nat(1_000_000), fc.nat(1_000_000), (one, other, bytes, more) => {
        const reason = ineligibleReason({ ...PLAIN, bodyBytes: bytes }, SHOWN, one);
        if (reason === null) return;
        assert.notEqual(ineligibleReason({ ...PLAIN, bodyBytes: bytes }, SHOWN, stricter(one, other)), null);
        assert.notEqual(ineligibleReason({ ...PLAIN, bodyBytes: bytes + more }, SHOWN, one), null);
      }),
    );
  });

  it('has one name for each', () => {
    assert.equal(new Set(INELIGIBLE_REASONS).size, INELIGIBLE_REASONS.length);
  });
});

describe('the limits that a refusal states', () => {
  const stated: readonly (readonly [said: string, what: Partial<EndpointLimits>])[] = [
    ["This model's maximum context length is 8192 tokens. However, you requested 33077 tokens", { totalTokens: 8192 }],
    [
      "'max_tokens' or 'max_completion_tokens' is too large: 8000. This model's maximum context length is 4096 tokens and",
      { totalTokens: 4096 },
    ],
    [
      "You passed 65537 input tokens and requested 0 output tokens. However, the model's context length is only 65536",
      { totalTokens: 65_536 },
    ],
    [
      'The decoder prompt (length 15083) is longer than the maximum model length of 8192. Make sure',
      { promptTokens: 8192 },
    ],
    ["The input (40000 tokens) is longer than the model's context length (8192 tokens).", { promptTokens: 8192 }],
    [
      "Requested token count exceeds the model's maximum context length of 32768 tokens. You requested",
      { totalTokens: 32_768 },
    ],
    ['request (124315 tokens) exceeds the available context size (8192 tokens), try', { promptTokens: 8192 }],
    ['Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192. Given: 40000', { totalTokens: 8192 }],
    ['Input validation error: `inputs` must have less than 4096 tokens. Given: 5000', { promptTokens: 4096 }],
  ];
  for (const [said, what] of stated) {
    it(said.slice(0, 60), () => {
      for (const body of [
        { error: said },
        { error: { message: said, code: 400 } },
        { object: 'error', message: said },
      ]) {
        assert.deepEqual(statedLimits(JSON.stringify(body)), limits(what));
      }
    });

    it(`not where it is quoted: ${said.slice(0, 40)}`, () => {
      assert.equal(statedLimits(JSON.stringify({ error: `1 validation error: ${said}` })), null);
      assert.equal(statedLimits(JSON.stringify({ detail: said })), null);
    });
  }

  it('are none in other refusals', () => {
    for (const said of ['', 'batch size 64 > maximum allowed batch size 32', '{', 'request (1 tokens) exceeds 5']) {
      assert.equal(statedLimits(JSON.stringify({ error: said })), null);
      assert.equal(statedLimits(said), null);
    }
  });
});
