import type { CommandModule } from 'yargs';
import { assignedTo, isBeyondLimit } from '../../core/call.ts';
import { backtest } from '../../core/criteria/backtest.ts';
import { nearMissText } from '../../core/criteria/words.ts';
import type { HeldSpan, BacktestCall } from '../../core/criteria/backtest.ts';
import { measure, measureText, needsServed } from '../../core/criteria/criteria.ts';
import type { NearMiss } from '../../core/criteria/criteria.ts';
import { servedOf } from '../../core/criteria/served-window.ts';
import type { CriteriaPolicy } from '../../core/policy/criteria.ts';
import { policyOf } from '../../core/policy/of-model.ts';
import { spanText } from '../../core/text.ts';
import { loadPolicy } from '../../files/policy.ts';
import { demandCalls } from '../../ledger/calls/history.ts';
import type { LedgerDb } from '../../ledger/database.ts';
import { withGlobals, withPolicy } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { parseSince } from '../input/span.ts';
import { readLedger } from '../session.ts';
import { countText, dateText, numberText, percentText, timeText } from '../terminal/format.ts';
import { cleanAll, painter, printJson, printText, table, widthOf, wrap } from '../terminal/print.ts';

interface BacktestOptions extends GlobalOptions {
  readonly policy: string;
  readonly since: string | undefined;
  readonly until: string | undefined;
}

export const backtestCommand: CommandModule<object, BacktestOptions> = {
  command: 'backtest',
  describe: "Show when a policy's criteria would have held for past calls",
  builder: (yargs) =>
    withPolicy(withGlobals(yargs))
      .option('since', {
        type: 'string',
        requiresArg: true,
        describe: 'Calls since then: a span such as 2h, or a time; all calls without it',
      })
      .option('until', { type: 'string', requiresArg: true, describe: 'Calls until then; now without it' })
      .example('npx upshift backtest --policy my.yaml --since 7d', 'would my.yaml have proposed a rollout last week?')
      .epilogue(
        'Calls that went to an endpoint count like calls to serverless: they are demand,\n' +
          'too. criteria.slo and criteria.predictability use only answers of serverless.\n' +
          'criteria.cost never holds here, because this command does not look up prices.\n' +
          '--json: one line for each model {"model","calls","spans":[{"since","until",\n' +
          '"proposedAt","peak"}],"near":{"figure","peak","limit","heldMs"}}. near: the longest\n' +
          'time for which one criterion alone was missing; null if that never was so.',
      ),
  handler: async (options) => {
    const { policy } = await loadPolicy(options.policy);
    await readLedger(options.db, ({ db, now }) => {
      const since = options.since === undefined ? 0 : parseSince(options.since, now);
      const until = options.until === undefined ? now : parseSince(options.until, now);
      const criteriaOf = (model: string) => policyOf(policy, model).criteria;
      const tests = cleanAll(run(db, { since, until, criteriaOf }));
      if (options.json) for (const test of tests) printJson(test);
      else
        printText(
          tests.length === 0
            ? 'no call in this span: let agents call through upshift, or look further back with --since'
            : `${tests.map((test) => render(test, criteriaOf(test.model))).join('\n\n')}\n\n${nextText(tests)}`,
        );
    });
  },
};

interface Backtested {
  readonly model: string;
  readonly calls: number;
  readonly spans: readonly HeldSpan[];
  readonly near: NearMiss | null;
}

function run(
  db: LedgerDb,
  {
    since,
    until,
    criteriaOf,
  }: {
    readonly since: number;
    readonly until: number;
    readonly criteriaOf: (model: string) => CriteriaPolicy;
  },
): Backtested[] {
  const byModel = new Map<string, BacktestCall[]>();
  for (const call of demandCalls(db, since * 1_000, until * 1_000)) {
    if (call.model === null || call.isRepeat) continue;
    let calls = byModel.get(call.model);
    if (calls === undefined) byModel.set(call.model, (calls = []));
    const isRefused = isBeyondLimit(call) && assignedTo(call) === 'serverless';
    const { agent, isAgentDerived } = call;
    const isServed =
      assignedTo(call) === 'serverless' && !call.isBypass && !call.wasFull && needsServed(criteriaOf(call.model));
    const ended = isServed ? { ended: { atMs: call.endedAtUs / 1_000, ...servedOf(call) } } : {};
    calls.push({ atMs: call.arrivedAtUs / 1_000, agent, isAgentDerived, isRefused, ...ended });
  }
  return [...byModel].map(([model, calls]) => {
    calls.sort((a, b) => a.atMs - b.atMs);
    return { model, calls: calls.length, ...backtest(calls, criteriaOf(model)) };
  });
}

function nextText(tests: readonly Backtested[]): string {
  const isProposed = tests.some(({ spans }) => spans.some(({ proposedAt }) => proposedAt !== null));
  return isProposed
    ? 'next  npx upshift advise: shows whether something cheaper than a GPU is enough'
    : 'next  npx upshift usage shows the peaks; --policy FILE tries other criteria';
}

function render({ model, calls, spans, near }: Backtested, criteria: CriteriaPolicy): string {
  const paint = painter(process.stdout);
  const head = `${paint.bold(model)}  ${countText(calls, 'call')}`;
  if (spans.length === 0) {
    const why = near === null ? 'more than one of them was missing all the time' : nearMissText(near);
    return [
      head,
      ...wrap(`the criteria never held: ${why}`, widthOf(process.stdout) - 4).map((line) => `  ${line}`),
    ].join('\n');
  }
  const columns = [
    { title: 'held from' },
    { title: 'for', side: 'right' as const },
    { title: 'calls', side: 'right' as const },
    { title: 'agents', side: 'right' as const },
    { title: 'refused or delayed', side: 'right' as const },
    { title: 'would propose' },
  ];
  const rows = spans.map(({ since, until, proposedAt, peak }) => [
    dateText(since),
    spanText(until - since),
    numberText(peak.calls),
    numberText(peak.agents),
    percentText(peak.refusedShare),
    proposedAt === null ? paint.dim('no, too short') : paint.green(`at ${timeText(proposedAt)}`),
  ]);
  const [titles = '', ...lines] = table(columns, rows, paint);
  const held = spans.flatMap(({ peak }, i) => {
    const further = measure(peak, criteria).slice(3).map(measureText).join('; ');
    const room = widthOf(process.stdout) - 4;
    return [lines[i] ?? '', ...(further === '' ? [] : wrap(further, room).map((line) => `  ${line}`))];
  });
  return [head, ...[titles, ...held].map((line) => `  ${line}`)].join('\n');
}
