import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { serverlessUnable } from '../../../src/core/decide/serverless-unable.ts';
import { endpointShare, isOver, throughOf, weights } from '../../../src/core/rollout/rollout.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { fates, has, live } from '../../support/outage-walk.ts';
import type { OutageTick } from '../../support/outage-walk.ts';

/** `UPSHIFT_TEST_OUTAGES=10000` plays as many. */
const RUNS = Number(process.env['UPSHIFT_TEST_OUTAGES'] ?? 250);
const chosen = { numRuns: RUNS, seed: randomInt(2 ** 31) };

/** Checks a sentence at every tick of every fate. */
function always(check: (tick: OutageTick) => void): void {
  fc.assert(
    fc.property(fates, (fate) => {
      for (const tick of live(fate)) check(tick);
    }),
    chosen,
  );
}

const shareOf = (rollout: Rollout | null, { seen, decided }: OutageTick) =>
  rollout?.toward === 'serverless' && isOver(rollout.phase)
    ? Number(decided.replaced?.event.type !== 'ended')
    : endpointShare(rollout, seen.policy);
const isAsked = ({ decided }: OutageTick) => decided.outcome?.result === 'done';

describe('through outages of serverless, of the endpoint, of both and of the credits', () => {
  it('reaches what the laws are about', () => {
    const reached = new Set<string>();
    for (const fate of fc.sample(fates, { numRuns: 400, seed: 11 })) {
      for (const tick of live(fate)) {
        reached
          .add(tick.decided.action)
          .add(tick.decided.reason)
          .add(tick.after?.phase ?? 'watching');
        if (tick.after?.toward === 'serverless') reached.add('way back');
        if (throughOf(tick.after)?.by === 'ann@desk') reached.add('by a person');
      }
    }
    const wanted =
      'roll_back bridge_outage end_outage leave_endpoint enter_step promote stable_unable serverless_out over_budget holding promoted draining watching';
    assert.deepEqual(
      [...wanted.split(' '), 'way back', 'by a person'].filter((one) => !reached.has(one)),
      [],
    );
  });

  it('never proposes an endpoint because of an outage, and no way back during one', () => {
    always((tick) => {
      if (!has(tick, 'proposed')) return;
      assert.equal(tick.after?.toward, 'serverless', 'the load alone is no reason for an endpoint');
      assert.equal(tick.spell.serverless, 'up');
    });
  });

  it('never retreats to a serverless that cannot serve, unless a person says so', () => {
    always((tick) => {
      if (!(shareOf(tick.after, tick) < shareOf(tick.before, tick)) || isAsked(tick)) return;
      assert.equal(tick.spell.serverless, 'up');
      assert.equal(serverlessUnable(tick.seen), null);
    });
  });

  it('never returns to an endpoint that is dead, and never raises its weight', () => {
    always((tick) => {
      if (!(shareOf(tick.after, tick) > shareOf(tick.before, tick)) || isAsked(tick)) return;
      assert.equal(tick.spell.endpoint, 'up');
    });
  });

  it('never leaves an endpoint that answers because of what the management API says', () => {
    always((tick) => {
      const { decided, spell } = tick;
      if (spell.endpoint === 'dead' || tick.seen.endpointAnsweredAt !== tick.seen.now) return;
      assert.ok(!['endpoint_unhealthy', 'endpoint_absent'].includes(decided.reason) || decided.events.length === 0);
    });
  });

  it('gives the calls of serverless to the endpoint only while serverless is out, by itself or by a word', () => {
    always((tick) => {
      const through = throughOf(tick.after);
      if (through === null || through === throughOf(tick.before)) return;
      assert.equal(tick.spell.serverless, 'out');
      const { before, seen } = tick;
      if (through.by === 'policy') assert.ok(before?.phase === 'holding' && !before.isPaused);
      else assert.equal(seen.request?.kind, 'through_outage');
      assert.deepEqual(weights(tick.after, seen.policy), weights(before, seen.policy));
    });
  });

  it('takes them back with the first look that finds serverless back', () => {
    always((tick) => {
      if (tick.spell.serverless === 'out' || throughOf(tick.before) === null || tick.seen.request !== null) return;
      // A question about money may come first, once.
      if (tick.decided.reason === 'budget_low' || tick.decided.reason === 'budget_nearly_used') return;
      assert.equal(throughOf(tick.after), null);
    });
  });

  it('never spends more than was approved, as long as serverless could take the calls', () => {
    always(({ seen, spentMicros, couldLeave, before }) => {
      const { perRollout } = seen.policy.budget;
      if (perRollout === null || !couldLeave || before === null || before.phase === 'draining') return;
      if (isOver(before.phase)) return;
      assert.ok(spentMicros <= perRollout * 1_000_000, `$${spentMicros / 1_000_000} of $${perRollout}`);
    });
  });
});
