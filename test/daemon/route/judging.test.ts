import assert from 'node:assert/strict';
import test from 'node:test';
import type { Verdict } from '../../../src/core/judge/verdict.ts';
import { upshift } from '../../cli/rig.ts';
import type { InsideDaemon } from '../../support/inside.ts';
import { openDaemon } from '../../support/inside.ts';
import { approveUpTo, inPhase } from '../../support/rollout.ts';
import type { Stage } from '../../support/stage.ts';
import { MODEL, openStage } from '../../support/stage.ts';
import { startTraffic } from '../../support/traffic.ts';
import { PATIENT, eventually } from '../../support/waiting.ts';

/** What a command must find to ask the stage's Hugging Face. */
function simulated({ env }: Stage): Record<string, string> {
  const names = ['HF_TOKEN', 'HF_ENDPOINT', 'UPSHIFT_ENDPOINTS_URL', 'UPSHIFT_ROUTER_URL'];
  return Object.fromEntries(names.map((name) => [name, env[name] ?? '']));
}

interface Line {
  readonly step: number;
  readonly verdict: Verdict;
  readonly isSame: boolean;
}

/** Waits until enough calls were judged. */
function judged({ daemon }: InsideDaemon, isEnough: (verdict: Verdict) => boolean): Promise<unknown> {
  return eventually('enough calls were judged', () => {
    const { rollout, decision } = daemon.report().routes[0] ?? {};
    if (rollout?.verdict && isEnough(rollout.verdict)) return true;
    throw new Error(JSON.stringify([decision, rollout?.verdict, rollout?.shadow]));
  });
}

test('every verdict comes out the same when judged again, across copies and a restart', PATIENT, async (t) => {
  // A machine that is ten times too slow still copies more than ten calls in five seconds.
  const stage = await openStage(t, { policy: { defaults: { shadow: { share: '100%', time: '5m' } } } });
  const first = await openDaemon(t, stage);
  const before = startTraffic(t, { url: first.gateway, model: MODEL });
  await approveUpTo(stage, 1);
  const { id } = await inPhase(stage, 'stepping', 1);
  await judged(first, ({ canaryCalls }) => canaryCalls > 20);
  await before.stop();
  await first.close();
  const second = await openDaemon(t, stage);
  const after = startTraffic(t, { url: second.gateway, model: MODEL });
  await approveUpTo(stage, 2, 2);
  await judged(second, ({ taken }) => taken.full > 100);
  await approveUpTo(stage, 3, 3);
  await inPhase(stage, 'promoted');
  await after.stop();
  await second.close();

  const replayed = await upshift(['judge', '--replay', id, '--json', '--db', stage.dbPath]);
  assert.equal(replayed.code, 0, replayed.out + replayed.err);
  const lines = replayed.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  assert.ok(lines.every(({ isSame }) => isSame));
  assert.deepEqual([...new Set(lines.map(({ step }) => step))], [0, 1, 2]);
  assert.ok((lines.at(-1)?.verdict.taken.pairs ?? 0) > 10);
  assert.ok((lines.at(-1)?.verdict.taken.full ?? 0) > 100);

  const strict = { defaults: { judge: { speed: { margin: 0.01, judge: 'act' } } } };
  stage.writePolicy(JSON.stringify({ ...strict, routes: [{ model: MODEL }] }));
  const other = await upshift(['judge', '--replay', id, '--policy', stage.policyPath, '--db', stage.dbPath]);
  assert.equal(other.code, 0);
  assert.match(other.out, /by this policy/);
  assert.doesNotMatch(other.out.split('\n').slice(2).join('\n'), /pass +pass/);

  const planning = ['plan', '--policy', stage.policyPath, '--since', '1d', '--json', '--db', stage.dbPath];
  const planned = await upshift(planning, simulated(stage));
  assert.equal(planned.code, 0, planned.err);
  const plan = JSON.parse(planned.out) as { model: string; profile: { calls: number }; steps: readonly object[] };
  assert.deepEqual([plan.model, plan.steps.length], [MODEL, 5]);
  assert.ok(plan.profile.calls > 100);

  const tested = await upshift(['backtest', '--policy', stage.policyPath, '--json', '--db', stage.dbPath]);
  assert.equal(tested.code, 0, tested.err);
  const { model, calls } = JSON.parse(tested.out) as { model: string; calls: number };
  assert.deepEqual([model, calls > 100], [MODEL, true]);
});

test('plan and backtest say what is missing where the ledger knows no call', PATIENT, async (t) => {
  const stage = await openStage(t);
  const { close } = await openDaemon(t, stage);
  await close();
  const planned = await upshift(['plan', '--model', 'org/unknown', '--db', stage.dbPath], simulated(stage));
  assert.match(planned.out, /not known without a\s+history/);
  const tested = await upshift(['backtest', '--db', stage.dbPath]);
  assert.match(tested.out, /no call in this span/);
});
