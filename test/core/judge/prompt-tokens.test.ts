import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { PromptTokens } from '../../../src/core/judge/prompt-tokens.ts';
import { nameKey } from '../../../src/core/judge/name-key.ts';
import { sentence } from '../../../src/core/judge/sentence.ts';
import type { MetricVerdict } from '../../../src/core/judge/verdict.ts';
import { dice } from '../../support/dice.ts';
import { judged } from '../../support/judged.ts';

const RULE = { margin: 8, judge: 'act' } as const;

interface Pair {
  readonly stable: number | null;
  readonly canary: number | null;
  readonly provider?: string;
  readonly agent?: number;
}

const anyPair = fc.record({
  stable: fc.option(fc.integer({ min: 0, max: 1e6 })),
  canary: fc.option(fc.integer({ min: 0, max: 1e6 })),
  provider: fc.string({ maxLength: 3 }),
  agent: fc.nat(6),
});

function give(metric: PromptTokens, { stable, canary, provider, agent }: Pair): void {
  const known = {
    ...(provider !== undefined && { provider: nameKey(provider) }),
    ...(agent !== undefined && { agent }),
  };
  metric.pair(
    judged({ role: 'stable', promptTokens: stable, ...known }),
    judged({ role: 'canary', promptTokens: canary }),
  );
}

function after(pairs: Iterable<Pair>): MetricVerdict | null {
  const metric = new PromptTokens(RULE);
  for (const pair of pairs) give(metric, pair);
  return metric.read(20);
}

/** Whether the verdict is a failure at any moment. */
function everFails(pairs: Iterable<Pair>): boolean {
  const metric = new PromptTokens(RULE);
  for (const pair of pairs) {
    give(metric, pair);
    if (metric.read(20)?.status === 'fail') return true;
  }
  return false;
}

/** Pairs of prompts of any length, with the differences that a function gives. */
function pairsOf(
  count: number,
  difference: (i: number) => number,
  { provider, agent }: { provider?: (i: number) => string; agent?: (i: number) => number } = {},
): Pair[] {
  const roll = dice(3);
  return Array.from({ length: count }, (_, i) => {
    const stable = 20 + Math.floor(roll() * 4_000);
    return {
      stable,
      canary: Math.max(1, stable + difference(i)),
      ...(provider && { provider: provider(i) }),
      ...(agent && { agent: agent(i) }),
    };
  });
}

describe('the prompt tokens of pairs', () => {
  const cases: readonly [string, Pair[], MetricVerdict['status'], RegExp][] = [
    [
      'pass if they are the same',
      pairsOf(30, () => 0),
      'pass',
      /^the endpoint counts the same number of tokens in 30 of 30 prompts/,
    ],
    [
      'pass and are told if they differ by a small constant',
      pairsOf(30, () => 3),
      'pass',
      /^the endpoint counts 3 tokens more in each of 30 of 30 prompts; limit 8/,
    ],
    [
      'fail at four pairs that differ by a large constant',
      pairsOf(4, () => 57),
      'fail',
      /^the endpoint counts 57 tokens more in each of 4 prompts; limit 8 tokens$/,
    ],
    [
      'fail at five pairs that all differ otherwise',
      pairsOf(5, (i) => i + 1),
      'fail',
      /^the endpoint counts the tokens of 5 prompts differently, by \+1 to \+5/,
    ],
    ['are open after two pairs', pairsOf(2, (i) => 40 * i), 'open', /2 prompts/],
    [
      'fail if one in twenty is cut short',
      pairsOf(300, (i) => (i % 20 === 7 ? -3_000 : 0)),
      'fail',
      /differently, by -\d+ to 0, 285 of them by the same number/,
    ],
    ['pass with one odd pair of a hundred', pairsOf(100, (i) => (i === 50 ? 6 : 0)), 'pass', /99 of 100 prompts/],
  ];
  for (const [name, pairs, status, text] of cases) {
    it(name, () => {
      const verdict = after(pairs) as MetricVerdict;
      assert.equal(verdict.status, status, JSON.stringify(verdict));
      assert.match(sentence(verdict, 'dedicated'), text);
    });
  }

  it('may differ by another constant for each provider', () => {
    const offsets = { groq: 0, together: 5, novita: 2 };
    const names = Object.keys(offsets) as (keyof typeof offsets)[];
    const nameOf = (i: number) => names[(i * 7) % 3] as keyof typeof offsets;
    const pairs = pairsOf(60, (i) => offsets[nameOf(i)], { provider: nameOf });
    assert.equal(after(pairs)?.status, 'pass');
    const unnamed = pairs.map(({ stable, canary }) => ({ stable, canary }));
    assert.equal(after(unnamed)?.status, 'fail');
  });

  it('say nothing without both counts', () => {
    assert.equal(after([]), null);
    assert.equal(after([{ stable: null, canary: 5 }]), null);
    // A side that reports 0 reports nothing.
    assert.equal(after([{ stable: 0, canary: 5 }]), null);
  });

  it('do not fail by chance if one pair in twenty is odd', () => {
    // 400 rollouts of 400 pairs at the bound. An error of 1 in 1 000 each: three failures are very unlikely.
    const roll = dice(5);
    let failed = 0;
    for (let run = 0; run < 400; run++) {
      const verdict = after(pairsOf(400, () => (roll() < 0.05 ? 1 + Math.floor(roll() * 6) : 0)));
      if (verdict?.status === 'fail') failed++;
    }
    assert.ok(failed <= 2, `${failed} of 400`);
  });

  it('keep bounded memory and give finite numbers, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(anyPair, { maxLength: 200 }), (pairs) => {
        const verdict = after(pairs);
        assert.deepEqual(JSON.parse(JSON.stringify(verdict)), verdict);
        if (verdict !== null) assert.ok((verdict.pairs?.same ?? 0) <= (verdict.pairs?.of ?? 0));
      }),
      { numRuns: 60 },
    );
  });

  it('are taken back by many equal pairs of other agents, whatever came before', () => {
    fc.assert(
      fc.property(fc.array(anyPair, { maxLength: 20 }), (pairs) => {
        const equal = pairsOf(2_000, () => 0, { agent: (i) => 1_000 + (i % 40) });
        assert.notEqual(after([...pairs, ...equal])?.status, 'fail');
      }),
      { numRuns: 30 },
    );
  });
});

