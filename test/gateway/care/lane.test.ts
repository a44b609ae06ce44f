import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { readLearned } from '../../../src/core/learned.ts';
import { OUTCOMES } from '../../../src/core/outcome.ts';
import type { Outcome } from '../../../src/core/outcome.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { Lane } from '../../../src/gateway/care/lane.ts';
import type { Permit } from '../../../src/gateway/care/waiting-line.ts';

/** The calls at once that a lane allows after rounds in which each agent makes a call and those of `full` get 503s. */
function limitAfter(agents: readonly string[], full: (agent: string, round: number) => boolean): number | null {
  let nowMs = 0;
  const lane = new Lane(POLICY_DEFAULTS.care, { now: () => nowMs, scale: 1 }, null);
  const nothing = { canJoinBatch: false, admit: () => undefined, refuse: () => undefined };
  for (let round = 0; round < 60; round++, nowMs += 500) {
    const granted = agents.flatMap((agent) => {
      const permit = lane.enter({ agent, credential: 'one', deadlineMs: nowMs, ...nothing }, false);
      return permit !== null && typeof permit === 'object' && 'sent' in permit ? [permit satisfies Permit] : [];
    });
    for (const permit of granted) {
      const { agent } = permit.waiter;
      const outcome = full(agent, round) ? 'unavailable' : 'ok';
      lane.release(permit, outcome, null, { bodyOf: () => `${agent} ${round}`, isUnreachable: false });
    }
  }
  return lane.status.inFlightLimit;
}

const FIVE = ['a', 'b', 'c', 'd', 'e'];

test('the 503s of one or two callers who get nothing else slow nobody down', () => {
  assert.equal(
    limitAfter([...FIVE, 'odd'], (agent) => agent === 'odd'),
    null,
  );
  assert.equal(
    limitAfter([...FIVE, 'odd', 'other'], (agent) => agent.startsWith('o')),
    null,
  );
});

test('503s that any caller gets show that the upstream takes no more calls at once', () => {
  const alternating = (agent: string, round: number) => (FIVE.indexOf(agent) + round) % 3 === 0;
  assert.equal(typeof limitAfter(FIVE, alternating), 'number');
  assert.equal(typeof limitAfter(['alone', 'alone', 'alone'], (_, round) => round % 3 === 0), 'number');
});

/** What a lane does next: time passes, a call is sent, or the oldest call under way ends. */
type Move = { readonly wait: number } | { readonly send: string } | { readonly end: Outcome };

const FAULT = { bodyOf: () => null, isUnreachable: true };

const moves = fc.array(
  fc.oneof(
    fc.record({ wait: fc.constantFrom(1, 500, 60_000) }),
    fc.record({ send: fc.constantFrom(...FIVE) }),
    fc.record({ end: fc.oneof(fc.constantFrom<Outcome>('connect_failed', 'ok'), fc.constantFrom(...OUTCOMES)) }),
  ),
  { maxLength: 60 },
);

/** Plays moves, and gives what the lane has learned after each. */
function learnedDuring(played: readonly Move[]) {
  let nowMs = 1_000_000;
  const lane = new Lane(POLICY_DEFAULTS.care, { now: () => nowMs, scale: 1 }, null);
  const underWay: Permit[] = [];
  return played.map((move) => {
    if ('wait' in move) nowMs += move.wait;
    else if ('send' in move) {
      const nothing = { canJoinBatch: false, admit: () => undefined, refuse: () => undefined };
      const waiter = { agent: move.send, credential: 'one', deadlineMs: nowMs, ...nothing };
      underWay.push(lane.grantInAnyCase(waiter));
    } else {
      const permit = underWay.shift();
      if (permit !== undefined) lane.release(permit, move.end, null, FAULT);
    }
    return lane.learned;
  });
}

const readBack = (learned: Lane['learned']) =>
  readLearned({ what: 'lane', model: 'm', provider: '' }, JSON.stringify(learned));

const SEND = { send: 'a' };
const FAIL: Move = { end: 'connect_failed' };
const FAULTS = POLICY_DEFAULTS.care.breaker.faults;
const OUTAGE = Array.from({ length: FAULTS }, () => [SEND, FAIL]).flat();

test('whatever a lane has learned can be read back', () => {
  fc.assert(
    fc.property(fc.constantFrom([], OUTAGE), moves, (before, then) => {
      for (const learned of learnedDuring([...before, ...then])) assert.deepEqual(readBack(learned), learned);
    }),
  );
});

test('a breaker can be read back in each of its states, also after a probe that failed', () => {
  const seen = learnedDuring([...OUTAGE, { wait: 60_000 }, SEND, FAIL, { wait: 60_000 }, SEND, { end: 'ok' }]);
  assert.deepEqual(
    seen.slice(2 * FAULTS - 2).map(({ breaker }) => breaker.state),
    ['closed', 'open', 'open', 'half-open', 'open', 'open', 'half-open', 'closed'],
  );
  for (const learned of seen) assert.deepEqual(readBack(learned), learned);
});
