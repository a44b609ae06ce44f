import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RateLimit } from '../../../src/core/care/rate-limit.ts';
import { Crowd, WINDOW_MS } from './crowd.ts';
import type { Counting } from './crowd.ts';

const CROWD = { agents: 100, pauseMs: 10_000 };

function near(value: number, wanted: number, share: number): void {
  assert.ok(Math.abs(value / wanted - 1) <= share, `${Math.round(value)} instead of ${wanted}`);
}

for (const counting of ['windows', 'continuous'] as const satisfies readonly Counting[]) {
  describe(`a rate limit before a service that counts in ${counting}`, () => {
    it('finds a hidden limit within 15 % in two windows, uses 95 % of it, and sends few calls beyond it', () => {
      const crowd = new Crowd(counting, { ...CROWD, limit: () => 2_000 });
      crowd.runUntil(2 * WINDOW_MS);
      near(crowd.learned, 2_000, 0.15);
      crowd.runUntil(12 * WINDOW_MS);
      for (const { taken, refused, lost } of crowd.seen.slice(2)) {
        assert.ok(taken >= 1_900, `${taken} taken`);
        assert.ok(refused <= 0.06 * taken, `${refused} refused`);
        assert.ok(lost <= 0.02 * taken, `${lost} lost`);
      }
    });

    it('follows a limit that halves within two windows, and one that doubles within five minutes', () => {
      for (const fromMs of [0, 100_000]) {
        const halved = 4 * WINDOW_MS + fromMs;
        const doubled = 8 * WINDOW_MS + fromMs;
        const limit = (nowMs: number) => (nowMs >= halved && nowMs < doubled ? 1_000 : 2_000);
        const crowd = new Crowd(counting, { ...CROWD, limit });
        crowd.runUntil(halved + 2 * WINDOW_MS);
        near(crowd.learned, 1_000, 0.15);
        crowd.runUntil(doubled + WINDOW_MS);
        assert.ok(crowd.learned >= 1_700, `${crowd.learned}`);
        crowd.runUntil(doubled + 4 * WINDOW_MS);
        assert.ok((crowd.seen.at(-1)?.taken ?? 0) >= 1_900 || crowd.seen.at(-2)?.taken === 2_000);
      }
    });
  });
}

