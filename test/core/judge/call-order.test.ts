import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { Assigned, Known, Taker } from '../../../src/core/judge/call-order.ts';
import { byAssignment, CallOrder, earlyView, fullView } from '../../../src/core/judge/call-order.ts';
import { Pairs, inOrder, takePair } from '../../../src/core/judge/shadow-pairs.ts';
import { EARLY_US } from '../../../src/core/judge/scores.ts';

const LATE_US = 30_000_000;

/** Records what it receives. */
class Witness implements Taker {
  readonly earlier: object[] = [];
  readonly full: object[] = [];
  readonly pairs: object[] = [];

  early(call: object): void {
    this.earlier.push(call);
  }

  take(call: object): void {
    this.full.push(call);
  }

  pair(stable: object, canary: object): void {
    this.pairs.push({ stable, canary });
  }
}

interface OneCall {
  readonly assigned: Assigned;
  readonly known: Known;
}

const outcomes = fc.constantFrom<Outcome>('ok', 'ok', 'ok', 'server_error', 'rate_limited', 'client_left');

/** Calls of two gateways in the order of `byAssignment`; some take longer than `LATE_US`. */
const calls: fc.Arbitrary<OneCall[]> = fc
  .array(
    fc.record({
      gatewayId: fc.constantFrom(1, 2),
      gapUs: fc.oneof(fc.integer({ min: 1, max: 4_000_000 }), fc.integer({ min: 0, max: 1 })),
      uploadUs: fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.constant(0)),
      outcome: outcomes,
      afterUs: fc.oneof(
        fc.integer({ min: 1, max: 3_000_000 }),
        fc.integer({ min: 1, max: 2 * LATE_US }),
        fc.constantFrom(EARLY_US - 1, EARLY_US, LATE_US - 1, LATE_US),
      ),
      isCanary: fc.boolean(),
      waitedUs: fc.oneof(
        fc.constant(0),
        fc.integer({ min: 0, max: 10_000_000 }),
        fc.constantFrom(EARLY_US, EARLY_US - 1),
      ),
    }),
    { maxLength: 60 },
  )
  .map((drawn) => {
    let atUs = 1_000_000_000;
    const made = drawn.map(({ gatewayId, gapUs, uploadUs, outcome, afterUs, isCanary, waitedUs }): OneCall => {
      atUs += gapUs;
      const role = isCanary ? 'canary' : 'stable';
      const tokens = { firstTokenUs: Math.min(afterUs, 500), promptTokens: 7, outputTokens: 9, isEmpty: false };
      return {
        assigned: {
          gatewayId,
          arrivedAtUs: atUs - uploadUs,
          assignedAtUs: atUs,
          role,
          step: 1,
          weight: 0.25,
          waitedUs,
        },
        known: { outcome, knownAfterUs: afterUs + uploadUs, durationUs: afterUs + uploadUs, ...tokens },
      };
    });
    return made.sort((a, b) => byAssignment(a.assigned, b.assigned));
  })
  .filter((all) => new Set(all.map(({ assigned: a }) => `${a.gatewayId} ${a.arrivedAtUs}`)).size === all.length);

/**
 * Reports the calls, advances every `everyUs`, and calls `advanced` after that. Events of the same microsecond are
 * reported in the wrong order; `isEager`: also advances after each event.
 */
function live(
  all: readonly OneCall[],
  { everyUs, isEager = false }: { readonly everyUs: number; readonly isEager?: boolean },
  callOrder: CallOrder,
  advanced: (nowUs: number) => void,
): void {
  const events = all
    .toReversed()
    .flatMap(({ assigned, known }) => [
      { atUs: assigned.assignedAtUs, happen: () => callOrder.assigned(assigned) },
      {
        atUs: assigned.assignedAtUs + assigned.waitedUs,
        happen: () => callOrder.sent(assigned, assigned.waitedUs),
      },
      {
        atUs: assigned.arrivedAtUs + assigned.waitedUs + known.knownAfterUs,
        happen: () => callOrder.known(assigned, known),
      },
    ])
    .sort((a, b) => a.atUs - b.atUs);
  const endUs = (events.at(-1)?.atUs ?? 0) + LATE_US;
  let next = 0;
  for (let nowUs = events[0]?.atUs ?? endUs; nowUs <= endUs + everyUs; nowUs += everyUs) {
    for (let event = events[next]; event !== undefined && event.atUs <= nowUs; event = events[++next]) {
      event.happen();
      if (isEager) callOrder.advance(event.atUs);
    }
    callOrder.advance(nowUs);
    advanced(nowUs);
  }
}

