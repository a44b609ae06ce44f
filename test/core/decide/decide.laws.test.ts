import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { decide } from '../../../src/core/decide/decide.ts';
import { decideAgain } from '../../../src/core/decide-again.ts';
import type { Phase, Rollout } from '../../../src/core/rollout/rollout.ts';
import type { RolloutEvent } from '../../../src/core/rollout/event.ts';
import { leaveEndpoint } from '../../../src/core/decide/lost-endpoint.ts';
import { endpointShare } from '../../../src/core/rollout/rollout.ts';
import { afterEvent, NO_ROLLOUTS, rolloutsOf } from '../../../src/core/rollout/route-state.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import { isLive, isOver, weights } from '../../../src/core/rollout/rollout.ts';
import { stepVerdict } from '../../../src/core/decide/rollback.ts';
import { serverlessUnable } from '../../../src/core/decide/serverless-unable.ts';
import type { Tick } from '../../support/walk.ts';
import { walk, walks } from '../../support/walk.ts';

const chosen = { numRuns: 300, seed: randomInt(2 ** 31) };
const ticks = fc.sample(walks, chosen).flatMap(({ policy, days, isPromoted }) => [...walk(policy, days, isPromoted)]);

/** Checks a sentence at every tick of the same 300 random walks; where it does not hold, finds the shortest such walk. */
function always(check: (tick: Tick) => void): void {
  try {
    for (const tick of ticks) check(tick);
  } catch (error) {
    const law = fc.property(walks, ({ policy, days, isPromoted }) => {
      for (const tick of walk(policy, days, isPromoted)) check(tick);
    });
    fc.assert(law, chosen);
    throw error;
  }
}

const weightOf = (rollout: Rollout | null, { seen }: Tick) => weights(rollout, seen.policy).weight;
/** The endpoint's share. After a way back it is that of a promoted endpoint, or 0. */
const shareOf = (rollout: Rollout | null, { seen, decided }: Tick) =>
  rollout !== null && isWayBack(rollout) && isOver(rollout.phase)
    ? Number(decided.replaced?.event.type !== 'ended')
    : endpointShare(rollout, seen.policy);
const has = ({ decided }: Tick, type: RolloutEvent['type']) => decided.events.some((event) => event.type === type);
const rises = (tick: Tick) => weightOf(tick.after, tick) > weightOf(tick.before, tick);
const isWayBack = (rollout: Rollout | null) => rollout?.toward === 'serverless';
/** The endpoint of a way back can no longer serve. */
const isLost = ({ before, seen }: Tick) => before !== null && isWayBack(before) && leaveEndpoint(before, seen) !== null;
const isOwn = ({ before, seen }: Tick) => seen.request !== null && seen.request.rolloutId === before?.id;

