import assert from 'node:assert/strict';
import { it } from 'node:test';
import * as fc from 'fast-check';
import { stilled, unpausedMs } from '../../../src/core/rollout/pauses.ts';
import type { Pause } from '../../../src/core/rollout/pauses.ts';

const PAUSED = { type: 'paused' as const, by: 'ann@desk', reason: null };

const words = fc.array(fc.record({ isPaused: fc.boolean(), afterMs: fc.integer({ min: 0, max: 20 }) }), {
  maxLength: 12,
});

it('counts each millisecond in which the rollout was not paused, and no other', () => {
  fc.assert(
    fc.property(words, fc.integer({ min: 0, max: 120 }), fc.integer({ min: 0, max: 120 }), (said, since, span) => {
      let at = 0;
      let pauses: readonly Pause[] = [];
      const heard = said.map(({ isPaused, afterMs }) => {
        at += afterMs;
        const event = isPaused ? PAUSED : { type: 'resumed' as const };
        ({ pauses = [] } = stilled({ isPaused: !isPaused, pauses }, event, at));
        return { isPaused, at };
      });
      // Nobody reads the state before its newest event.
      const now = Math.max(since, at) + span;
      const isPausedIn = (ms: number) => heard.findLast((one) => one.at <= ms)?.isPaused ?? false;
      const expected = Array.from({ length: now - since }, (_, i) => since + i).filter((ms) => !isPausedIn(ms)).length;
      assert.equal(unpausedMs({ pauses }, since, now), expected);
    }),
  );
});