describe('the prompt tokens of pairs of one agent', () => {
  const equal = pairsOf(500, () => 0, { agent: (i) => 2 + (i % 10) });

  it('do not fail if a conversation that a side counts differently comes first', () => {
    const image = pairsOf(2, () => 300, { agent: () => 1 });
    assert.equal(everFails([...image, ...equal]), false);
    // Without the agents, two such pairs are two witnesses.
    const unknown = image.map(({ stable, canary }) => ({ stable, canary }));
    assert.equal(everFails([...unknown, ...equal]), true);
  });

  it('stop to fail once many pairs of others are equal, however long the conversation was', () => {
    const images = pairsOf(60, (i) => 300 + i, { agent: () => 1 });
    assert.equal(after(images)?.status, 'fail');
    assert.equal(after([...images, ...equal])?.status, 'open');
  });

  it('do not fail if one agent of twenty is counted differently all the time', () => {
    const all = pairsOf(1_000, (i) => (i % 20 === 19 ? 300 : 0), { agent: (i) => i % 20 });
    assert.equal(everFails(all), false);
  });

  it('fail within a handful of pairs if several agents show it, and within about ten times as many if one does', () => {
    const untilFail = (difference: (i: number) => number, agent: (i: number) => number) => {
      const pairs = pairsOf(60, difference, { agent });
      return pairs.findIndex((_, i) => after(pairs.slice(0, i + 1))?.status === 'fail') + 1;
    };
    const template = () => 57;
    const small = (i: number) => (i % 17) - 8;
    assert.deepEqual(
      [untilFail(template, (i) => i), untilFail(template, (i) => i % 2), untilFail(template, () => 1)],
      [2, 2, 11],
    );
    assert.deepEqual(
      [untilFail(small, (i) => i), untilFail(small, (i) => i % 5), untilFail(small, () => 1)],
      [5, 5, 44],
    );
  });

  it('count once in ten whichever difference is the usual one', () => {
    // Of one agent most pairs are odd, and of all agents most are not.
    const pairs = pairsOf(400, (i) => (i % 8 === 0 ? 1 + (i % 3) : 0), { agent: (i) => i % 8 });
    assert.equal(everFails(pairs), false);
    assert.equal(everFails(pairs.map(({ stable, canary }) => ({ stable, canary }))), true);
  });

  it('are wrong no more often than said, at any moment', () => {
    const roll = dice(11);
    let failed = 0;
    for (let run = 0; run < 300; run++) {
      const pairs = pairsOf(300, () => (roll() < 0.005 ? 40 : 0), { agent: (i) => i % 30 });
      if (everFails(pairs)) failed++;
    }
    assert.ok(failed <= 2, `${failed} of 300`);
  });
});
