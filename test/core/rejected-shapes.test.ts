import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { RejectedShapes } from '../../src/core/rejected-shapes.ts';

const MINUTE = 60_000;
const SHAPE = 'chat+tools';

interface Fed {
  readonly agent: string;
  readonly isRejected: boolean;
}

const rejected = (agent: string): Fed => ({ agent, isRejected: true });
const answered = (agent: string): Fed => ({ agent, isRejected: false });
const repeat = (times: number, ...calls: Fed[]): Fed[] => Array.from({ length: times }, () => calls).flat();

/** Tells of calls at time 0, and gives after how many of them the shape is withheld; null if it never is. */
function withheldAfter(calls: readonly Fed[], shapes = new RejectedShapes()): number | null {
  const at = calls.findIndex((call) => shapes.ended(SHAPE, call, 0));
  return at < 0 ? null : at + 1;
}

describe('a shape of which an endpoint rejects calls', () => {
  const cases: readonly (readonly [what: string, calls: readonly Fed[], after: number | null])[] = [
    ['all of them, of one agent that is alone', repeat(9, rejected('a')), 5],
    ['all of them, of several agents', repeat(3, rejected('a'), rejected('b'), rejected('c')), 5],
    ['four', repeat(4, rejected('a')), null],
    ['two of three', repeat(9, rejected('a'), answered('a'), rejected('a')), 7],
    ['every second', repeat(30, rejected('a'), answered('a')), null],
    [
      'those of one odd agent among others',
      repeat(9, rejected('odd'), rejected('odd'), answered('b'), answered('c')),
      null,
    ],
    ['many, after very many good ones', [...repeat(500, answered('a')), ...repeat(5, rejected('a'))], 505],
    [
      'many at once of one odd agent, after good ones of others',
      [answered('b'), answered('c'), ...repeat(50, rejected('odd'))],
      null,
    ],
    [
      'all of a swarm of many agents, after good ones of all',
      [
        ...Array.from({ length: 100 }, (_, n) => answered(`agent ${n}`)),
        ...Array.from({ length: 100 }, (_, n) => rejected(`agent ${n}`)),
      ],
      111,
    ],
    [
      'a few, and then good ones for long',
      [...repeat(4, rejected('a')), ...repeat(20, answered('a')), rejected('a')],
      null,
    ],
  ];
  for (const [what, calls, after] of cases) {
    it(`is withheld ${after === null ? 'never' : `after ${after} calls`} if they are ${what}`, () => {
      assert.equal(withheldAfter(calls), after);
    });
  }

  it('is withheld if nobody else has called for long', () => {
    const shapes = new RejectedShapes();
    for (const agent of ['b', 'c']) shapes.ended(SHAPE, answered(agent), 0);
    const at = (ms: number) => repeat(20, rejected('a')).map((call) => shapes.ended(SHAPE, call, ms));
    assert.equal(at(10 * MINUTE).includes(true), false);
    assert.equal(at(10 * MINUTE + 1)[0], true);
  });

  it('withholds no other shape', () => {
    const shapes = new RejectedShapes();
    withheldAfter(repeat(5, rejected('a')), shapes);
    assert.deepEqual(shapes.withheld, [{ shape: SHAPE, until: 10 * MINUTE, spanMs: 10 * MINUTE }]);
  });

  it('is told of from the fifth rejection of its last 20 calls, whether it is withheld or not', () => {
    const told: readonly (readonly [calls: readonly Fed[], note: string | null])[] = [
      [repeat(4, rejected('a')), null],
      [repeat(4, rejected('a'), answered('b'), answered('b')), null],
      [repeat(5, rejected('a'), answered('b'), answered('b')), `rejected 5 of the last 15 calls of ${SHAPE}`],
      [repeat(30, rejected('a'), answered('b'), answered('b')), `rejected 6 of the last 20 calls of ${SHAPE}`],
      [[...repeat(5, rejected('a'), answered('b')), ...repeat(20, answered('a'))], null],
      [
        repeat(5, rejected('a')),
        `rejected most calls of ${SHAPE}: serverless gets them, and the endpoint the first in 7 min`,
      ],
    ];
    for (const [calls, note] of told) {
      const shapes = new RejectedShapes();
      for (const call of calls) shapes.ended(SHAPE, call, 0);
      const notes = shapes.notes(3 * MINUTE);
      assert.deepEqual(
        [notes.length, note === null || (notes[0] ?? '').startsWith(`the endpoint ${note}`)],
        [note === null ? 0 : 1, true],
        notes.join(),
      );
    }
  });

  it('is tried by one call after ten minutes, then after twice as long each time, up to two hours', () => {
    const shapes = new RejectedShapes();
    withheldAfter(repeat(5, rejected('a')), shapes);
    const spans: number[] = [];
    let now = 0;
    for (let i = 0; i < 6; i++) {
      const until = shapes.withheld[0]?.until ?? 0;
      spans.push((until - now) / MINUTE);
      assert.equal(shapes.sent(SHAPE, until - 1), false);
      assert.equal(shapes.sent(SHAPE, until), true);
      assert.equal(shapes.sent(SHAPE, until), false, 'only one call tries');
      now = until + 5;
      assert.equal(shapes.ended(SHAPE, rejected('b'), now), true);
    }
    assert.deepEqual(spans, [10, 20, 40, 80, 120, 120]);
  });

  it('is given back whole once a call that tried was answered', () => {
    const shapes = new RejectedShapes();
    withheldAfter(repeat(5, rejected('a')), shapes);
    shapes.sent(SHAPE, 10 * MINUTE);
    assert.equal(shapes.ended(SHAPE, answered('a'), 10 * MINUTE + 5), true);
    assert.deepEqual(shapes.withheld, []);
    assert.equal(withheldAfter(repeat(9, rejected('a')), shapes), 5);
  });

  it('stays withheld whatever becomes of the calls that were sent before', () => {
    const shapes = new RejectedShapes();
    withheldAfter(repeat(5, rejected('a')), shapes);
    assert.equal(shapes.ended(SHAPE, answered('b'), MINUTE), false);
    assert.equal(shapes.ended(SHAPE, rejected('b'), MINUTE), false);
    assert.equal(shapes.withheld[0]?.until, 10 * MINUTE);
  });

  it('is tried again later if nothing came of the call that tried', () => {
    const shapes = new RejectedShapes();
    withheldAfter(repeat(5, rejected('a')), shapes);
    assert.equal(shapes.sent(SHAPE, 10 * MINUTE), true);
    assert.equal(shapes.withheld[0]?.until, 20 * MINUTE);
    assert.equal(shapes.sent(SHAPE, 20 * MINUTE), true);
  });
});

