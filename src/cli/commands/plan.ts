import type { CommandModule } from 'yargs';
import type { DemandCall } from '../../core/advice/demand.ts';
import { closedText } from '../../core/decide/closed.ts';
import { bakeTime } from '../../core/decide/step-length.ts';
import { AppError } from '../../core/errors.ts';
import { certifiable, forecast, totalMinutes } from '../../core/judge/forecast.ts';
import { learnProfile } from '../../core/judge/profile.ts';
import type { Profile } from '../../core/judge/profile.ts';
import { policyOf } from '../../core/policy/of-model.ts';
import { NOTHING_TRIED } from '../../core/sizing/candidate.ts';
import type { InstancesTried } from '../../core/sizing/candidate.ts';
import type { Policy, RoutePolicy } from '../../core/policy/policy.ts';
import { windowsText } from '../../core/policy/windows.ts';
import { hasTools } from '../../core/route.ts';
import { stopWeight } from '../../core/rollout/rollout.ts';
import { busiestDemand } from '../../core/sizing/busiest-demand.ts';
import { factsByName } from '../../core/sizing/by-name.ts';
import { busiestSwarm, planSizing } from '../../core/sizing/plan.ts';
import type { FactsFound, OfferList, SizingPlan } from '../../core/sizing/plan.ts';
import { LoadCurve } from '../../core/usage/load-curve.ts';
import { compareStates, withoutOverflow } from '../../core/worth/steady-states.ts';
import type { SteadyStates } from '../../core/worth/steady-states.ts';
import { readEnvironment } from '../../files/environment.ts';
import type { Environment } from '../../files/environment.ts';
import { loadPolicy } from '../../files/policy.ts';
import { windowState } from '../../files/windows.ts';
import { useProxies } from '../../huggingface/proxy.ts';
import { createHubClient } from '../../huggingface/hub/hub.ts';
import { createEndpointsClient } from '../../huggingface/management/endpoints.ts';
import { LIST_DATE, listedOffers } from '../../huggingface/management/list-prices.ts';
import { historyCalls } from '../../ledger/calls/arrivals.ts';
import { demandCalls } from '../../ledger/calls/history.ts';
import { usageCalls } from '../../ledger/calls/usage.ts';
import { leftLately } from '../../ledger/journal/left-lately.ts';
import { measuredSpeeds } from '../../ledger/calls/speeds.ts';
import type { LedgerDb } from '../../ledger/database.ts';
import { costPerCall } from '../../ledger/money/costs.ts';
import { readStatus } from '../../ledger/journal/status.ts';
import { openForReading } from '../../ledger/open.ts';
import { withGlobals, withPolicy } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { parseSince } from '../input/span.ts';
import { openClock, timeOf } from '../session.ts';
import { cleanAll, painter, printJson, printText, warn, widthOf } from '../terminal/print.ts';
import { renderSteadyStates } from '../views/steady-states.ts';
import { renderTimes } from '../views/times.ts';
import type { PlannedTimes } from '../views/times.ts';
import { NO_TOKEN, renderSizing } from '../views/sizing.ts';

interface PlanOptions extends GlobalOptions {
  readonly policy: string;
  readonly model: string | undefined;
  readonly since: string;
}

