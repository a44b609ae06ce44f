import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseRollout } from '../../../src/cli/input/choose-rollout.ts';
import { renderStatus } from '../../../src/cli/views/status.ts';
import type { RouteStatus } from '../../../src/core/status.ts';
import type { RolloutRow } from '../../../src/ledger/journal/rows.ts';
import { makeReport, makeRollout, makeRoute, NOON } from '../reports.ts';

const LOAD = { calls: 300, p95: 1_240, belowSince: NOON - 3_600_000, knownSince: NOON - 86_400_000 };
const STEPS = { toward: 'serverless' as const, steps: [0.75, 0.5, 0.25, 0.1, 0.03] };

/** The status of one route without the three lines on the daemon. */
function shown(route: Partial<RouteStatus>): string {
  const options = { width: 80, color: false, isRunning: true, now: NOON };
  return renderStatus(makeReport([makeRoute({ traffic: LOAD, ...route })]), options)
    .split('\n')
    .slice(4)
    .join('\n');
}

describe('the status of a way back', () => {
  it('asks for its first step, with the endpoint as it is and the traffic that speaks for it', () => {
    const rollout = makeRollout({
      ...STEPS,
      step: 0,
      weight: 1,
      figures: null,
      verdict: null,
      ask: { id: 1, step: 1, at: NOON },
    });
    const text = shown({ phase: 'proposed', rollout });
    assert.match(text, /WAY BACK: PROPOSED {2}rollout k3v9q2ab/);
    assert.match(text, /\[ 100 asked \]-\[ 75 \]-\[ 50 \]-\[ 25 \]-\[ 10 \]-\[ 3 \]-\[ returned \]/);
    assert.match(text, /approve k3v9q2ab --step 1\n +npx upshift reject k3v9q2ab {3}the endpoint keeps its calls/);
    assert.match(text, /way back +300 calls in 5 min, p95 1 240; too low since 11:00:00Z/);
    assert.doesNotMatch(text, /does not exist yet|needed: above/);
  });

  it('tells what a command does below it where the ledger has a long name', () => {
    const rollout = makeRollout({
      ...STEPS,
      step: 0,
      weight: 1,
      figures: null,
      verdict: null,
      ask: { id: 1, step: 1, at: NOON },
    });
    const options = {
      width: 80,
      color: false,
      isRunning: true,
      now: NOON,
      commandSuffix: '--db /a/long/folder/upshift.db',
    };
    const text = renderStatus(makeReport([makeRoute({ phase: 'proposed', rollout })]), options);
    assert.match(text, /reject k3v9q2ab --db \/a\/long\/folder\/upshift\.db\n {13}the endpoint keeps its calls\n/);
    assert.ok(text.split('\n').every((line) => line.length <= 80));
  });

  it('tells the endpoint’s share going down, and each side’s figures by its name', () => {
    const text = shown({ phase: 'stepping', rollout: makeRollout({ ...STEPS, step: 2, weight: 0.5 }) });
    assert.match(text, /\[ 100 ok \]-\[ 75 ok \]-\[ 50 now \]-\[ 25 \]-\[ 10 \]-\[ 3 \]-\[ returned \]/);
    assert.match(text, /share +set 50 %/);
    // As on the way there, but with the roles exchanged.
    assert.match(text, /serverless +2 834 .*\n endpoint +8 640 /);
  });

  it('says when nothing is left on the endpoint', () => {
    const rollout = makeRollout({ ...STEPS, step: 6, weight: 0, figures: null, verdict: null });
    const text = shown({ phase: 'draining', rollout });
    assert.match(text, /\[ 10 ok \]-\[ 3 ok \]-\[ 0 pausing \]/);
    assert.match(
      shown({ lastRollout: { id: 'abc', phase: 'returned', at: NOON, reason: 'done', hint: null } }),
      /rollout abc returned/,
    );
  });

  it('does not advise to abort a promoted route that serverless cannot take back', () => {
    const decision = { action: 'wait' as const, reason: 'serverless_cannot' as const, detail: 'no', at: NOON };
    const promoted = shown({ phase: 'promoted', decision, rollout: makeRollout({ step: 6, weight: 1 }) });
    assert.doesNotMatch(promoted, /upshift abort/);
    const moving = shown({ phase: 'stepping', decision, rollout: makeRollout({ ...STEPS, step: 2, weight: 0.5 }) });
    assert.match(moving, /upshift abort k3v9q2ab/);
  });
});

describe('the rollout that is meant', () => {
  const row = (id: string, phase: string, toward = 'dedicated', model = 'org/a') =>
    ({ id, phase, toward, model }) as RolloutRow;
  const promoted = row('aaaa', 'promoted');
  const back = row('bbbb', 'stepping', 'serverless');

  it('is a way back rather than the promoted one that it takes the place of', () => {
    assert.equal(chooseRollout([promoted, back], undefined).id, 'bbbb');
    assert.equal(chooseRollout([promoted, back], 'aaaa').id, 'aaaa');
    const over = row('bbbb', 'aborted', 'serverless');
    assert.equal(chooseRollout([promoted, over], undefined).id, 'aaaa');
    const returned = [row('aaaa', 'returned'), row('bbbb', 'returned', 'serverless')];
    assert.throws(() => chooseRollout(returned, undefined), /no rollout is active/);
    assert.throws(
      () => chooseRollout([promoted, back, row('c', 'promoted', 'dedicated', 'org/b')], undefined),
      /2 rollouts/,
    );
  });
});
