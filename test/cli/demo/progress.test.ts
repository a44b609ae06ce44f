import assert from 'node:assert/strict';
import test from 'node:test';
import { Display } from '../../../src/cli/demo/display.ts';
import type { DemoOptions } from '../../../src/cli/demo/options.ts';
import { AFTERMATH_MS, expectedLeft, leftText } from '../../../src/cli/demo/progress.ts';
import type { Stand } from '../../../src/cli/demo/progress.ts';
import type { SwarmProgress } from '../../../src/loadtest/swarm.ts';
import type { Screen } from '../../../src/cli/terminal/screen.ts';
import { MINUTE_MS } from '../../../src/core/time.ts';
import { routePolicy } from '../../support/samples.ts';
import { makeReport, makeRollout, makeRoute, NOON } from '../reports.ts';

const POLICY = routePolicy();
const IN_ORDER: readonly (readonly [Stand['phase'], number])[] = [
  ['watching', 0],
  ['proposed', 0],
  ['provisioning', 0],
  ['warming', 0],
  ['shadowing', 0],
  ['stepping', 1],
  ['stepping', 2],
  ['stepping', 3],
  ['stepping', 4],
  ['holding', 5],
  ['promoted', 6],
];

test('with each part of a run less is left, and within a part the time passes until the part is overdue', () => {
  const at = (phase: Stand['phase'], step: number, passed: number) => {
    return expectedLeft({ phase, step, since: NOON }, POLICY, NOON + passed);
  };
  let last = Number.POSITIVE_INFINITY;
  for (const [phase, step] of IN_ORDER) {
    const left = at(phase, step, 0);
    assert.ok(left < last, `${phase} ${step}: ${left} ms`);
    assert.equal(at(phase, step, MINUTE_MS / 4), left - MINUTE_MS / 4);
    const overdue = at(phase, step, 90 * MINUTE_MS);
    assert.ok(overdue > 0 && overdue === at(phase, step, 99 * MINUTE_MS), `${phase} ${step}`);
    last = left;
  }
});

test('after a rollback only the aftermath is left', () => {
  for (const phase of ['draining', 'aborted', 'failed'] as const) {
    assert.equal(expectedLeft({ phase, step: 2, since: NOON }, POLICY, NOON), AFTERMATH_MS, phase);
  }
});

test('the time left is told in minutes and steps of five seconds', () => {
  const table = [
    [0, 'about 5 s left'],
    [58_000, 'about 1 min left'],
    [101_000, 'about 1 min 40 s left'],
    [7_000, 'about 5 s left'],
    [120_000, 'about 2 min left'],
  ] as const;
  for (const [ms, text] of table) assert.equal(leftText(ms), text, String(ms));
});

const OPTIONS: DemoOptions = {
  json: false,
  manual: false,
  onApproval: 'approve',
  at: 50,
  load: 'full',
  policy: 'policies/demo.yaml',
};

/** A display of a run that began at noon, sixty times as fast, and what it printed. */
function shown(options: Partial<DemoOptions>, screen: Screen | null = null) {
  const said: string[] = [];
  let now = NOON;
  const display = new Display({
    options: { ...OPTIONS, ...options },
    dbPath: '/tmp/demo/upshift.db',
    clock: { scale: 60, now: () => now, sleep: () => Promise.resolve() },
    policy: POLICY,
    lengthMs: 200 * MINUTE_MS,
    screen,
    say: (line) => said.push(line),
  });
  return { display, said, pass: (ms: number) => (now += ms) };
}

const decided = (reason: 'criteria_not_met' | 'sustaining' | 'baking', detail: string) =>
  ({ action: 'wait', reason, detail, at: NOON }) as const;

test('without a terminal there is one line for each phase and reason, with the time left', () => {
  const { display, said, pass } = shown({});
  for (const [reason, detail] of [
    ['criteria_not_met', '12 calls; missing: calls'],
    ['criteria_not_met', '700 calls; missing: refusals'],
    ['sustaining', 'held for 3 s of 5 min'],
  ] as const) {
    display.draw(makeReport([makeRoute({ decision: decided(reason, detail) })]), null, []);
    pass(MINUTE_MS);
  }
  const rollout = makeRollout({ step: 3, since: NOON });
  display.draw(makeReport([makeRoute({ phase: 'stepping', rollout, decision: decided('baking', '4 min') })]), null, []);
  assert.equal(said.length, 3, said.join('\n'));
  for (const line of said) assert.match(line, /^ *\d+ %, about \d+ (?:min|s).* left {2}\w+: \w/);
  assert.match(said[2] ?? '', /left {2}stepping: 4 min$/);
});

test('with --json nothing is said while it runs', () => {
  const { display, said } = shown({ json: true });
  display.draw(makeReport([makeRoute()]), null, []);
  assert.deepEqual(said, []);
});

test('a person who approves the steps is told where, with and without a terminal, and with --json too', () => {
  const line = 'export UPSHIFT_DB=/tmp/demo/upshift.db';
  for (const json of [false, true]) {
    const { said } = shown({ manual: true, json });
    assert.ok(said.length === 1 && said[0]?.includes(line), said.join('\n'));
  }
  const drawn: string[] = [];
  const { display, said } = shown({ manual: true }, { draw: (text) => drawn.push(text), close: () => undefined });
  display.draw(makeReport([makeRoute()]), null, []);
  assert.deepEqual(said, []);
  // In the lowest window too, which shows the first lines alone.
  assert.equal(drawn[0]?.split('\n')[1], `in a second terminal: ${line}`);
});

test('the first line has room for all it says in 80 columns', () => {
  const drawn: string[] = [];
  const screen = { draw: (text: string) => drawn.push(text), close: () => undefined };
  const progress = { calls: 100_000, clientFailures: 0 } as SwarmProgress;
  for (const manual of [false, true]) {
    shown({ manual }, screen).display.draw(makeReport([makeRoute()]), progress, []);
  }
  for (const text of drawn) assert.match(text.split('\n')[0] ?? '', /^demo 60x .{1,60} {3}100 000 requests, 0 failed$/);
});
