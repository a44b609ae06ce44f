import type { CommandModule } from 'yargs';
import { AppError } from '../../core/errors.ts';
import { COST_GROUPINGS } from '../../core/money/cost.ts';
import type { CostGrouping, CostReport } from '../../core/money/cost.ts';
import { BASIS_MS } from '../../core/money/month.ts';
import { priceBook } from '../../core/money/price-book.ts';
import { costReport, readsFrom } from '../../core/money/report.ts';
import { DAY_MS, dayOf, monthOf } from '../../core/time.ts';
import { beginOfBooks, costedModels, endpointsSince, usageBetween } from '../../ledger/money/costs.ts';
import { listBills, listPrices } from '../../ledger/money/prices.ts';
import { withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { parseSinceWithin } from '../input/span.ts';
import { readLedger } from '../session.ts';
import type { OpenedLedger } from '../session.ts';
import { csv } from '../terminal/csv.ts';
import { cleanAll, painter, printJson, printText, widthOf } from '../terminal/print.ts';
import { renderCost } from '../views/cost.ts';

interface CostOptions extends GlobalOptions {
  readonly since: string;
  readonly by: CostGrouping;
  readonly model: string | undefined;
  readonly csv: boolean;
}

const MOST_DAYS = 366;

export const costCommand: CommandModule<object, CostOptions> = {
  command: 'cost',
  describe: 'Show what serverless and your endpoints cost, and when an endpoint is cheaper',
  builder: (yargs) =>
    withGlobals(yargs)
      .option('since', {
        type: 'string',
        default: '7d',
        requiresArg: true,
        describe: 'Costs since then: a span such as 6h or 30d, or a time',
      })
      .option('by', {
        choices: COST_GROUPINGS,
        default: 'day' as const,
        describe: 'What each line of the table stands for',
      })
      .option('model', { type: 'string', requiresArg: true, describe: 'Only costs of this model' })
      .option('csv', { type: 'boolean', default: false, describe: 'Print the lines of the table as CSV' })
      .example('npx upshift cost', 'the last seven days, day by day')
      .example('npx upshift cost --by agent --since 1d', 'which agents spent it')
      .example('npx upshift cost --by upstream --csv', 'for a spreadsheet')
      .epilogue(
        'How costs are counted:\n' +
          '  serverless  tokens of answered calls, at the price that the provider which\n' +
          '              served the call had when it ended. Calls for pictures and speech\n' +
          '              are counted but have no price\n' +
          '  overflow    the part of serverless that endpoints had no room for\n' +
          '  endpoints   each minute in which an endpoint initialized, updated or ran,\n' +
          '              times its replicas and their price. Agents share it by the number\n' +
          '              of their calls there\n' +
          '  ~           part of the line is an estimate, because an answer named no\n' +
          '              provider or no tokens, or because nobody read the state of an\n' +
          '              endpoint for a while\n' +
          'Days are UTC. For SQL, use the views serverless_costs, endpoint_costs,\n' +
          'endpoint_minutes, price_log and call_log.\n' +
          '--json: one line {"from","until","serverless":{"calls","promptTokens",\n' +
          '"outputTokens","micros","estimatedMicros","unpricedCalls","per1000CallsMicros",\n' +
          '"perMillionTokensMicros"},"overflow":{the same},"dedicated":{"billedMinutes",\n' +
          '"minutesWithoutPrice", and the same},"totalMicros","savedMicros","routes":\n' +
          '[{"model","serverless","dedicated","allServerlessMicros",\n' +
          '"allDedicatedMicros","breakEven"}],"by","lines":[{"key","calls",\n' +
          '"serverlessMicros","dedicatedMicros","estimatedMicros"}],"days","month",\n' +
          '"bills"}; money in micro-dollars.',
      ),
  handler: async (options) => {
    if (options.csv && options.json) {
      throw new AppError('invalid', '--csv and --json together', { hint: 'choose one of the two' });
    }
    await readLedger(options.db, (ledger) => {
      const report = cleanAll(read(ledger, options));
      if (options.json) printJson(report);
      else if (options.csv) printText(toCsv(report));
      else printText(renderCost(report, { width: widthOf(process.stdout), paint: painter(process.stdout) }));
    });
  },
};

function read({ db, now }: OpenedLedger, { since, by, model }: CostOptions): CostReport {
  const from = parseSinceWithin(since, now, MOST_DAYS);
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
  const dollars = (micros: number) => Number((micros / 1_000_000).toFixed(6));
  return csv(
    [by, 'calls', 'serverless_dollars', 'endpoint_dollars', 'estimated_dollars'],
    lines.map(({ key, calls, serverlessMicros, dedicatedMicros, estimatedMicros }) => [
      key,
      calls,
      ...[serverlessMicros, dedicatedMicros, estimatedMicros].map(dollars),
    ]),
  );
}
