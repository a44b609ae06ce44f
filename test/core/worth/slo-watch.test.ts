import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SloWatch } from '../../../src/core/worth/slo-watch.ts';
import { START } from '../../support/samples.ts';

const MINUTE = 60_000;
const BEGIN = Math.ceil(START / MINUTE) * MINUTE;
const POLICY = { p95: 1_000, availability: 0.99, sustain: 600_000 };

/** Ten calls a minute for some minutes. Of each ten, some are slow and some fail. */
function play(watch: SloWatch, from: number, minutes: number, { slow = 0, failed = 0 }): void {
  for (let minute = from; minute < from + minutes; minute++) {
    const at = BEGIN + minute * MINUTE;
    for (let i = 0; i < 10; i++) {
      if (i < failed) watch.failed(at + i);
      else watch.answered(at + i, i - failed < slow ? 5_000 : 200);
    }
  }
}

describe('SloWatch', () => {
  it('is kept if p95 and availability are within their bounds', () => {
    const watch = new SloWatch(POLICY, BEGIN);
    play(watch, 0, 20, {});
    const figures = watch.figures(BEGIN + 20 * MINUTE);
    assert.deepEqual(figures, { calls: 50, slowShare: 0, availability: 1, missedSince: null });
  });

  for (const [what, load, figures] of [
    ['more than 5 % of answers are slow', { slow: 1 }, { slowShare: 0.1, availability: 1 }],
    ['too many calls fail', { failed: 1 }, { slowShare: 0, availability: 0.9 }],
  ] as const) {
    it(`is missed from the end of the first window in which ${what}`, () => {
      const watch = new SloWatch(POLICY, BEGIN);
      play(watch, 0, 10, {});
      play(watch, 10, 10, load);
      const seen = watch.figures(BEGIN + 20 * MINUTE);
      assert.deepEqual({ slowShare: seen.slowShare, availability: seen.availability }, figures);
      // One bad minute of five has 2 % slow or failed calls. That is too many failures, but it takes three for slow calls.
      const since = what.includes('slow') ? 13 : 11;
      assert.equal(seen.missedSince, BEGIN + since * MINUTE);
    });
  }

  it('is kept again after one good window, and `missedSince` then starts again', () => {
    const watch = new SloWatch(POLICY, BEGIN);
    play(watch, 0, 10, { failed: 5 });
    play(watch, 10, 6, {});
    assert.equal(watch.figures(BEGIN + 16 * MINUTE).missedSince, null);
    play(watch, 16, 1, { failed: 5 });
    assert.equal(watch.figures(BEGIN + 17 * MINUTE).missedSince, BEGIN + 17 * MINUTE);
  });

  it('is not missed by a window with few calls or none', () => {
    const watch = new SloWatch(POLICY, BEGIN);
    for (let i = 0; i < 19; i++) watch.failed(BEGIN + i);
    assert.equal(watch.figures(BEGIN + MINUTE).missedSince, null);
    watch.failed(BEGIN + MINUTE + 1);
    assert.equal(watch.figures(BEGIN + 2 * MINUTE).missedSince, BEGIN + 2 * MINUTE);
    assert.equal(watch.figures(BEGIN + 6 * MINUTE).missedSince, null);
    assert.equal(watch.figures(BEGIN + 600 * MINUTE).missedSince, null);
  });

  it('does not judge what the policy does not set', () => {
    const watch = new SloWatch({ p95: null, availability: null, sustain: 60_000 }, BEGIN);
    play(watch, 0, 10, { slow: 5, failed: 5 });
    const { slowShare, missedSince } = watch.figures(BEGIN + 10 * MINUTE);
    assert.deepEqual([slowShare, missedSince], [null, null]);
  });

  it('starts `missedSince` again after missed calls', () => {
    const watch = new SloWatch(POLICY, BEGIN);
    play(watch, 0, 10, { failed: 5 });
    watch.interrupt(BEGIN + 10 * MINUTE);
    assert.equal(watch.figures(BEGIN + 10 * MINUTE + 1).missedSince, null);
    assert.equal(watch.figures(BEGIN + 11 * MINUTE).missedSince, BEGIN + 11 * MINUTE);
  });
});
