import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { makeCall } from '../ledger/rig.ts';
import { routePolicy } from '../support/samples.ts';
import { makeReport, NOON } from './reports.ts';
import { openBook, recordCalls, upshift } from './rig.ts';

const POLICY = `
defaults:
  criteria:
    slo: { p95: 20s, availability: 99% }
    predictability: { ratio: 5 }
    cost: { cheaperBy: 20% }
    sustain: 1m
    require: [[calls, agents, refused], [slo], [cost, calls]]
`;

/** Ten minutes of a call a second before noon, each of which takes `durationUs`. */
async function book(context: TestContext, durationUs: number) {
  const opened = await openBook(context);
  const calls = Array.from({ length: 600 }, (_, second) => {
    const arrivedAtUs = (NOON - 700_000 + second * 1_000) * 1_000;
    return makeCall(1, { arrivedAtUs, durationUs, rolloutId: null, role: null, servedBy: 'serverless' });
  });
  await recordCalls(opened, calls);
  await opened.saveStatus(makeReport([], { timeScale: 60 }));
  const policyPath = join(dirname(opened.path), 'policy.yaml');
  writeFileSync(policyPath, POLICY);
  return { ...opened, policyPath };
}

describe('criteria that a policy adds, on the command line', { concurrency: 4 }, () => {
  it('are backtested on how past calls ended, and told within eighty columns', async (context) => {
    const { path, policyPath } = await book(context, 24_000_000);
    const { code, out } = await upshift(['backtest', '--db', path, '--policy', policyPath]);
    assert.equal(code, 0);
    assert.match(
      out,
      /p95 (?:23|24)\.\d s \(more than 20\.0 s\); 100\.00 % answered well \(not less than\n +99\.00 %\)/,
    );
    assert.match(out, /p99 1\.0 times p50 \(not more than 5\.0\); costs not known/);
    assert.match(out, /at \d\d:\d\d:\d\dZ/);
    assert.ok(out.split('\n').every((line) => line.length <= 80));
    const quick = await book(context, 900_000);
    const never = await upshift(['backtest', '--db', quick.path, '--policy', quick.policyPath]);
    assert.match(never.out, /the criteria never held/);
  });

  it('are explained with what a decision saw of them', async (context) => {
    const { path, tick } = await openBook(context);
    const criteria = { slo: { p95: 20_000 }, cost: { cheaperBy: 0.2 } };
    const served = { answered: 400, failed: 0, p50: 9_000, p95: 24_000, p99: 25_000 };
    const costs = { serverlessPerHourMicros: 2_000_000, dedicatedPerHourMicros: 1_500_000 };
    const demand = {
      calls: 400,
      agents: 5,
      derivedAgents: 0,
      refused: 0,
      refusedShare: 0,
      holdsSince: null,
      served,
      costs,
    };
    await tick({ policy: routePolicy({ criteria }), demand });
    const { out } = await upshift(['explain', '1', '--db', path]);
    const text = out.replaceAll(/\s+/g, ' ');
    assert.match(text, /p95 24\.0 s \(more than 20\.0 s\); dedicated 25 % cheaper \(more than 20 %\)/);
    assert.match(text, /made again from what it saw, it comes out the same/);
  });

  it('are checked and shown with what is required', async (context) => {
    const { policyPath } = await book(context, 1_000);
    const { out } = await upshift(['policy', 'check', policyPath]);
    assert.match(out, / {2}slo missed +p95 > 20 s or answered < 99\.00 %\n/);
    assert.match(out, / {2}required +calls \+ agents \+ refused, or slo, or cost \+ calls\n/);
  });
});
