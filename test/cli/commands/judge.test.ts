import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { CORE_VERSION } from '../../../src/core/decide/decision.ts';
import { Judge } from '../../../src/core/judge/judge.ts';
import type { Verdict } from '../../../src/core/judge/verdict.ts';
import { GATEWAY_DEFAULTS } from '../../../src/core/policy/gateway.ts';
import { SWEEP_DEFAULTS } from '../../../src/core/policy/sweep.ts';
import { MODEL, PROFILE, START, TO_WARM, atStep, routePolicy } from '../../support/samples.ts';
import { openBook, upshift } from '../rig.ts';

const OTHER = CORE_VERSION + 1;

/** A ledger with a rollout whose decisions saw verdicts, each by a version of the core. */
async function judged(context: TestContext, seen: readonly (readonly [number, object])[]): Promise<string> {
  const { path, ledger, close } = await openBook(context);
  const { id, model, policyHash, toward, phase } = atStep(1);
  const parsed = JSON.stringify({
    watched: routePolicy(),
    sweep: SWEEP_DEFAULTS,
    gateway: GATEWAY_DEFAULTS,
    routes: [routePolicy()],
  });
  await ledger.journal.commit({
    policy: { hash: policyHash, path: 'policy.yaml', text: '', parsed },
    rollout: { id, model, policyHash, toward, phase, snapshot: '{}', createdAt: START, updatedAt: START },
    events: TO_WARM.map((event) => ({ rolloutId: id, at: START, type: event.type, data: JSON.stringify(event) })),
    outcomes: [],
  });
  for (const [coreVersion, verdict] of seen) {
    await ledger.journal.commit({
      decision: {
        at: START,
        model: MODEL,
        rolloutId: id,
        coreVersion,
        policyHash,
        action: 'wait',
        reason: 'baking',
        input: JSON.stringify({ rollout: null, observation: { verdict } }),
        output: '{}',
        ticks: 1,
      },
      events: [],
      outcomes: [],
    });
  }
  await close();
  return path;
}

function verdictNow(): Verdict {
  const { judge, steps, affinity } = routePolicy();
  return new Judge(PROFILE, judge, steps, affinity, 'dedicated').verdict(1);
}

describe('judge --replay', { concurrency: 4 }, () => {
  it('names the core version of a verdict that it does not compare, and is content', async (context) => {
    const verdict = verdictNow();
    const path = await judged(context, [
      [OTHER, { ...verdict, summary: 'something else' }],
      [CORE_VERSION, verdict],
    ]);
    const { code, out } = await upshift(['judge', '--replay', 'aaaabbbb', '--db', path]);
    assert.equal(code, 0, out);
    assert.match(out, /1 verdict judged again from its calls/);
    assert.match(out, new RegExp(`1 verdict made by core version ${OTHER}, this is ${CORE_VERSION}: not compared`));
    assert.ok(out.replaceAll(/\s+/g, ' ').includes(`judge --replay aaaabbbb --policy FILE --db ${path}: shows`), out);
    const json = await upshift(['judge', '--replay', 'aaaabbbb', '--json', '--db', path]);
    const lines = json.out.trim().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as { coreVersion: number; isSame: boolean | null }).map(pick),
      [
        [OTHER, null],
        [CORE_VERSION, true],
      ],
    );
    assert.equal(json.code, 0);
  });

  it('counts the verdicts of another core version that it cannot read', async (context) => {
    const path = await judged(context, [
      [OTHER, { mood: 'good' }],
      [CORE_VERSION, verdictNow()],
    ]);
    const { code, out, err } = await upshift(['judge', '--replay', 'aaaabbbb', '--db', path]);
    assert.equal(code, 0, err);
    assert.match(out, /1 verdict judged again from its calls/);
    const made = `1 verdict made by core version ${OTHER}, this is ${CORE_VERSION}: cannot be read, so not compared`;
    assert.match(out, new RegExp(made));
    const json = await upshift(['judge', '--replay', 'aaaabbbb', '--json', '--db', path]);
    const lines = json.out.trim().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as { coreVersion: number; isSame: boolean | null }).map(pick),
      [
        [CORE_VERSION, true],
        [OTHER, null],
      ],
    );
  });

  it('refuses a verdict of its own version that it cannot read', async (context) => {
    const path = await judged(context, [[CORE_VERSION, { mood: 'good' }]]);
    const { code, err } = await upshift(['judge', '--replay', 'aaaabbbb', '--db', path]);
    assert.equal(code, 2);
    assert.match(err, /table decisions, 1, column input: /);
  });

  it('says that nothing was compared, and not that all was the same', async (context) => {
    const path = await judged(context, [[OTHER, verdictNow()]]);
    const { code, out } = await upshift(['judge', '--replay', 'aaaabbbb', '--db', path]);
    assert.equal(code, 0);
    assert.match(out, /0 verdicts judged again/);
    assert.doesNotMatch(out, /came out/);
  });

  it('tells of a verdict of its own version that comes out differently, exit 1', async (context) => {
    const path = await judged(context, [[CORE_VERSION, { ...verdictNow(), summary: 'something else' }]]);
    const { code, out } = await upshift(['judge', '--replay', 'aaaabbbb', '--db', path]);
    assert.equal(code, 1);
    assert.match(out, /1 came out differently/);
  });
});

function pick({ coreVersion, isSame }: { coreVersion: number; isSame: boolean | null }): unknown[] {
  return [coreVersion, isSame];
}
