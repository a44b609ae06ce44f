import type { CommandModule } from 'yargs';
import { spanText } from '../../core/decision.ts';
import { AppError } from '../../core/errors.ts';
import type { ForecastStep } from '../../core/forecast.ts';
import { certifiable, forecast, totalMinutes } from '../../core/forecast.ts';
import type { RoutePolicy } from '../../core/policy.ts';
import type { Profile } from '../../core/profile.ts';
import { learnProfile } from '../../core/profile.ts';
import { stopWeight } from '../../core/rollout.ts';
import { bakeTime } from '../../core/stepping.ts';
import type { StatusReport } from '../../core/status.ts';
import { loadPolicy } from '../../files/policy.ts';
import { historyCalls } from '../../ledger/arrivals.ts';
import { openForReading } from '../../ledger/open.ts';
import { readStatus } from '../../ledger/requests.ts';
import { countText, numberText, percentText, weightText } from '../format.ts';
import { cleanAll, painter, printJson, printText, table } from '../print.ts';
import type { GlobalOptions } from '../session.ts';
import { openClock, timeOf, withGlobals, withPolicy } from '../session.ts';
import { parseSince } from './audit.ts';

interface PlanOptions extends GlobalOptions {
  readonly policy: string;
  readonly model: string | undefined;
  readonly since: string;
}

/** What a rollout of one route would take, were the endpoint as good as serverless. Times in clock ms. */
interface Plan {
  readonly model: string;
  readonly profile: Profile;
  readonly margin: number;
  readonly certifiable: readonly { readonly minutes: number; readonly margin: number }[];
  readonly shadowMs: number;
  readonly steps: readonly ForecastStep[];
  /** Null where a step would never pass. */
  readonly totalMs: number | null;
}

export const planCommand: CommandModule<object, PlanOptions> = {
  command: 'plan',
  describe: 'How long a rollout would take, and what could be certified, at the traffic of the past',
  builder: (yargs) =>
    withPolicy(withGlobals(yargs))
      .option('model', {
        type: 'string',
        requiresArg: true,
        describe: 'A route; all that the policy lists unless named',
      })
      .option('since', {
        type: 'string',
        default: '1d',
        requiresArg: true,
        describe: 'The history to learn from: a span such as 6h, or a time',
      })
      .example('npx upshift plan --model meta-llama/Llama-3.1-8B-Instruct', 'before anything is approved')
      .epilogue(
        'Times are medians for an endpoint that is as good as serverless; a better one is quicker, a worse one is not\n' +
          'passed. Six hours of history make them sharp: with less, the judge is more careful.\n' +
          '--json: one line a route {"model","profile","margin","certifiable","shadowMs","steps","totalMs"}.',
      ),
  handler: async (options) => {
    const { policy } = await loadPolicy(options.policy);
    const routes = chosen(policy, options.model);
    const db = openForReading(options.db);
    try {
      const now = timeOf(openClock(), (readStatus(db)?.report ?? null) as StatusReport | null);
      const since = parseSince(options.since, now);
      const plans = routes.map((route) => {
        const calls = [...historyCalls(db, route.model, since * 1_000, now * 1_000)];
        return planOf(route, learnProfile(calls));
      });
      if (options.json) for (const plan of plans) printJson(cleanAll(plan));
      else printText(cleanAll(plans).map(render).join('\n\n'));
    } finally {
      db.close();
    }
  },
};

function chosen(
  { routes, watched }: { readonly routes: readonly RoutePolicy[]; readonly watched: RoutePolicy },
  model: string | undefined,
): readonly RoutePolicy[] {
  if (model !== undefined) return [routes.find((route) => route.model === model) ?? { ...watched, model }];
  if (routes.length > 0) return routes;
  throw new AppError('invalid', 'the policy lists no route', { hint: 'name one with --model' });
}

function planOf(policy: RoutePolicy, profile: Profile): Plan {
  const { shadow, steps, judge } = policy;
  const { callsPerMinute } = profile;
  const stops = steps.map((_, i) => ({
    weight: stopWeight(i + 1, policy),
    least: bakeTime({ phase: i === steps.length - 1 ? 'holding' : 'stepping' }, { policy }) / 60_000,
  }));
  const copies = { share: shadow.share, minutes: shadow.share > 0 ? shadow.time / 60_000 : 0 };
  const timed = forecast(profile, judge, { callsPerMinute }, { stops, copies });
  const total = totalMinutes(timed, copies);
  return {
    model: policy.model,
    profile,
    margin: judge.metrics.speed.margin,
    certifiable: callsPerMinute > 0 ? certifiable(profile, judge, { callsPerMinute }, stops[0]?.weight ?? 0) : [],
    shadowMs: copies.minutes * 60_000,
    steps: timed,
    totalMs: total === null ? null : total * 60_000,
  };
}

function render(plan: Plan): string {
  const paint = painter(process.stdout);
  const { model, profile, steps, shadowMs, totalMs } = plan;
  const { speed } = profile.wobble;
  const seen = `${countText(profile.calls, 'call')} over ${spanText(profile.spanMs)}, ${numberText(Math.round(profile.callsPerMinute))} a minute`;
  const head = [paint.bold(model), `  history    ${seen}`];
  if (profile.calls === 0)
    return [...head, '  nothing can be said without a history: let upshift watch for some hours'].join('\n');
  const correlated = speed.phi <= 0 ? 0 : -1 / Math.log(speed.phi);
  const margins = plan.certifiable.map(
    ({ minutes, margin }) => `+${percentText(margin, 0)} in ${spanText(minutes * 60_000)}`,
  );
  const columns = [
    { title: 'step', side: 'right' as const },
    { title: 'weight', side: 'right' as const },
    { title: 'evidence after', side: 'right' as const },
    { title: 'lasts', side: 'right' as const },
    { title: 'calls', side: 'right' as const },
  ];
  const rows = steps.map(({ step, weight, minutes, lasts, calls }) => [
    String(step),
    `${weightText(weight)} %`,
    minutes === null ? paint.yellow('over a week') : minutes === 0 ? 'at once' : spanText(minutes * 60_000),
    lasts === null ? '-' : spanText(lasts * 60_000),
    calls === null ? '-' : numberText(calls),
  ]);
  const shadow = shadowMs === 0 ? [] : [`  shadow     ${spanText(shadowMs)} of copies first`];
  return [
    ...head,
    `  wobble     ${percentText(speed.sigma)} from minute to minute, correlated over ${spanText(correlated * 60_000)}`,
    `  speed      the policy allows +${percentText(plan.margin, 0)}; at ${weightText(steps[0]?.weight ?? 0)} % could be certified: ${margins.join(', ')}`,
    ...shadow,
    '',
    ...table(columns, rows, paint).map((line) => `  ${line}`),
    '',
    totalMs === null
      ? paint.yellow('  Some step would not pass within a week: widen its margins, or wait for more traffic.')
      : `  In all about ${spanText(totalMs)}, and what people take to approve.`,
  ].join('\n');
}
