import type { CommandModule } from 'yargs';
import type { DemandCall } from '../../core/advice/demand.ts';
import { bakeTime } from '../../core/decide/stepping.ts';
import { AppError } from '../../core/errors.ts';
import { certifiable, forecast, totalMinutes } from '../../core/judge/forecast.ts';
import type { ForecastStep } from '../../core/judge/forecast.ts';
import { learnProfile } from '../../core/judge/profile.ts';
import type { Profile } from '../../core/judge/profile.ts';
import { policyOf } from '../../core/policy/of-model.ts';
import type { Policy, RoutePolicy } from '../../core/policy/policy.ts';
import { stopWeight } from '../../core/rollout/rollout.ts';
import { busiestDemand } from '../../core/sizing/busiest-demand.ts';
import { factsByName } from '../../core/sizing/by-name.ts';
import { busiestSwarm, planSizing } from '../../core/sizing/plan.ts';
import type { FactsFound, OfferList, SizingPlan } from '../../core/sizing/plan.ts';
import { longText } from '../../core/sweep/sweep.ts';
import { spanText } from '../../core/text.ts';
import { readEnvironment } from '../../files/environment.ts';
import type { Environment } from '../../files/environment.ts';
import { loadPolicy } from '../../files/policy.ts';
import { useProxies } from '../../huggingface/proxy.ts';
import { createHubClient } from '../../huggingface/hub/hub.ts';
import { createEndpointsClient } from '../../huggingface/management/endpoints.ts';
import { LIST_DATE, listedOffers } from '../../huggingface/management/list-prices.ts';
import { historyCalls } from '../../ledger/calls/arrivals.ts';
import { demandCalls } from '../../ledger/calls/history.ts';
import { measuredSpeeds } from '../../ledger/calls/speeds.ts';
import type { LedgerDb } from '../../ledger/database.ts';
import { readStatus } from '../../ledger/journal/status.ts';
import { openForReading } from '../../ledger/open.ts';
import { withGlobals, withPolicy } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { parseSince } from '../input/span.ts';
import { openClock, timeOf } from '../session.ts';
import { countText, numberText, percentText, weightText } from '../terminal/format.ts';
import { cleanAll, painter, printJson, printText, table, warn, widthOf } from '../terminal/print.ts';
import { entry } from '../views/page.ts';
import type { Page } from '../views/page.ts';
import { NO_TOKEN, renderSizing } from '../views/sizing.ts';

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
  readonly sizing: SizingPlan;
}

/** How long Hugging Face may take for one answer. Without the answer, the plan uses what is known. */
const PATIENCE_MS = 8_000;

export const planCommand: CommandModule<object, PlanOptions> = {
  command: 'plan',
  describe: 'Show which instance a model needs, and how long a rollout would take',
  builder: (yargs) =>
    withPolicy(withGlobals(yargs))
      .option('model', {
        type: 'string',
        requiresArg: true,
        describe: 'Model of one route; without it, all routes of the policy',
      })
      .option('since', {
        type: 'string',
        default: '1d',
        requiresArg: true,
        describe: 'Learn from the calls since then: a span such as 6h, or a time',
      })
      .example('npx upshift plan --model meta-llama/Llama-3.1-8B-Instruct', 'before you approve anything')
      .example('npx upshift plan --json | jq .sizing.instance', 'the instance that a rollout would pin')
      .epilogue(
        'Memory: each line is one part of what the model needs, in GB of 10^9 bytes. The\n' +
          'cache is sized for the calls in flight in the busiest 5 min of the ledger.\n' +
          'Instances: with HF_TOKEN, prices and quota are those of your account. Without\n' +
          'it, prices are those of the public list, which has no quota. Without a network,\n' +
          'prices are those of a dated list; upshift never proposes from that list.\n' +
          'Tokens/s: what one full replica can write. upshift assumes 60 % of the memory\n' +
          'bandwidth, unless the ledger has measured that instance. Long prompts add time.\n' +
          'Times: medians for an endpoint that is as good as serverless. A better endpoint\n' +
          'passes sooner. A worse one does not pass. With less than six hours of calls in\n' +
          'the ledger, the judge is more cautious and steps take longer.\n' +
          '--json: one line for each route {"model","profile","margin","certifiable",\n' +
          '"shadowMs","steps","totalMs","sizing":{"facts","demand","need":{"terms"},\n' +
          '"list","candidates","chosen","instance","swarm"}}.',
      ),
  handler: async (options) => {
    const { policy } = await loadPolicy(options.policy);
    const routes = chosen(policy, options.model);
    const environment = readEnvironment(process.env);
    useProxies(environment.proxies);
    const asked = await Promise.all(routes.map((route) => ask(route, environment)));
    const db = openIfThere(options.db);
    try {
      const report = db === null ? null : (readStatus(db)?.report ?? null);
      const now = timeOf(openClock(), report);
      const span = { since: parseSince(options.since, now), now };
      const plans = routes.map((route, i) => planOf(route, db, span, asked[i] as Asked));
      if (options.json) for (const plan of plans) printJson(cleanAll(plan));
      else printText(cleanAll(plans).map(render).join('\n\n'));
    } finally {
      db?.close();
    }
  },
};

/** The ledger; null, with a warning, if there is none yet: what a model needs does not depend on it. */
function openIfThere(path: string): LedgerDb | null {
  try {
    return openForReading(path);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'not_found') throw error;
    warn(`${error.message}: the demand is not known yet`);
    return null;
  }
}

/** What Hugging Face says of a route. */
interface Asked {
  readonly found: FactsFound;
  readonly list: OfferList;
}

