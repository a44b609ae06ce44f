import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { Crowding } from '../../../src/core/care/crowding.ts';

/** Whether the last of some 503s shows a crowd, `a` at 0 ms and so on. `answered`: likewise, before them. */
function shows(answered: readonly (readonly [string, number])[], refused: readonly (readonly [string, number])[]) {
  const crowding = new Crowding();
  for (const [agent, atMs] of answered) crowding.answered(agent, atMs);
  return refused.map(([agent, atMs]) => crowding.refused(agent, atMs)).at(-1);
}

describe('a 503 shows that an upstream has too many calls', () => {
  const cases: readonly (readonly [what: string, ...Parameters<typeof shows>, boolean])[] = [
    ['if the same agent has an answer', [['a', 0]], [['a', 9_999]], true],
    ['not if that was long ago', [['a', 0]], [['a', 10_000]], false],
    ['not if only others have answers', [['b', 0]], Array.from({ length: 50 }, () => ['a', 1] as const), false],
    ['not if two get it', [['c', 0]], Array.from({ length: 50 }, (_, n) => [`${n % 2}`, 1] as const), false],
    [
      'if three get it',
      [['d', 0]],
      [
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ],
      true,
    ],
    [
      'not if they do so far apart',
      [['d', 9_000]],
      [
        ['a', 1],
        ['b', 2],
        ['c', 10_001],
      ],
      false,
    ],
    [
      'not if nobody has an answer',
      [],
      [
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ],
      false,
    ],
  ];
  for (const [what, answered, refused, expected] of cases) {
    it(what, () => assert.equal(shows(answered, refused), expected));
  }

  it('never if two agents get nothing but 503s, however many others are answered', () => {
    const calls = fc.array(fc.constantFrom('odd 1', 'odd 2', 'a', 'b', 'c', 'd'), { maxLength: 200 });
    fc.assert(
      fc.property(calls, (agents) => {
        const crowding = new Crowding();
        agents.forEach((agent, n) => {
          if (agent.startsWith('odd')) assert.equal(crowding.refused(agent, n), false);
          else crowding.answered(agent, n);
        });
      }),
    );
  });
});