/** What the command says of one route. */
interface Plan extends PlannedTimes {
  readonly sizing: SizingPlan;
  /** Null without calls, without an instance, or without prices. */
  readonly steady: SteadyStates | null;
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
          'A month: 30 days as the calls of the ledger were, for each number of replicas.\n' +
          'Calls that would find all places of the replicas taken go to serverless.\n' +
          'Times: medians for an endpoint that is as good as serverless. A better endpoint\n' +
          'passes sooner. A worse one does not pass. With less than six hours of calls in\n' +
          'the ledger, the judge is more cautious and steps take longer.\n' +
          '--json: one line for each route {"model","profile","margin","certifiable",\n' +
          '"windows","shadowMs","steps","totalMs","sizing":{"facts","demand",\n' +
          '"need":{"terms"},"serving":{"args","warnings","notes"},"list","candidates",\n' +
          '"chosen","instance","swarm"},"steady":{"carries","states":\n' +
          '[{"replicas","overflowShare","dedicatedMicros","serverlessMicros"}]}}.',
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

/** The calls of a model that asked for serverless in a span, and whether they offer tools; null if there are none. */
function demandFor(db: LedgerDb, model: string, since: number, now: number) {
  const calls: DemandCall[] = [];
  let offersTools: boolean | null = null;
  for (const call of demandCalls(db, since * 1_000, now * 1_000)) {
    if (call.model !== model || call.isRepeat) continue;
    const { agent, isAgentDerived } = call;
    offersTools = offersTools === true || hasTools(call.shape);
    calls.push({ atMs: call.arrivedAtUs / 1_000, agent, isAgentDerived, isRefused: false, isTaken: false });
  }
  return { calls, offersTools };
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
  const { calls, offersTools } =
    db === null ? { calls: [], offersTools: null } : demandFor(db, policy.model, since, now);
  const load = db === null ? null : loadOf(db, policy.model, { since, now });
  const sizing = planSizing(found, list, {
    demand: busiestDemand(history),
    tried: triedOf(policy, db, now),
    swarm: busiestSwarm(calls, since, now),
    endpoint: policy.endpoint,
    offersTools,
    ...(load !== null && policy.overflow.enabled && { load }),
  });
  const all = db === null || load === null ? null : steadyOf(db, sizing, { model: policy.model, load, now });
  const steady = all === null || policy.overflow.enabled ? all : withoutOverflow(all);
  return { ...timesOf(policy, learnProfile(history, 'serverless'), now), sizing, steady };
}

function loadOf(db: LedgerDb, model: string, { since, now }: { since: number; now: number }): LoadCurve {
  const calls = [...usageCalls(db, { afterUs: since * 1_000, untilUs: now * 1_000, model })];
  const from = calls.reduce((first, { arrivedAtMs }) => Math.min(first, arrivedAtMs), now);
  return new LoadCurve(calls, now - Math.max(since, from));
}

/** What a month costs with each number of replicas of the chosen instance. */
function steadyOf(
  db: LedgerDb,
  { chosen }: SizingPlan,
  { model, load, now }: { readonly model: string; readonly load: LoadCurve; readonly now: number },
): SteadyStates | null {
  const route = readStatus(db)?.report?.routes.find((one) => one.model === model)?.rollout ?? null;
  const isSame =
    route?.instance.instanceType === chosen?.offer.instanceType &&
    route?.instance.instanceSize === chosen?.offer.instanceSize;
  return compareStates(load, chosen, {
    capacity: isSame ? (route?.concurrency?.capacity ?? null) : null,
    perCallMicros: costPerCall(db, model, now),
  });
}

function triedOf({ model, endpoint }: RoutePolicy, db: LedgerDb | null, now: number): InstancesTried {
  if (db === null) return NOTHING_TRIED;
  const left = endpoint === null ? NOTHING_TRIED.leftLately : leftLately(db, endpoint.namespace, now);
  return { measured: measuredSpeeds(db, model), leftLately: left };
}

/** `mon-thu 09:00-16:00 Europe/Berlin: changes are made only then; closed until ...`; null if they always are. */
function windowsNow({ windows }: RoutePolicy, now: number): string | null {
  const state = windowState(windows, now);
  if (state === null) return null;
  const { isOpen, until, untilText } = state;
  const present = isOpen ? `open until ${untilText}` : closedText({ until, opens: untilText }, now);
  return `${windowsText(windows)}: changes are made only then; now ${present}`;
}

function timesOf(policy: RoutePolicy, profile: Profile, now: number): PlannedTimes {
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
    windows: windowsNow(policy, now),
    shadowMs: copies.minutes * 60_000,
    steps: timed,
    totalMs: total === null ? null : total * 60_000,
  };
}

function render(plan: Plan): string {
  const page = { width: widthOf(process.stdout), paint: painter(process.stdout) };
  const month = renderSteadyStates(plan.steady, page);
  return [...renderTimes(plan, page), '', ...renderSizing(plan.sizing, { model: plan.model, month }, page)].join('\n');
}
