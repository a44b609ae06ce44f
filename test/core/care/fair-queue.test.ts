import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { FairQueue } from '../../../src/core/care/fair-queue.ts';

describe('a fair queue', () => {
  it('lets agents take turns, each in its own order', () => {
    const queue = new FairQueue<string>(10);
    for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2']) queue.add(item.slice(0, 1), item);
    const taken = Array.from({ length: 6 }, () => queue.take());
    assert.deepEqual(taken, ['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
    assert.equal(queue.take(), undefined);
  });

  it('drops an item of the agent with the most if it is full, but not for an agent with as many', () => {
    const queue = new FairQueue<string>(3);
    for (const item of ['a1', 'a2', 'a3']) assert.equal(queue.add('a', item), null);
    assert.equal(queue.add('b', 'b1'), 'a3');
    assert.equal(queue.add('a', 'a4'), 'a4');
    assert.equal(queue.add('b', 'b2'), 'b2');
    assert.equal(queue.size, 3);
  });

  it('knows how many items come before the next one of an agent', () => {
    const items = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 30 });
    fc.assert(
      fc.property(items, fc.constantFrom('a', 'b', 'c', 'd', 'e'), (agents, agent) => {
        const queue = new FairQueue<string>(100);
        agents.forEach((one, i) => queue.add(one, `${one}${i}`));
        const ahead = queue.ahead(agent);
        queue.add(agent, 'mine');
        let before = 0;
        while (queue.take() !== 'mine') before++;
        // Agents that come after in this round are counted as if they came before, so the number is never too low.
        assert.ok(before <= ahead && ahead - before <= 4, `${before} of ${ahead}`);
      }),
    );
  });

  it('holds every item that was added and neither taken nor removed nor dropped', () => {
    const acts = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('add' as const), agent: fc.constantFrom('a', 'b', 'c') }),
        fc.record({ kind: fc.constant('take' as const) }),
        fc.record({ kind: fc.constant('remove' as const), at: fc.nat(20) }),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(acts, (all) => {
        const queue = new FairQueue<{ agent: string }>(8);
        const inside = new Set<{ agent: string }>();
        for (const act of all) {
          if (act.kind === 'add') {
            const item = { agent: act.agent };
            inside.add(item);
            const gaveWay = queue.add(act.agent, item);
            if (gaveWay !== null) inside.delete(gaveWay);
          } else if (act.kind === 'take') {
            const item = queue.take();
            assert.equal(item === undefined, inside.size === 0);
            if (item !== undefined) assert.ok(inside.delete(item));
          } else {
            const item = [...inside][act.at];
            if (item !== undefined) assert.ok(queue.remove(item.agent, item) && inside.delete(item));
          }
          assert.deepEqual(new Set(queue.items()), inside);
          assert.equal(queue.size, inside.size);
          assert.ok(queue.size <= 8);
        }
      }),
    );
  });
});
