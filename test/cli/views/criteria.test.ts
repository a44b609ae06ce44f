import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPaint } from '../../../src/cli/terminal/print.ts';
import { criteriaLines } from '../../../src/cli/views/criteria.ts';
import { judgeCriteria } from '../../../src/core/criteria/criteria.ts';
import type { CriteriaPolicy } from '../../../src/core/policy/criteria.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import type { RouteStatus } from '../../../src/core/status.ts';
import { makeRoute, NOON } from '../reports.ts';

const PAGE = { width: 80, color: false, isRunning: true, now: NOON, figuresAt: NOON, paint: createPaint(false) };
const LIMITS: CriteriaPolicy = {
  ...POLICY_DEFAULTS.criteria,
  slo: { p95: 20_000, availability: 0.99 },
  predictability: { ratio: 5 },
  cost: { cheaperBy: 0.2 },
  require: [['calls', 'agents', 'refused'], ['slo'], ['cost', 'calls']],
};

function lines(changes: Partial<RouteStatus['demand']>, over: Partial<RouteStatus> = {}): string[] {
  const demand = { ...makeRoute().demand, ...changes };
  const criteria = { ...LIMITS, result: judgeCriteria(demand, LIMITS) };
  return criteriaLines(makeRoute({ ...over, demand, criteria }), PAGE);
}

describe('criteria that a policy adds', () => {
  const served = {
    answered: 1_700,
    failed: 30,
    p50: 4_000,
    p95: 24_100,
    p99: 26_000,
    promptTokens: 0,
    outputTokens: 0,
  };
  const costs = { serverlessPerHourMicros: 2_000_000, dedicatedPerHourMicros: 1_300_000 };

  it('stand beside the others, with what is wanted, within eighty columns', () => {
    const shown = lines({ served, costs });
    assert.equal(`\n${shown.join('\n')}\n`, SHOWN);
    assert.ok(shown.every((line) => line.length <= 80));
  });

  it('have no figure where it is not known, and are not met', () => {
    const shown = lines({ served: { ...served, answered: 20, failed: 2 }, costs: null });
    const rows = shown.filter((line) => /p95|answered |p99|cheaper/.test(line));
    assert.deepEqual(
      rows.map((line) => / - +\//.test(line) && !/met|missed/.test(line)),
      [true, true, true, true],
    );
  });

  it('say no if an endpoint would be more expensive, by any factor', () => {
    const dear = lines({ served, costs: { serverlessPerHourMicros: 5_000, dedicatedPerHourMicros: 800_000 } });
    assert.ok(
      dear.some((line) => /cheaper +no \/ 20\.0 % +░{12}$/.test(line)),
      dear.join('\n'),
    );
  });

  it('are one line with the rest once a rollout is on its way', () => {
    const shown = lines({ served, costs }, { phase: 'stepping' }).join(' ').replaceAll(/ +/g, ' ');
    assert.match(
      shown,
      /refused 2\.1 % \/ 5\.0 %, p95 24 s \/ 20 s, answered 98\.27 % \/ 99\.00 %, p99\/p50 6\.5 \/ 5\.0/,
    );
  });
});

const SHOWN = `
 criteria  calls       1 810 / 2 000    ██████████░░
           agents         64 / 50       ████████████ met
           refused     2.1 % / 5.0 %    █████░░░░░░░
           p95          24 s / 20 s     ████████████ missed
           answered  98.27 % / 99.00 %  ████████████ missed
           p99/p50       6.5 / 5.0      ████████████ met
           cheaper    35.0 % / 20.0 %   ████████████ met
           held          0 s / 5 min    ░░░░░░░░░░░░
           needed: above these limits (answered: below) in 5 min, calls + agents
           + refused, or slo, or cost + calls
           refused or delayed 2.1 %, not above the 5.0 % at which moving is
           proposed
`;