describe('whatever happens, the core', () => {
  it('reaches every phase in these walks, so that the other laws are tested in every phase', () => {
    const reached = new Set<Phase>();
    const actions = new Set<string>();
    for (const { policy, days, isPromoted } of fc.sample(walks, { numRuns: 400, seed: 7 })) {
      for (const { after, decided } of walk(policy, days, isPromoted)) {
        reached.add(after?.phase ?? 'watching');
        actions.add(decided.action);
      }
    }
    const way: Phase[] = [
      'watching',
      'proposed',
      'provisioning',
      'warming',
      'shadowing',
      'stepping',
      'holding',
      'promoted',
    ];
    const phases: Phase[] = [...way, 'draining'];
    assert.deepEqual([...reached].sort(), [...phases, 'aborted', 'failed', 'returned'].sort());
    assert.deepEqual(
      'enter_step promote return leave_endpoint withdraw_ask roll_back fail end pause resume refuse count_approval begin_detour rescale sleep wake end_detour grant'
        .split(' ')
        .filter((action) => !actions.has(action)),
      [],
    );
  });

  it('decides without throwing, with a reason and a sentence, and its events fold', () => {
    always(({ decided }) => {
      assert.notEqual(decided.reason, '');
      assert.notEqual(decided.detail, '');
      if (decided.action === 'wait') assert.deepEqual([decided.events, decided.effect], [[], null]);
    });
  });

  it('gives exactly the same decision again from the stored input', () => {
    let count = 0;
    always(({ before, seen, decided }) => {
      // Reading the input costs much more than deciding: a fifth of the ticks is still thousands, of every phase.
      if (count++ % 5 !== 0) return;
      const stored = JSON.stringify({ rollout: before, observation: seen });
      assert.equal(decideAgain(stored), JSON.stringify(decided));
    });
  });

  it('gives decisions and rollouts that lose nothing in JSON', () => {
    always(({ decided, after }) => {
      assert.deepEqual(JSON.parse(JSON.stringify(decided)), decided);
      assert.deepEqual(JSON.parse(JSON.stringify(after)), after);
    });
  });

  it('gives the same rollout when it is computed from its events again', () => {
    always(({ after, history }) => {
      if (after === null) return;
      const stored = JSON.parse(JSON.stringify(history)) as typeof history;
      const replayed = stored.reduce<Rollout | null>((state, { event, at }) => evolve(state, event, at), null);
      assert.deepEqual(replayed, after);
    });
  });

  it('leads a route to the state that its events make again, step by step', () => {
    let count = 0;
    let replaced = 0;
    always(({ told, state }) => {
      if (state.replaced !== null) replaced++;
      if (count++ % 5 !== 0) return;
      const stored = JSON.parse(JSON.stringify(told)) as typeof told;
      assert.deepEqual(stored.reduce(afterEvent, NO_ROLLOUTS), rolloutsOf(state));
    });
    assert.ok(replaced > 100, `${replaced} ticks with a way back`);
  });

  it('raises the weight only by entering the next step, approved in the same decision', () => {
    always((tick) => {
      if (!rises(tick) || has(tick, 'detour_ended')) return;
      const { before, decided, seen } = tick;
      // Other laws are about the control group's weight, which a promotion adds, and about a lost endpoint.
      if (before?.phase === 'holding' || decided.action === 'leave_endpoint') return;
      assert.ok(before?.phase === 'stepping' || (before?.phase === 'proposed' && isWayBack(before)));
      const step = 'step' in before ? before.step : 0;
      const [approved, entered, ...rest] = decided.events;
      assert.deepEqual(rest, []);
      assert.ok(approved?.type === 'approved' && entered?.type === 'step_entered');
      assert.deepEqual([approved.step, entered.step], [step + 1, step + 1]);
      if (approved.by === 'policy') return assert.equal(seen.policy.approval, 'automatic');
      assert.ok(isOwn(tick) && seen.request?.kind === 'approve');
      assert.equal(seen.request.askId, seen.openAskId);
      assert.equal(before.ask?.step, entered.step);
    });
  });

  it('does what is asked only after as many people have approved it as the policy wants, each of them once', () => {
    let several = 0;
    always((tick) => {
      const { before, seen, decided, history } = tick;
      const approved = decided.events.find((event) => event.type === 'approved');
      if (approved === undefined || approved.by === 'policy' || before?.ask == null) return;
      const { about = 'step', step } = approved;
      const isSame = (event: RolloutEvent) => ('about' in event ? event.about === about : about === 'step');
      const since = history.findLastIndex(({ event }) => event.type === 'asked' && isSame(event));
      const people = new Set([seen.request?.uid]);
      for (const { event } of history.slice(since)) if (event.type === 'approval_added') people.add(event.uid);
      const kind =
        about !== 'step' ? about : step === 0 ? 'provision' : step > seen.policy.steps.length ? 'promote' : 'step';
      assert.equal(people.size, seen.policy.approvals[kind]);
      if (people.size > 1) several++;
    });
    assert.ok(several > 0, 'no walk had such a question');
  });

  it('raises the weight, or promotes, only after a pass, or onto a warm endpoint without traffic', () => {
    always((tick) => {
      if ((!rises(tick) && !has(tick, 'promoted')) || has(tick, 'detour_ended')) return;
      const { before, seen, decided } = tick;
      if (decided.action === 'leave_endpoint' || (before?.phase === 'proposed' && isWayBack(before))) return;
      assert.ok(before?.phase === 'stepping' || before?.phase === 'holding');
      const verdict = stepVerdict(before, seen);
      assert.equal(verdict?.status ?? 'no traffic', before.step === 0 ? 'no traffic' : 'pass');
      if (before.step > 0) assert.ok(seen.now - before.since >= seen.policy.limits.bake);
    });
  });

  it('never raises the weight towards an endpoint that should be left', () => {
    always((tick) => {
      const { before, seen } = tick;
      if (!rises(tick) || isWayBack(before) || (before?.phase !== 'stepping' && before?.phase !== 'holding')) return;
      if (before.step > 0) assert.ok(seen.canaryFaultsInRow < seen.policy.limits.consecutiveFaults);
      const isFresh = seen.endpoint !== null && seen.endpoint.at >= before.startedAt;
      const bad = ['paused', 'failed', 'updateFailed', 'absent', 'scaledToZero'];
      if (isFresh) assert.ok(!bad.includes(seen.endpoint?.state ?? ''));
    });
  });

  it('begins a detour only if serverless can take traffic, and ends it only if the endpoint is healthy', () => {
    always((tick) => {
      const { before, seen } = tick;
      if (has(tick, 'detour_began')) {
        assert.ok(before?.phase === 'promoted' && !before.isPaused);
        assert.equal(serverlessUnable(seen), null);
      }
      if (!has(tick, 'detour_ended')) return;
      assert.ok(before?.phase === 'promoted' && before.detour !== undefined);
      assert.ok(seen.endpoint?.state === 'running' && seen.endpoint.isHealthy);
      assert.ok(seen.endpoint.at >= before.detour.since);
    });
  });

  it('changes, scales to zero and wakes an endpoint only while it has no traffic', () => {
    always((tick) => {
      const { before, decided, after } = tick;
      if (!['rescale', 'sleep', 'wake'].includes(decided.effect ?? '')) return;
      assert.deepEqual([weightOf(before, tick), weightOf(after, tick)], [0, 0]);
      if (decided.effect !== 'wake') assert.ok(tick.seen.isDrained);
    });
  });

  it('changes no scaling without an approval, and never beyond the limits of the policy and the price', () => {
    always((tick) => {
      const { decided, before, seen } = tick;
      const began = decided.events.find((event) => event.type === 'detour_began');
      if (began?.why !== 'rescale') return;
      const { endpoint, scaling } = seen.policy;
      assert.ok(began.scaling.maxReplica <= (scaling?.to ?? endpoint?.maxReplica ?? 1));
      assert.ok(began.scaling.maxReplica * 1.3 <= (endpoint?.maxPricePerHour ?? Infinity));
      if (scaling?.adjust === 'automatic') return;
      assert.ok(before?.phase === 'promoted' && before.granted !== undefined);
    });
  });

  it('takes at most one step in a decision', () => {
    const steps: RolloutEvent['type'][] = ['proposed', 'provisioning_started', 'warmed', 'step_entered', 'promoted'];
    always(({ decided }) => {
      assert.ok(decided.events.filter((event) => steps.includes(event.type)).length <= 1);
    });
  });

  it('provisions nothing without an approval, and ensures no endpoint in any other phase', () => {
    always((tick) => {
      const { before, decided, seen } = tick;
      if (decided.effect === 'ensure') assert.equal(before?.phase, 'provisioning');
      if (!has(tick, 'provisioning_started')) return;
      assert.equal(before?.phase, 'proposed');
      assert.ok(decided.events[0]?.type === 'approved' && decided.events[0].step === 0);
      assert.ok(seen.policy.approval === 'automatic' || (isOwn(tick) && seen.request?.kind === 'approve'));
    });
  });

  it('gives a draining canary no calls, and pauses its endpoint only then', () => {
    always((tick) => {
      const { before, after, decided, seen } = tick;
      if (after?.phase === 'draining') assert.equal(endpointShare(after, seen.policy), 0);
      if (decided.effect === 'pause') assert.ok(before?.phase === 'draining' && seen.isDrained);
    });
  });

  it('ends with the outcome with which it began to drain, and only from a proposal or from draining', () => {
    always(({ before, after, decided }) => {
      if (after === null || !isOver(after.phase) || !('reason' in after)) return;
      if (isWayBack(after) && before?.phase !== 'draining') return assert.equal(after.phase, 'aborted');
      assert.ok(before?.phase === 'proposed' || before?.phase === 'draining');
      if (before.phase === 'draining') assert.deepEqual([after.phase, after.reason], [before.outcome, before.reason]);
      assert.equal(decided.events.at(-1)?.type, 'ended');
    });
  });

  it('aborts in every phase if an operator requests it', () => {
    always((tick) => {
      const { before, after, seen, decided } = tick;
      if (!isOwn(tick) || seen.request?.kind !== 'abort' || before?.phase === 'draining' || isLost(tick)) return;
      assert.equal(decided.action, before?.phase === 'proposed' ? 'end' : 'roll_back');
      assert.equal(weightOf(after, tick), 0);
      assert.equal(decided.outcome?.result, 'done');
    });
  });

  it('enters no step while paused, but may roll back', () => {
    always((tick) => {
      if (tick.before?.isPaused !== true || tick.decided.action === 'leave_endpoint') return;
      assert.ok(!rises(tick));
      assert.ok(!has(tick, 'promoted') && !has(tick, 'provisioning_started'));
    });
  });

  it('rolls back whenever the verdict on its step fails and serverless can take traffic', () => {
    always((tick) => {
      const { before, seen, after } = tick;
      if (before?.phase !== 'stepping' && before?.phase !== 'holding') return;
      if (isWayBack(before) || stepVerdict(before, seen)?.status !== 'fail' || serverlessUnable(seen) !== null) return;
      if (seen.stableRecent.faults <= 1) assert.equal(after?.phase, 'draining');
      assert.ok(!rises(tick));
    });
  });

  it('rolls back also while paused, and whatever is requested in the same tick', () => {
    always((tick) => {
      const { before, seen, after } = tick;
      if (before === null || !isLive(before) || isWayBack(before)) return;
      const isDue = seen.canaryFaultsInRow >= seen.policy.limits.consecutiveFaults && weightOf(before, tick) > 0;
      if (isDue && seen.stableRecent.faults <= 1 && serverlessUnable(seen) === null)
        assert.equal(after?.phase, 'draining');
    });
  });

  it('rolls back whenever its budget is used up, unless serverless can take no traffic or a request is answered', () => {
    let isUsedUp = 0;
    always((tick) => {
      const { before, seen, after } = tick;
      if (before === null || !('startedAt' in before) || seen.policy.budget?.perDay !== 50) return;
      const isExtended = before.budget?.some(({ mark }) => mark === 'extended') === true;
      if (isExtended || (seen.spending?.dayMicros ?? 0) < 49_900_000) return;
      assert.ok(!(shareOf(after, tick) > shareOf(before, tick)));
      if (seen.request !== null || serverlessUnable(seen) !== null) return;
      isUsedUp++;
      assert.ok(after?.phase === 'draining' || seen.stableRecent.faults > 1, after?.phase);
    });
    assert.ok(isUsedUp > 10, `${isUsedUp}`);
  });

  it('never moves traffic to a serverless that can take none, unless an operator requests it', () => {
    always((tick) => {
      const { before, seen, decided } = tick;
      if (!(shareOf(tick.after, tick) < shareOf(before, tick))) return;
      if (decided.outcome?.result === 'done') return;
      assert.ok(serverlessUnable(seen) === null);
    });
  });

  it('refuses an answer that is not about the open question', () => {
    always((tick) => {
      const { before, seen, decided } = tick;
      const { request } = seen;
      if (request === null || (request.kind !== 'approve' && request.kind !== 'reject')) return;
      const isStep = request.step === null || request.step === before?.ask?.step;
      if (isOwn(tick) && before?.ask != null && request.askId === seen.openAskId && isStep) return;
      assert.notEqual(decided.outcome?.result, 'done');
      assert.ok(!decided.events.some((event) => event.type === 'approved' && event.by !== 'policy'));
    });
  });

  it('answers every request in the same tick, unless it has to roll back first', () => {
    always((tick) => {
      const { seen, decided } = tick;
      if (seen.request === null) return assert.equal(decided.outcome, null);
      if (decided.outcome === null) {
        const [first] = decided.events;
        return assert.ok(first?.type === 'draining' || (first?.type === 'ended' && first.outcome === 'aborted'));
      }
      assert.equal(decided.outcome.requestId, seen.request.id);
    });
  });

  it('proposes nothing during the cooldown', () => {
    always((tick) => {
      const { lastEndedAt, lastToward, now, policy } = tick.seen;
      if (!has(tick, 'proposed') || lastEndedAt === null) return;
      if (lastToward === 'serverless') return assert.ok(now - lastEndedAt >= policy.back.cooldown);
      if (tick.before === null) assert.ok(now - lastEndedAt >= policy.criteria.cooldown);
    });
  });

  it('begins a way back only from a promoted rollout, with a cause, and if serverless can take all calls', () => {
    always((tick) => {
      const { before, after, seen } = tick;
      if (!has(tick, 'proposed') || !isWayBack(after)) return;
      assert.ok(before?.phase === 'promoted' && seen.back != null);
      assert.equal(after?.wayBack?.replaces, before.id);
      const { traffic, slo, serverlessLimit, refusedMost } = seen.back;
      assert.ok(traffic?.belowSince != null || slo?.missedSince != null);
      assert.ok(serverlessLimit === null || 1 - serverlessLimit / (traffic?.p95 ?? 0) <= refusedMost);
    });
  });

  it('only lowers the endpoint’s share in a way back, or returns all of it', () => {
    always((tick) => {
      const { before, after } = tick;
      if (!isWayBack(before) || after === null) return;
      const [was, is] = [shareOf(before, tick), shareOf(after, tick)];
      if (is > was) assert.deepEqual([is, after.phase], [1, 'aborted']);
      if (after.phase === 'returned') assert.equal(is, 0);
    });
  });

  it('returns all traffic to the endpoint whenever serverless fails in a way back, unless the endpoint is lost', () => {
    always((tick) => {
      const { before, seen, after } = tick;
      if (!isWayBack(before) || (before?.phase !== 'stepping' && before?.phase !== 'holding') || isLost(tick)) return;
      const hasFailed = stepVerdict(before, seen)?.status === 'fail';
      if (hasFailed || seen.canaryFaultsInRow >= seen.policy.limits.consecutiveFaults)
        assert.equal(after?.phase, 'aborted');
    });
  });

  it('sends all traffic from a lost endpoint to serverless at once, whatever is requested, if serverless can take it', () => {
    always((tick) => {
      const { before, seen, after, decided } = tick;
      if (decided.action === 'leave_endpoint') assert.ok(isLost(tick));
      if (!isLost(tick)) return;
      const { attempts, faults } = seen.stableRecent;
      if (serverlessUnable(seen) !== null) return assert.equal(shareOf(after, tick), shareOf(before, tick));
      if (faults * 2 < attempts || attempts < 5) assert.equal(decided.action, 'leave_endpoint');
    });
  });

  it('ends a successful way back and the rollout that it replaces in one decision, once the endpoint costs nothing', () => {
    always((tick) => {
      const { before, after, decided } = tick;
      const isReturned = after?.phase === 'returned';
      assert.equal(decided.replaced?.event.type === 'ended', isReturned);
      if (!isReturned || decided.replaced === undefined) return;
      assert.deepEqual([decided.replaced.rolloutId, before?.phase], [before?.wayBack?.replaces, 'draining']);
      assert.ok(decided.replaced.event.type === 'ended' && decided.replaced.event.outcome === 'returned');
    });
  });

  it('soon has nothing more to do if the observation stays the same', () => {
    always(({ seen, decided, after }) => {
      let [rollout, last, effects] = [after, decided, seen.effects];
      const taken: string[] = [];
      while (last.action !== 'wait' && taken.length < 8) {
        taken.push(`${last.action} ${last.reason}`);
        if (last.effect !== null) effects = [...effects, last.effect];
        last = decide(rollout, { ...seen, request: null, effects });
        rollout = last.events.reduce((state, event) => evolve(state, event, seen.now), rollout);
      }
      assert.equal(last.action, 'wait', taken.join(', '));
    });
  });
});
