import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { Outgoing } from '../../../src/core/care/block.ts';
import { RateLimit } from '../../../src/core/care/rate-limit.ts';
import type { Sent } from '../../../src/core/care/rates.ts';
import { Rates } from '../../../src/core/care/rates.ts';
import { dice } from '../../support/dice.ts';
import { Crowd, WINDOW_MS } from './crowd.ts';

/** Calls of many tokens, in no order, as one rate limit. */
class ManyTokens {
  readonly #rates = new Rates(0);
  readonly #roll = dice(1);
  readonly #tokens: number;
  readonly #sent = new Map<number, Sent>();
  #next = 0;
  #count = 0;

  constructor(tokens: number) {
    this.#tokens = tokens;
  }

  get limit(): number | null {
    return this.#rates.shared.limit;
  }

  nextAt(nowMs: number): number {
    // Answers begin after three seconds.
    for (const [sequence, sent] of this.#sent) {
      if (nowMs - sent.outgoing.atMs < 3_000) break;
      this.#sent.delete(sequence);
      this.#rates.taken(sent, nowMs);
    }
    return this.#rates.nextAt(caller(String(this.#next)), nowMs);
  }

  send(nowMs: number, isWanted: boolean): Outgoing {
    const sent = this.#rates.send(caller(String(this.#next)), nowMs, isWanted);
    this.#next = Math.floor(this.#roll() * this.#tokens);
    const sequence = this.#count++;
    this.#sent.set(sequence, sent);
    return { sequence, atMs: nowMs };
  }

  refused({ sequence }: Outgoing, nowMs: number, retryAfterMs: number | null): void {
    const sent = this.#sent.get(sequence);
    this.#sent.delete(sequence);
    if (sent !== undefined) this.#rates.refused(sent, nowMs, retryAfterMs);
  }
}

const caller = (credential: string) => ({ credential });

/** What may happen to a call: it is refused, or taken, or ends without either, so many ms after it was sent. */
const step = fc.record({
  pauseMs: fc.integer({ min: 0, max: 20_000 }),
  end: fc.constantFrom('taken', 'refused', 'asked to wait', 'cancelled'),
  isWanted: fc.boolean(),
});

describe('the rates of credentials', () => {
  it('are the one rate limit of the upstream if there is only one credential', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const [rates, rate] = [new Rates(180_000), new RateLimit(180_000)];
        const only = caller('a');
        let now = 0;
        for (const { pauseMs, end, isWanted } of steps) {
          now += pauseMs;
          const at = rate.nextAt(now);
          assert.equal(rates.nextAt(only, now), at);
          now = Math.max(now, at);
          const [sent, outgoing] = [rates.send(only, now, isWanted), rate.send(now, isWanted)];
          now += 50;
          if (end === 'taken') {
            rates.taken(sent, now);
            rate.taken(outgoing, now);
          } else if (end === 'cancelled') {
            rates.cancelled(sent);
            rate.cancelled(outgoing);
          } else {
            const askedMs = end === 'refused' ? null : 30_000;
            rates.refused(sent, now, askedMs);
            rate.refused(outgoing, now, askedMs);
          }
          assert.deepEqual([rates.shared.limit, rates.shared.isBlocked], [rate.limit, rate.isBlocked]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('hold nobody back for a credential that is refused while others are served, whatever its own limit', () => {
    const shape = fc.record({
      everyMs: fc.integer({ min: 500, max: 20_000 }),
      askedMs: fc.constantFrom(null, 5_000, 86_400_000),
      limitBefore: fc.constantFrom(null, 20),
    });
    fc.assert(
      fc.property(shape, ({ everyMs, askedMs, limitBefore }) => {
        const rates = new Rates(0, { perSecond: limitBefore });
        let smallAtMs = 0;
        // Twenty minutes of four good calls a second, by eight credentials, beside one that is always refused.
        for (let now = 0; now < 1_200_000; now += 250) {
          const good = caller(`good ${(now / 250) % 8}`);
          // The very first calls of a limit that was learned before come slowly.
          const waitMs = rates.nextAt(good, now) - now;
          assert.ok(waitMs <= 1_000, `${waitMs} at ${now}`);
          if (waitMs <= 0) rates.taken(rates.send(good, now, false), now);
          const small = caller('small');
          if (now < smallAtMs || rates.nextAt(small, now) > now) continue;
          smallAtMs = now + everyMs;
          rates.refused(rates.send(small, now, false), now, askedMs);
        }
        assert.equal(rates.shared.isBlocked, false);
        assert.equal(rates.shared.limit, limitBefore);
      }),
      { numRuns: 100 },
    );
  });

  it('treat a credential like the others again once it was not refused for five minutes', () => {
    const rates = new Rates(0);
    const good = caller('good');
    const small = caller('small');
    rates.taken(rates.send(good, 0, false), 0);
    rates.refused(rates.send(small, 0, false), 10, 60_000);
    rates.taken(rates.send(good, 20, false), 30);
    assert.equal(rates.isSameForAll, false);
    assert.equal(rates.nextAt(small, 40), 60_010);
    rates.taken(rates.send(small, 60_010, false), 60_020);
    assert.equal(rates.isSameForAll, false);
    rates.taken(rates.send(small, 301_000, false), 301_010);
    assert.equal(rates.isSameForAll, true);
  });

  it('take no answer to a call that was sent before the refusals for a sign that others are served', () => {
    const rates = new Rates(0);
    const others = Array.from({ length: 20 }, (_, n) => rates.send(caller(`good ${n}`), 0, false));
    const small = caller('small');
    for (const now of [10, 20, 30]) rates.refused(rates.send(small, now, false), now, null);
    for (const sent of others) rates.taken(sent, 1_000);
    rates.refused(rates.send(small, 1_040, false), 1_050, null);
    const sent = rates.send(small, rates.nextAt(small, 1_060), false);
    rates.taken(sent, sent.outgoing.atMs + 100);
    rates.nextAt(small, sent.outgoing.atMs + 200);
    assert.equal(rates.isSameForAll, true);
  });

  it('are refused at most 1.2 times as often with 64 tokens of one account as with one', () => {
    for (const counting of ['windows', 'continuous'] as const) {
      const [one, many] = [1, 64].map((tokens) => {
        const crowd = new Crowd(counting, { agents: 100, pauseMs: 10_000, limit: () => 2_000 }, new ManyTokens(tokens));
        crowd.runUntil(24 * WINDOW_MS);
        const count = (what: 'refused' | 'taken') => crowd.seen.reduce((sum, window) => sum + window[what], 0);
        return { refused: count('refused'), taken: count('taken') };
      });
      const text = `${counting}: ${JSON.stringify({ one, many })}`;
      assert.ok(one !== undefined && many !== undefined && one.refused > 0);
      assert.ok(many.refused <= 1.2 * one.refused && many.taken >= 0.98 * one.taken, text);
    }
  });

  it('let one call at a time ask if several credentials are refused, each after twice as long', () => {
    const rates = new Rates(0);
    const asked: number[] = [];
    for (let now = 0, n = 0; now < 120_000; now += 100) {
      const next = caller(`token ${n}`);
      if (rates.nextAt(next, now) > now) continue;
      asked.push(now);
      rates.refused(rates.send(next, now, true), now, 300_000);
      n++;
    }
    assert.deepEqual(asked, [0, 100, 5_100, 15_100, 35_100, 75_100]);
  });
});