async function ask(route: RoutePolicy, { hubUrl, endpointsUrl, token }: Environment): Promise<Asked> {
  const hub = createHubClient({ hubUrl, token, timeoutMs: PATIENCE_MS });
  const endpoints = createEndpointsClient({ baseUrl: endpointsUrl, token, timeoutMs: PATIENCE_MS });
  const { value: facts, problem } = await orProblem(() => hub.describeModel(route.model));
  const guess = facts === null ? factsByName(route.model) : null;
  const reason = guess === null ? problem : `${problem}; its size is taken from its name`;
  const found = { facts: facts ?? guess, problem: reason };
  const ofAccount = await orProblem(async () => {
    if (token === null) throw new AppError('unauthorized', NO_TOKEN);
    const namespace = route.endpoint?.namespace ?? (await hub.whoAmI()).name;
    return { offers: await endpoints.offers(namespace), of: namespace };
  });
  if (ofAccount.value !== null) return { found, list: { ...ofAccount.value, source: 'account', problem: null } };
  const open = await orProblem(() => endpoints.offers(null));
  if (open.value !== null && open.value.length > 0) {
    return { found, list: { offers: open.value, source: 'public', of: null, problem: ofAccount.problem } };
  }
  return { found, list: { offers: listedOffers(), source: 'list', of: LIST_DATE, problem: open.problem } };
}

/** The answer, or the problem in a sentence. Rethrows what is neither a problem of the network nor of rights. */
async function orProblem<T>(ask: () => Promise<T>): Promise<{ value: T | null; problem: string | null }> {
  try {
    return { value: await ask(), problem: null };
  } catch (error) {
    const passes = error instanceof AppError && error.code !== 'internal' && error.code !== 'invalid';
    if (!passes) throw error;
    return { value: null, problem: error.message };
  }
}

/** The calls of a model that asked for serverless in a span. */
function demandFor(db: LedgerDb, model: string, since: number, now: number): DemandCall[] {
  const calls: DemandCall[] = [];
  for (const call of demandCalls(db, since * 1_000, now * 1_000)) {
    if (call.model !== model || call.isRepeat) continue;
    const { agent, isAgentDerived } = call;
    calls.push({ atMs: call.arrivedAtUs / 1_000, agent, isAgentDerived, isRefused: false, isTaken: false });
  }
  return calls;
}

function chosen(policy: Policy, model: string | undefined): readonly RoutePolicy[] {
  if (model !== undefined) return [policyOf(policy, model)];
  if (policy.routes.length > 0) return policy.routes;
  throw new AppError('invalid', 'the policy lists no route', {
    hint: 'name a model, such as --model meta-llama/Llama-3.1-8B-Instruct, or a policy with routes',
  });
}

function planOf(
  policy: RoutePolicy,
  db: LedgerDb | null,
  { since, now }: { readonly since: number; readonly now: number },
  { found, list }: Asked,
): Plan {
  const history = db === null ? [] : [...historyCalls(db, policy.model, since * 1_000, now * 1_000)];
  const demand = db === null ? [] : demandFor(db, policy.model, since, now);
  const sizing = planSizing(found, list, {
    demand: busiestDemand(history),
    measured: db === null ? new Map() : measuredSpeeds(db, policy.model),
    swarm: busiestSwarm(demand, since, now),
    endpoint: policy.endpoint,
  });
  return { ...timesOf(policy, learnProfile(history, 'serverless')), sizing };
}

function timesOf(policy: RoutePolicy, profile: Profile): Omit<Plan, 'sizing'> {
  const { shadow, steps, judge } = policy;
  const { callsPerMinute } = profile;
  const stops = steps.map((_, i) => ({
    weight: stopWeight(i + 1, policy, 'dedicated'),
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
  const page = { width: widthOf(process.stdout), paint: painter(process.stdout) };
  return [...renderTimes(plan, page), '', ...renderSizing(plan.sizing, plan.model, page)].join('\n');
}

function renderTimes(plan: Plan, page: Pick<Page, 'width' | 'paint'>): string[] {
  const { paint } = page;
  const { model, profile, steps, shadowMs, totalMs } = plan;
  const { speed } = profile.drift;
  const seen = `${countText(profile.calls, 'call')} over ${spanText(profile.spanMs)}, ${numberText(Math.round(profile.callsPerMinute))} a minute`;
  const head = [paint.bold(model), ...entry('history', [seen], page)];
  if (profile.calls === 0)
    return [...head, ...entry('times', ['not known without a history: let upshift watch for some hours'], page)];
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
    minutes === null ? paint.yellow('over a week') : minutes === 0 ? 'at once' : longText(minutes * 60_000),
    lasts === null ? '-' : longText(lasts * 60_000),
    calls === null ? '-' : numberText(calls),
  ]);
  const shadow = shadowMs === 0 ? [] : entry('shadow', [`${spanText(shadowMs)} of copies first`], page);
  return [
    ...head,
    ...entry(
      'drift',
      [`${percentText(speed.sigma)} from minute to minute, correlated over ${spanText(correlated * 60_000)}`],
      page,
    ),
    ...entry(
      'speed',
      [
        `the policy allows +${percentText(plan.margin, 0)}; at ${weightText(steps[0]?.weight ?? 0)} % can be certified: ${margins.join(', ')}`,
      ],
      page,
    ),
    ...shadow,
    '',
    ...table(columns, rows, paint).map((line) => `  ${line}`),
    '',
    totalMs === null
      ? paint.yellow('  Some step would take over a week: widen its margins, or wait for more traffic.')
      : `  In all about ${longText(totalMs)}, plus the time until somebody approves.`,
  ];
}
