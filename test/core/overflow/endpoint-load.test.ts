import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EndpointLoad } from '../../../src/core/overflow/endpoint-load.ts';

/** A load on which an answer began at a time. */
function answering(atMs = 0): EndpointLoad {
  const load = new EndpointLoad();
  load.begin();
  load.answered(atMs);
  load.end();
  return load;
}

/** Sends a call that is refused at a time. Returns whether for lack of room. */
function refuse(load: EndpointLoad, atMs: number): boolean {
  const isFull = load.refused(load.begin(), atMs);
  load.end();
  return isFull;
}

describe('a refusal', () => {
  it('is no lack of room at an endpoint that has answered nothing', () => {
    assert.equal(refuse(new EndpointLoad(), 0), false);
  });

  it('is one for five seconds after an answer began, and then no more', () => {
    assert.equal(refuse(answering(1_000), 6_000), true);
    assert.equal(refuse(answering(1_000), 6_001), false);
  });

  it('is none from the fifth in a row on, until an answer begins', () => {
    const load = answering();
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6].map((ms) => refuse(load, ms)),
      [true, true, true, true, false, false],
    );
    load.begin();
    load.answered(10);
    load.end();
    assert.equal(refuse(load, 11), true);
  });

  for (const [when, started] of [
    ['after a pause', () => answering(0)],
    ['at the beginning', () => new EndpointLoad()],
  ] as const) {
    it(`is believed of one burst ${when}, as long as other calls are under way`, () => {
      const load = started();
      const burst = Array.from({ length: 20 }, () => load.begin());
      for (const number of burst.slice(8)) {
        assert.equal(load.refused(number, 60_000), true);
        load.end();
      }
      assert.deepEqual([load.limit, refuse(load, 60_001)], [8, false]);
      assert.equal(refuse(started(), 60_000), false, 'nothing else is under way');
    });
  }

  it('counts once with all that were sent before it came', () => {
    const load = answering();
    const burst = Array.from({ length: 30 }, () => load.begin());
    assert.ok(burst.every((number) => load.refused(number, 1)));
    burst.forEach(() => load.end());
    assert.deepEqual([refuse(load, 2), refuse(load, 2), refuse(load, 2), refuse(load, 2)], [true, true, true, false]);
  });
});

describe('the limit', () => {
  it('is unknown, and the endpoint never full, until one was seen', () => {
    const load = answering();
    for (let n = 0; n < 1_000; n++) load.begin();
    assert.deepEqual([load.limit, load.isFull, load.hasRoom], [null, false, true]);
  });

  it('is what was under way when the last call of a burst was refused', () => {
    const load = answering();
    const burst = Array.from({ length: 30 }, () => load.begin());
    for (const number of burst.slice(10)) {
      load.refused(number, 1);
      load.end();
    }
    assert.deepEqual([load.limit, load.inFlight, load.isFull], [10, 10, true]);
    load.end();
    assert.equal(load.isFull, false, 'one call has ended');
  });

  it('follows the replicas', () => {
    const load = answering();
    load.measured({ replicas: 2, limit: null });
    for (let n = 0; n < 8; n++) load.begin();
    refuse(load, 1);
    assert.equal(load.limit, 8);
    load.measured({ replicas: 3, limit: null });
    assert.deepEqual([load.limit, load.isFull], [12, false]);
    load.measured({ replicas: 3, limit: 9 });
    assert.equal(load.limit, 12, 'what it said itself counts more than what was measured');
  });

  it('rises with calls that are answered above it', () => {
    const load = answering();
    for (let n = 0; n < 4; n++) load.begin();
    refuse(load, 1);
    for (let n = 0; n < 64; n++) load.answered(2);
    assert.equal(load.hasRoom, true);
    load.begin();
    load.answered(3);
    assert.equal(load.limit, 5);
  });

  it('keeps no call away while connections fail, because their faults must show, until an answer begins', () => {
    const load = answering();
    const held = Array.from({ length: 4 }, () => load.begin());
    load.refused(load.begin(), 1);
    load.end();
    assert.equal(load.isFull, true);
    load.failed();
    assert.equal(load.isFull, false);
    load.answered(2);
    assert.equal(load.isFull, true);
    for (const _ of held) load.end();
    assert.equal(load.isFull, false);
  });

  it('lets few calls try more', () => {
    const load = answering();
    for (let n = 0; n < 4; n++) load.begin();
    let refusals = 0;
    for (let n = 0; n < 400; n++) {
      if (load.hasRoom) {
        refuse(load, n);
        refusals++;
      }
      load.end();
      load.begin();
      load.answered(n);
      load.end();
      load.begin();
    }
    assert.ok(refusals >= 6 && refusals <= 10, `${refusals} refusals`);
  });
});

describe('a late first byte', () => {
  it('is lack of room only at a limit that is known, and while others are answered', () => {
    const load = answering();
    assert.equal(load.late(load.begin(), 1), false);
    load.measured({ replicas: 1, limit: 2 });
    const number = load.begin();
    assert.equal(load.late(number, 1), true);
    assert.equal(load.late(number, 5_001), false);
  });
});

/** What may happen to a load: a call that asks first, an end, an answer, a refusal, a measurement. */
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constant('call' as const) },
    { weight: 4, arbitrary: fc.constant('end' as const) },
    { weight: 3, arbitrary: fc.constant('answer' as const) },
    { weight: 1, arbitrary: fc.constant('refuse' as const) },
    {
      weight: 1,
      arbitrary: fc.record({ replicas: fc.integer({ min: 1, max: 4 }), limit: fc.integer({ min: 1, max: 30 }) }),
    },
  ),
  { maxLength: 400 },
);

describe('under whatever happens', () => {
  it('no call is admitted above the limit by more than a twentieth and one, and none is counted below zero', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const load = new EndpointLoad();
        let [under, now] = [0, 0];
        for (const step of all) {
          now += 10;
          if (step === 'call') {
            const { limit } = load;
            if (load.isFull) continue;
            load.begin();
            under++;
            if (limit !== null) assert.ok(load.inFlight <= limit * 1.05 + 1, `${load.inFlight} of ${limit}`);
          } else if (step === 'end' && under > 0) {
            load.end();
            under--;
          } else if (step === 'answer' && under > 0) load.answered(now);
          else if (step === 'refuse') refuse(load, now);
          else if (typeof step === 'object') load.measured(step);
          assert.equal(load.inFlight, under);
          assert.ok(load.limit === null || load.limit >= 1);
          if (under === 0) assert.equal(load.isFull, false, 'an endpoint without calls is never full');
        }
      }),
    );
  });
});
