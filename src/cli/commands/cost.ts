import type { CommandModule } from 'yargs';
import { AppError } from '../../core/errors.ts';
import { COST_GROUPINGS } from '../../core/money/cost.ts';
import type { CostGrouping, CostReport } from '../../core/money/cost.ts';
import { BASIS_MS } from '../../core/money/month.ts';
import { priceBook } from '../../core/money/price-book.ts';
import { costReport, readsFrom } from '../../core/money/report.ts';
import type { StatusReport } from '../../core/status.ts';
import { DAY_MS, dayOf, monthOf } from '../../core/time.ts';
import type { LedgerDb } from '../../ledger/database.ts';
import { readStatus } from '../../ledger/journal/requests.ts';
import { beginOfBooks, costedModels, endpointsSince, usageBetween } from '../../ledger/money/costs.ts';
import { listBills, listPrices } from '../../ledger/money/prices.ts';
import { openForReading } from '../../ledger/open.ts';
import { openClock, timeOf, withGlobals } from '../session.ts';
import type { GlobalOptions } from '../session.ts';
import { cleanAll, painter, printJson, printText, widthOf } from '../terminal/print.ts';
import { renderCost } from '../views/cost.ts';
import { parseSince } from './audit.ts';

interface CostOptions extends GlobalOptions {
  readonly since: string;
  readonly by: CostGrouping;
  readonly model: string | undefined;
  readonly csv: boolean;
}

const LONGEST_MS = 366 * DAY_MS;

export const costCommand: CommandModule<object, CostOptions> = {
  command: 'cost',
  describe: 'What serverless and endpoints cost, when an endpoint pays, and what the month comes to',
  builder: (yargs) =>
    withGlobals(yargs)
      .option('since', {
        type: 'string',
        default: '7d',
        requiresArg: true,
        describe: 'The span to add up: such as 6h or 30d, or a time',
      })
      .option('by', { choices: COST_GROUPINGS, default: 'day' as const, describe: 'What the lines of the table are' })
      .option('model', { type: 'string', requiresArg: true, describe: 'Only this model' })
      .option('csv', { type: 'boolean', default: false, describe: 'Print the lines of the table as CSV' })
      .example('npx upshift cost', 'the last seven days, day by day')
      .example('npx upshift cost --by agent --since 1d', 'who spent it')
      .example('npx upshift cost --by upstream --csv', 'for a spreadsheet')
      .epilogue(
        'How it is counted:\n' +
          '  serverless  tokens of answered calls at the price of the provider that served\n' +
          '              them, in force when they ended; calls to pictures and speech are\n' +
          '              counted, not priced\n' +
          '  endpoints   each minute in which one initialized, updated or ran, times its\n' +
          '              replicas and their price; agents share it by their calls there\n' +
          '  ~           some of the line is an estimate: nobody told who served a call or\n' +
          '              its tokens, or nobody looked at an endpoint\n' +
          'Days are UTC. SQL: views endpoint_costs, endpoint_minutes, price_log, call_log.\n' +
          '--json: one line {"from","until","serverless":{"calls","promptTokens",\n' +
          '"outputTokens","micros","estimatedMicros","unpricedCalls","per1000CallsMicros",\n' +
          '"perMillionTokensMicros"},"dedicated":{"billedMinutes","minutesWithoutPrice",\n' +
          'and the same},"totalMicros","savedMicros","routes":[{"model","serverless",\n' +
          '"dedicated","allServerlessMicros","allDedicatedMicros","breakEven"}],"by",\n' +
          '"lines":[{"key","calls","serverlessMicros","dedicatedMicros",\n' +
          '"estimatedMicros"}],"days","month","bills"}; money in micro-dollars.',
      ),
  handler: (options) => {
    if (options.csv && options.json) {
      throw new AppError('invalid', '--csv and --json together', { hint: 'choose one of the two' });
    }
    const db = openForReading(options.db);
    try {
      const report = cleanAll(read(db, options));
      if (options.json) printJson(report);
      else if (options.csv) printText(toCsv(report));
      else printText(renderCost(report, { width: widthOf(process.stdout), paint: painter(process.stdout) }));
    } finally {
      db.close();
    }
  },
};

function read(db: LedgerDb, { since, by, model }: CostOptions): CostReport {
  const now = timeOf(openClock(), (readStatus(db)?.report ?? null) as StatusReport | null);
  const from = parseSince(since, now);
  if (from >= now || now - from > LONGEST_MS) {
    throw new AppError('invalid', `--since ${since} is out of range`, {
      hint: 'expected a past time, 366d ago at most',
    });
  }
  const models = costedModels(db);
  if (model !== undefined && !models.has(model)) {
    const some = [...models].sort().slice(0, 10).join(', ');
    const hint = some === '' ? 'the ledger has no call yet' : `models in the ledger: ${some}`;
    throw new AppError('not_found', `the ledger has no call and no endpoint of ${model}`, { hint });
  }
  const book = priceBook(listPrices(db));
  const first = readsFrom(from, now);
  const cuts = [from, now - BASIS_MS, monthOf(now).from, ...daysBetween(first, now), ...book.changes(models)];
  const times = [...new Set([first, ...cuts.filter((at) => at > first && at < now), now])].sort((a, b) => a - b);
  return costReport({
    from,
    now,
    begin: beginOfBooks(db),
    usage: usageBetween(db, times, { byAgent: by === 'agent', model: model ?? null }),
    endpoints: endpointsSince(db, first, now, model ?? null),
    book,
    bills: listBills(db, dayOf(from), dayOf(now)).filter((line) => model === undefined || line.model === model),
    by,
  });
}

function daysBetween(from: number, until: number): number[] {
  const days = [];
  for (let at = Math.ceil(from / DAY_MS) * DAY_MS; at < until; at += DAY_MS) days.push(at);
  return days;
}

function toCsv({ by, lines }: CostReport): string {
  const head = [by, 'calls', 'serverless_dollars', 'endpoint_dollars', 'estimated_dollars'].join(',');
  const dollars = (micros: number) => (micros / 1_000_000).toFixed(6);
  const rows = lines.map(({ key, calls, serverlessMicros, dedicatedMicros, estimatedMicros }) =>
    [quoted(key), calls, ...[serverlessMicros, dedicatedMicros, estimatedMicros].map(dollars)].join(','),
  );
  return [head, ...rows].join('\n');
}

/** A spreadsheet takes what begins with one of these for a formula. */
function quoted(text: string): string {
  const safe = /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