describe('the order of calls', () => {
  it('hands on each call once, in the order of assignment, the same as from its row in the ledger', () => {
    fc.assert(
      fc.property(calls, fc.integer({ min: 50_000, max: 5_000_000 }), fc.boolean(), (all, everyUs, isEager) => {
        const witness = new Witness();
        live(all, { everyUs, isEager }, new CallOrder(witness, LATE_US), () => undefined);
        assert.deepEqual(
          witness.earlier,
          all.map(({ assigned, known }) => earlyView(assigned, known)),
        );
        assert.deepEqual(
          witness.full,
          all.map(({ assigned, known }) => fullView(assigned, known, LATE_US)),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('hands on no call before it is decided, and every call once it and those before it are', () => {
    fc.assert(
      fc.property(calls, (all) => {
        const witness = new Witness();
        live(all, { everyUs: 250_000 }, new CallOrder(witness, LATE_US), (nowUs) => {
          const isDecided = ({ assigned, known }: OneCall, waitUs: number) =>
            nowUs >=
            assigned.waitedUs + Math.min(assigned.assignedAtUs + waitUs, assigned.arrivedAtUs + known.knownAfterUs);
          const isEarlyDecided = (call: OneCall) => {
            const { assignedAtUs, waitedUs } = call.assigned;
            return isDecided(call, EARLY_US) || (waitedUs >= EARLY_US && nowUs >= assignedAtUs + EARLY_US);
          };
          const taken = all.slice(0, witness.full.length);
          assert.ok(taken.every((call) => isDecided(call, LATE_US)));
          const next = all[witness.full.length];
          if (next !== undefined && next.assigned.assignedAtUs <= nowUs) assert.ok(!isDecided(next, LATE_US));
          const early = all[witness.earlier.length];
          if (early !== undefined && early.assigned.assignedAtUs <= nowUs) assert.ok(!isEarlyDecided(early));
        });
      }),
      { numRuns: 100 },
    );
  });

  it('hands on in parts, and in order, the calls that piled up behind a slow call', () => {
    const all = Array.from({ length: 6_000 }, (_, i): OneCall => {
      const atUs = 1_000_000 + i;
      const durationUs = i === 0 ? LATE_US : 1_000;
      const tokens = { firstTokenUs: 500, promptTokens: 7, outputTokens: 9, isEmpty: false };
      return {
        assigned: {
          gatewayId: 1,
          arrivedAtUs: atUs,
          assignedAtUs: atUs,
          role: 'stable',
          step: 1,
          weight: 0.25,
          waitedUs: 0,
        },
        known: { outcome: 'ok', knownAfterUs: durationUs, durationUs, ...tokens },
      };
    });
    const witness = new Witness();
    const parts: number[] = [];
    live(all, { everyUs: 1_000_000 }, new CallOrder(witness, LATE_US), () => {
      parts.push(witness.full.length - parts.reduce((sum, part) => sum + part, 0));
    });
    assert.ok(Math.max(...parts) <= 2_000, parts.join());
    assert.deepEqual(
      witness.full,
      all.map(({ assigned, known }) => fullView(assigned, known, LATE_US)),
    );
  });

  it('counts a call that is held for two seconds as refused in its early view', () => {
    const assigned: Assigned = {
      gatewayId: 1,
      arrivedAtUs: 5,
      assignedAtUs: 6,
      role: 'stable',
      step: 1,
      weight: 0.5,
      waitedUs: EARLY_US,
    };
    const tokens = { firstTokenUs: null, promptTokens: 1, outputTokens: 1, isEmpty: null };
    const known: Known = { outcome: 'server_error', knownAfterUs: 10, durationUs: 10, ...tokens };
    assert.equal(earlyView(assigned, known).outcome, 'rate_limited');
    assert.equal(fullView(assigned, known, LATE_US).outcome, 'server_error');
    assert.equal(earlyView({ ...assigned, waitedUs: EARLY_US - 1 }, known).outcome, 'server_error');
  });

  it('shows only the failed first attempt of a call that a fall-back answered', () => {
    const assigned: Assigned = {
      gatewayId: 1,
      arrivedAtUs: 5,
      assignedAtUs: 6,
      role: 'canary',
      step: 2,
      weight: 0.5,
      waitedUs: 0,
    };
    const known: Known = {
      outcome: 'server_error',
      knownAfterUs: 1_000,
      durationUs: 9_000_000,
      firstTokenUs: 8_000_000,
      promptTokens: 10,
      outputTokens: 20,
      isEmpty: false,
    };
    const view = fullView(assigned, known, LATE_US);
    assert.deepEqual([view.durationUs, view.firstTokenUs, view.outputTokens], [1_000, null, null]);
  });
});

describe('pairs', () => {
  it('come in the order in which they were sent, whichever half ended first, the same as from the ledger', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(calls, calls), { maxLength: 1 }),
        fc.integer({ min: 1, max: 9_000_000 }),
        (drawn, every) => {
          const [lives, copies] = drawn[0] ?? [[], []];
          const all = lives.slice(0, copies.length).map(({ assigned, known }, i) => ({
            gatewayId: assigned.gatewayId,
            arrivedAtUs: assigned.arrivedAtUs,
            setOutAtUs: assigned.arrivedAtUs + assigned.waitedUs,
            step: i % 2,
            stable: known,
            canary: (copies[i] as OneCall).known,
          }));
          const [seen, expected] = [new Witness(), new Witness()];
          const pairs = new Pairs(seen, LATE_US);
          const ends = all
            .toReversed()
            .flatMap((pair) => [
              { atUs: pair.setOutAtUs + pair.stable.durationUs, report: () => pairs.half('stable', pair, pair.stable) },
              { atUs: pair.setOutAtUs + pair.canary.durationUs, report: () => pairs.half('canary', pair, pair.canary) },
            ])
            .sort((a, b) => a.atUs - b.atUs);
          for (const { atUs, report } of ends) {
            pairs.advance(Math.floor(atUs / every) * every);
            report();
          }
          pairs.advance((ends.at(-1)?.atUs ?? 0) + LATE_US);
          for (const pair of all.toSorted(inOrder)) takePair(expected, pair, LATE_US);
          assert.deepEqual(seen.pairs, expected.pairs);
        },
      ),
      { numRuns: 200 },
    );
  });
});
