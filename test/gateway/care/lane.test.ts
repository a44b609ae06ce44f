import assert from 'node:assert/strict';
import { test } from 'node:test';
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