describe('what is learned of an endpoint', () => {
  it('is nothing before a shape is withheld, and comes back the same in the next process', () => {
    const shapes = new RejectedShapes();
    shapes.setEndpoint('one');
    assert.equal(shapes.learned, null);
    withheldAfter(repeat(5, rejected('a')), shapes);
    const next = new RejectedShapes(shapes.learned);
    next.setEndpoint('one');
    assert.deepEqual(next.learned, shapes.learned);
    assert.equal(next.sent(SHAPE, 10 * MINUTE), true);
  });

  it('does not hold for another endpoint', () => {
    const shapes = new RejectedShapes();
    shapes.setEndpoint('one');
    withheldAfter(repeat(5, rejected('a')), shapes);
    const next = new RejectedShapes(shapes.learned);
    next.setEndpoint('two');
    assert.deepEqual([next.withheld, next.learned], [[], null]);
  });
});

it('an endpoint that rejects fewer than half of the calls loses none, and one that rejects all wins none back', () => {
  const order = fc.array(fc.record({ agent: fc.constantFrom('a', 'b', 'c'), isRejected: fc.boolean() }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(order, (calls) => {
      // After each rejection comes an answer for the same agent.
      const mostly = calls.flatMap((call) =>
        call.isRejected ? [answered(call.agent), call, answered(call.agent)] : [call],
      );
      assert.equal(withheldAfter(mostly), null);
      const all = calls.map(({ agent }) => rejected(agent));
      assert.equal(withheldAfter(all), all.length < 5 ? null : 5);
    }),
  );
});
