import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Judge } from '../../../src/core/judge/judge.ts';
import { replay } from '../../../src/core/judge/replay.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { PROFILE } from '../../support/samples.ts';

it('compares a verdict only if the same core version came to it', () => {
  const { judge, steps, affinity } = POLICY_DEFAULTS;
  const verdict = new Judge(PROFILE, judge, steps, affinity, 'dedicated').verdict(1);
  const changed = { ...verdict, summary: 'something else' };
  const verdicts = [
    { decisionId: 1, at: 0, coreVersion: 7, verdict },
    { decisionId: 2, at: 0, coreVersion: 7, verdict: changed },
    { decisionId: 3, at: 0, coreVersion: 6, verdict: changed },
  ];
  const past = { profile: PROFILE, calls: [], pairs: [], verdicts };
  const found = replay(past, POLICY_DEFAULTS, { toward: 'dedicated', coreVersion: 7 });
  assert.deepEqual(
    found.map(({ isSame }) => isSame),
    [true, false, null],
  );
  assert.ok(found.every(({ again }) => again !== null));
});