describe('a rate limit', () => {
  it('holds no call before the first refusals', () => {
    const rate = new RateLimit(180_000);
    for (let i = 0; i < 10_000; i++) {
      assert.ok(rate.nextAt(i / 10) <= i / 10);
      rate.send(i / 10, true);
    }
    assert.equal(rate.limit, null);
  });

  it('lets single calls ask less and less often while everything is refused, and waits as long as the upstream asks', () => {
    const rate = new RateLimit(0);
    let now = 0;
    const sentAt: number[] = [];
    for (let i = 0; i < 12; i++) {
      now = Math.max(now, rate.nextAt(now));
      sentAt.push(now);
      rate.refused(rate.send(now, true), now + 50, null);
      now += 50;
    }
    const gaps = sentAt.slice(1).map((at, i) => at - (sentAt[i] ?? 0));
    assert.ok(
      gaps.slice(-3).every((gap) => gap >= 5_000),
      gaps.join(),
    );
    assert.ok(rate.isBlocked);

    const asked = new RateLimit(0);
    asked.refused(asked.send(0, true), 50, 55_000);
    assert.equal(asked.nextAt(51), 55_050);
  });

  it('does not hold a burst that is far below the stated quota', () => {
    const rate = new RateLimit(0);
    let [now, left] = [0, 900];
    for (let n = 0; n < 200; n++) {
      rate.quotaStated(left, 290_000 - now, now);
      now = Math.max(now, rate.nextAt(now));
      rate.send(now, true);
      left--;
    }
    assert.ok(now < 15_000, `${now}`);
  });

  it('asks once in five minutes even if the upstream asks for a longer wait', () => {
    for (const retryAfterMs of [86_400_000, 1_764_000_000_000, Number.POSITIVE_INFINITY]) {
      const rate = new RateLimit(0);
      rate.refused(rate.send(0, true), 50, retryAfterMs);
      assert.equal(rate.nextAt(51), 50 + WINDOW_MS);
    }
    const rate = new RateLimit(0);
    rate.quotaStated(0, 86_400_000, 0);
    rate.send(0, true);
    assert.equal(rate.nextAt(1), WINDOW_MS);
  });

  it('sends calls again as soon as an asking call is answered, even if refusals took long', () => {
    const rate = new RateLimit(0);
    for (let i = 0; i < 20; i++) {
      const at = rate.nextAt(i * 100_000);
      rate.refused(rate.send(at, true), at + 20_000, null);
    }
    const now = rate.nextAt(3_000_000);
    const asking = rate.send(now, true);
    assert.ok(rate.nextAt(now + 2_000) > now + 10_000);
    rate.taken(asking, now + 2_000);
    assert.ok(rate.nextAt(now + 2_000) <= now + 2_000);
  });

  it('never names the end of a past quota as the time of the next call', () => {
    const rate = new RateLimit(0, { perSecond: 0.5 });
    rate.quotaStated(10, 1_000, 0);
    let now = 2_000;
    while (rate.nextAt(now) <= now) rate.send(now, true);
    assert.ok(rate.nextAt(now) > now + 100);
  });

  it('keeps to a stated quota until the quota is reset', () => {
    const rate = new RateLimit(0);
    rate.quotaStated(10, 10_000, 0);
    let [now, sent] = [0, 0];
    while (now < 10_000) {
      now = Math.max(now + 1, rate.nextAt(now));
      rate.send(now, true);
      sent++;
    }
    assert.ok(sent <= 13, `${sent}`);
    rate.quotaStated(0, 5_000, now);
    assert.ok(rate.nextAt(now) >= now + 4_000);
    assert.ok(rate.nextAt(now + 5_001) <= now + 5_001);
  });

  it('adopts a stated limit as it is', () => {
    const rate = new RateLimit(0);
    rate.limitStated(5, 0);
    assert.equal(rate.limit, 5);
    let [now, sent] = [0, 0];
    while (now < 60_000) {
      now = Math.max(now + 1, rate.nextAt(now));
      rate.send(now, true);
      sent++;
    }
    assert.ok(sent > 300 && sent < 330, `${sent}`);
    rate.limitStated(10, now);
    assert.equal(rate.limit, 10);
  });

  it('rises to a known limit in ten steps after a start', () => {
    const rate = new RateLimit(100_000, { perSecond: 10 });
    rate.nextAt(0);
    const paces = Array.from({ length: 12 }, (_, i) => rate.paceAt(i * 10_000) ?? 0);
    assert.deepEqual(
      paces.map((pace) => Math.round((pace / (paces[11] as number)) * 10)),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10],
    );
  });

  it('falls if the upstream takes fewer calls and asks for a wait with each refusal', () => {
    const rate = new RateLimit(0, { perSecond: 100 });
    const refusals: { readonly atMs: number; readonly call: ReturnType<RateLimit['send']> }[] = [];
    const last = { taken: 0, refused: 0 };
    let room = 5;
    for (let now = 0; now < 180_000; now += 5) {
      room = Math.min(5, room + 0.1);
      for (let [due] = refusals; due !== undefined && due.atMs <= now; [due] = refusals) {
        rate.refused(due.call, now, 1_000);
        refusals.shift();
      }
      while (rate.nextAt(now) <= now) {
        const call = rate.send(now, true);
        const isTaken = room >= 1;
        if (isTaken) room--;
        else refusals.push({ atMs: now + 50, call });
        if (now >= 120_000) last[isTaken ? 'taken' : 'refused']++;
      }
    }
    assert.ok((rate.limit ?? 0) <= 23, `${rate.limit} instead of 20`);
    assert.ok(last.taken >= 0.5 * 60 * 20, `${last.taken} taken in a minute`);
    assert.ok(last.refused <= 0.06 * last.taken, `${last.refused} refused in a minute`);
  });

  it('does not fall because of calls that were not refused', () => {
    const rate = new RateLimit(0, { perSecond: 10 });
    for (let now = 0; now < 60_000; now += 500) rate.cancelled(rate.send(now, true));
    assert.equal(rate.limit, 10);
  });

  it('does not fall without end if an upstream sometimes refuses everything at any pace', () => {
    for (const [everyMs, awayMs] of [
      [60_000, 10_000],
      [150_000, 30_000],
      [20_000, 3_000],
    ] as const) {
      const limit = (nowMs: number) => (nowMs % everyMs < everyMs - awayMs ? 1e9 : 0);
      const crowd = new Crowd('windows', { ...CROWD, limit });
      crowd.runUntil(2 * WINDOW_MS);
      const before = crowd.seen[1]?.taken ?? 0;
      crowd.runUntil(12 * WINDOW_MS);
      const after = crowd.seen[11]?.taken ?? 0;
      assert.ok(
        after >= 0.8 * before && after > 1_000,
        `${awayMs} of ${everyMs} ms: ${before}, an hour later ${after}`,
      );
    }
  });
});
