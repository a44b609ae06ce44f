import { parseArgs } from 'node:util';
import { GATEWAY_ID } from '../../src/core/call.ts';
import { fullView } from '../../src/core/judge/call-order.ts';
import { Judge } from '../../src/core/judge/judge.ts';
import { learnProfile } from '../../src/core/judge/profile.ts';
import type { Role } from '../../src/core/route.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { seedOf } from './chance.ts';
import { Draws } from './draws.ts';
import { MadeTrace } from './made-trace.ts';
import { BEGIN_US, emptySeen, historyCall } from './trace.ts';
import type { Truth } from './truths.ts';
import { WORLDS } from './worlds.ts';

const HELP = `Usage: node bench/judging/curve.ts [--traces N] [--seed N]

  From which difference on, and after how many calls that offer tools, the judge tells that calls of tools break their
  schema. Prints a table in Markdown. --traces: for each row (default 100).
`;

/** Shares of the calls of tools that satisfy their schema. */
const ACCURACIES = [1, 0.997, 0.98, 0.969, 0.95, 0.9, 0.863, 0.76, 0.72] as const;
const WEIGHT = 0.1;
const MOST_PAIRS = 4_000;
const MOST_CALLS = 200_000;
const [CALM] = WORLDS;
const seen = emptySeen();

const { values: options } = parseArgs({
  options: {
    traces: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
});

/** How many calls that offer tools were judged until the judge spoke; null if it did not. */
interface Told {
  readonly pairs: number | null;
  readonly calls: number | null;
  readonly passed: number | null;
}

if (options.help) process.stdout.write(HELP);
else print(Number(options.traces), Number(options.seed));

function print(traces: number, seed: number): void {
  const head = [
    'tool calls that satisfy their schema',
    'difference, points of the calls that offer tools',
    'pairs until a rollback',
    "the endpoint's calls until a rollback, at 10 %",
    'the same until a pass',
  ];
  const rows = ACCURACIES.map((accuracy) => {
    const truth: Truth = {
      name: 'curve',
      right: 'either',
      stable: () => ({ badCalls: 0, faults: 0 }),
      canary: () => ({ badCalls: 1 - accuracy, faults: 0 }),
    };
    const told = Array.from({ length: traces }, (_, i) => tell(truth, seedOf(seed, i)));
    return [
      `${Math.round(accuracy * 1_000) / 10} %`,
      (0.7 * 100 * (1 - accuracy)).toFixed(1),
      middle(told.map(({ pairs }) => pairs)),
      middle(told.map(({ calls }) => calls)),
      middle(told.map(({ passed }) => passed)),
    ];
  });
  const table = [head, head.map(() => '-'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
  process.stdout.write(
    `${table}\n\n${traces} traces a row, seed ${seed}. Median, 90th percentile (share that spoke).\n`,
  );
}

function middle(values: readonly (number | null)[]): string {
  const spoke = values.filter((value) => value !== null).toSorted((a, b) => a - b);
  if (spoke.length === 0) return 'never';
  const at = (share: number) => spoke[Math.floor(share * (spoke.length - 1))];
  const share = Math.round((100 * spoke.length) / values.length);
  return `${at(0.5)}, ${at(0.9)}${share === 100 ? '' : ` (${share} %)`}`;
}

function tell(truth: Truth, seed: number): Told {
  if (CALM === undefined) throw new Error('there is no world');
  const trace = new MadeTrace(new Draws({ ...CALM, pastMinutes: 360 }, seed), truth);
  const profile = { ...learnProfile(trace.history(), 'serverless'), callsPerMinute: trace.callsPerMinute };
  const judge = () => new Judge(profile, POLICY_DEFAULTS.judge, POLICY_DEFAULTS.steps, 'call', 'dedicated');
  return { pairs: byPairs(trace, judge()), ...byCalls(trace, judge()) };
}

/** The tools metric of a verdict. */
function toolsOf(judge: Judge, step: number) {
  return judge.verdict(step).metrics.find(({ metric }) => metric === 'tools');
}

function read(trace: MadeTrace, call: number, minute: number, { role, step }: { role: Role; step: number }) {
  trace.read(call, role, minute, WEIGHT, seen);
  const assignedAtUs = BEGIN_US + Math.round(trace.arrivedAtMs(call) * 1_000);
  const known = historyCall(assignedAtUs, seen);
  const assigned = {
    gatewayId: GATEWAY_ID,
    arrivedAtUs: assignedAtUs,
    assignedAtUs,
    role,
    step,
    weight: WEIGHT,
    waitedUs: 0,
  };
  return fullView(assigned, { ...known, knownAfterUs: known.durationUs }, Number.POSITIVE_INFINITY);
}

function byPairs(trace: MadeTrace, judge: Judge): number | null {
  let offering = 0;
  for (let minute = 0, pairs = 0; pairs < MOST_PAIRS; minute++) {
    for (let call = trace.start(minute); call < trace.start(minute + 1) && pairs < MOST_PAIRS; call++, pairs++) {
      const stable = read(trace, call, minute, { role: 'stable', step: 0 });
      judge.pair(stable, read(trace, call, minute, { role: 'canary', step: 0 }), null);
      if (stable.form?.tools == null) continue;
      offering++;
      if (toolsOf(judge, 0)?.status === 'fail') return offering;
    }
  }
  return null;
}

function byCalls(trace: MadeTrace, judge: Judge): Pick<Told, 'calls' | 'passed'> {
  let [canary, passed] = [0, null as number | null];
  for (let minute = 0, calls = 0; calls < MOST_CALLS && passed === null; minute++) {
    for (let call = trace.start(minute); call < trace.start(minute + 1); call++, calls++) {
      const role = trace.coin(call) < WEIGHT ? 'canary' : 'stable';
      const given = read(trace, call, minute, { role, step: 1 });
      judge.take(given);
      if (role === 'stable' || given.form?.tools == null) continue;
      canary++;
      const status = toolsOf(judge, 1)?.status;
      if (status === 'fail') return { calls: canary, passed };
      if (status === 'pass') passed ??= canary;
    }
  }
  return { calls: null, passed };
}
