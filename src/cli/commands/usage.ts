import type { CommandModule } from 'yargs';
import { yardstickOf } from '../../core/advice/advise.ts';
import { WINDOW_MS } from '../../core/advice/demand.ts';
import { policyOf } from '../../core/policy/of-model.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import type { StatusReport } from '../../core/status.ts';
import { UsageLog } from '../../core/usage/log.ts';
import { usageOf } from '../../core/usage/usage.ts';
import type { Usage } from '../../core/usage/usage.ts';
import { loadPolicy } from '../../files/policy.ts';
import { namesOf, usageCalls } from '../../ledger/calls/usage.ts';
import { checkNumber, withGlobals, withPolicy } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { parseSinceWithin } from '../input/span.ts';
import { commandSuffix, readLedger } from '../session.ts';
import { openCalendar } from '../terminal/calendar.ts';
import type { Calendar } from '../terminal/calendar.ts';
import { cleanAll, hasColor, painter, printJson, printText, widthOf } from '../terminal/print.ts';
import { BY, renderUsage, renderUsageBy } from '../views/usage.ts';
import type { UsageBy } from '../views/usage.ts';

interface UsageOptions extends GlobalOptions {
  readonly policy: string;
  readonly model: string | undefined;
  readonly since: string;
  readonly by: UsageBy | undefined;
  readonly zone: string;
  readonly 'per-replica': number | undefined;
}

/** The command visits every second of the span. */
const MOST_DAYS = 31;

export const usageCommand: CommandModule<object, UsageOptions> = {
  command: 'usage',
  describe: 'Show when calls come and from whom: peaks, calls at once, and what spreading them out would save',
  builder: (yargs) =>
    withPolicy(withGlobals(yargs))
      .option('model', {
        type: 'string',
        requiresArg: true,
        describe: 'Model of one route; without it, the busiest route in full',
      })
      .option('since', {
        type: 'string',
        default: '7d',
        requiresArg: true,
        describe: 'Calls since then: a span such as 6h, or a time',
      })
      .option('by', {
        choices: BY,
        requiresArg: true,
        describe: 'Print one table instead, with a line for each hour, day or agent',
      })
      .option('zone', {
        type: 'string',
        default: 'UTC',
        requiresArg: true,
        describe: "Time zone of hours and days: UTC, local (this machine's), or a name such as Europe/Berlin",
      })
      .option('per-replica', {
        type: 'number',
        requiresArg: true,
        describe: 'Calls that one replica can answer at once; adds how many replicas you need',
      })
      .example('npx upshift usage', 'the last seven days, in UTC')
      .example('npx upshift usage --since 30d --zone local --by day', 'a month, day by day, in local time')
      .example('npx upshift usage --per-replica 32', 'add the replicas that the peaks and the average need')
      .example("npx upshift usage --json | jq '.peaks[0]'", 'the busiest window')
      .epilogue(
        'A window is a sliding span of time as long as criteria.window in the policy\n' +
          '(5 min).\n' +
          'Lines:\n' +
          '  days       the busiest window of each hour; one sign for each hour, 0 to 23\n' +
          '  week       the same for each weekday, over all weeks\n' +
          '  peaks      the busiest windows that do not overlap, and who made the calls\n' +
          '  at once    calls in flight, from their arrival to their end\n' +
          '  limit      calls that serverless takes, as learned from its refusals; if it\n' +
          '             refused nothing, criteria.calls of the policy\n' +
          '  spread     the busiest window if the calls of an hour or a day were spread\n' +
          '             evenly over it, and what would keep the criteria from holding\n' +
          'Calls that are still running are not in the ledger yet. A refused call that an\n' +
          'agent repeats counts once. This command changes nothing.\n' +
          '--json: one line for each route {"model","calls","mean","peak","days","peaks",\n' +
          '"busiest","inFlight","tokensPerMinute","smoothing","replicas"}, and more.',
      ),
  handler: async (options) => {
    const { 'per-replica': perReplica } = options;
    if (perReplica !== undefined) checkNumber('per-replica', perReplica, perReplica >= 1, '1 or more calls');
    const calendar = openCalendar(options.zone);
    const { policy } = await loadPolicy(options.policy);
    await readLedger(options.db, ({ db, report, now }) => {
      const since = parseSinceWithin(options.since, now, MOST_DAYS);
      const logs = new Map<number, UsageLog>();
      const span = { afterUs: since * 1_000, untilUs: now * 1_000, model: options.model ?? null };
      for (const call of usageCalls(db, span)) {
        let log = logs.get(call.model);
        if (log === undefined) logs.set(call.model, (log = new UsageLog()));
        log.add(call);
      }
      const names = namesOf(db);
      const usages = [...logs].map(([id, log]) => {
        const route = policyOf(policy, names.model(id));
        return usageOf(log, {
          model: route.model,
          sinceMs: since,
          untilMs: now,
          ...limitsOf(route, report),
          perReplica: perReplica ?? null,
          momentOf: calendar.momentOf,
          agentName: names.agent,
        });
      });
      show(
        usages.sort((a, b) => b.calls - a.calls),
        options,
        calendar,
      );
    });
  },
};

/** The length of a window and its limits: the learned one, and those of the policy. */
function limitsOf({ model, criteria }: RoutePolicy, report: StatusReport | null) {
  const lanes = (report?.lanes ?? []).filter((lane) => lane.model === model);
  const { calls, source } = yardstickOf(lanes, criteria);
  const limit = { calls: Math.round((calls * criteria.window) / WINDOW_MS), source };
  return { windowMs: criteria.window, limit, criteria: { calls: criteria.calls, refused: criteria.refused } };
}

function show(usages: readonly Usage[], options: UsageOptions, calendar: Calendar): void {
  const { json, since, by, model } = options;
  const [first, ...others] = cleanAll(usages);
  if (json) {
    for (const usage of cleanAll(usages)) printJson({ zone: calendar.zone, ...usage });
    return;
  }
  if (first === undefined) {
    printText(
      `the ledger has no calls${model === undefined ? '' : ` for ${model}`} since ${since}\n` +
        'let agents call through upshift for an hour or more, or look further back:\nnpx upshift usage --since 30d',
    );
    return;
  }
  const suffix = commandSuffix(options.db);
  const page = { width: widthOf(process.stdout), paint: painter(process.stdout), hasColor: hasColor(process.stdout) };
  const context = { calendar, others, suffix: suffix === undefined ? '' : ` ${suffix}` };
  printText(by === undefined ? renderUsage(first, context, page) : renderUsageBy(by, first, context, page));
}
