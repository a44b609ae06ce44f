import type { CommandModule } from 'yargs';
import type { Advice, ServingProvider } from '../../core/advice/advice.ts';
import { advise } from '../../core/advice/advise.ts';
import { demandOf, SILENCE_MS } from '../../core/advice/demand.ts';
import type { DemandCall } from '../../core/advice/demand.ts';
import { assignedTo, isBeyondLimit } from '../../core/call.ts';
import { AppError } from '../../core/errors.ts';
import { policyOf } from '../../core/policy/of-model.ts';
import type { Policy, RoutePolicy } from '../../core/policy/policy.ts';
import { readEnvironment } from '../../files/environment.ts';
import { loadPolicy } from '../../files/policy.ts';
import { useProxies } from '../../huggingface/proxy.ts';
import { listProviders } from '../../huggingface/providers.ts';
import { demandCalls } from '../../ledger/calls/history.ts';
import type { LedgerDb } from '../../ledger/database.ts';
import { withGlobals, withPolicy } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { parseSinceWithin } from '../input/span.ts';
import { readLedger } from '../session.ts';
import { cleanAll, painter, printJson, printText, widthOf } from '../terminal/print.ts';
import { renderAdvice } from '../views/advice.ts';

interface AdviseOptions extends GlobalOptions {
  readonly policy: string;
  readonly model: string | undefined;
  readonly since: string;
  readonly online: boolean;
}

/** The command visits every second of the span. */
const MOST_DAYS = 31;

export const adviseCommand: CommandModule<object, AdviseOptions> = {
  command: 'advise',
  describe: 'Show whether another provider, fewer agents or a slower start would be enough, without a GPU',
  builder: (yargs) =>
    withPolicy(withGlobals(yargs))
      .option('model', {
        type: 'string',
        requiresArg: true,
        describe: 'Model of one route; without it, every model that was called',
      })
      .option('since', {
        type: 'string',
        default: '1d',
        requiresArg: true,
        describe: 'Calls since then: a span such as 6h, or a time',
      })
      .option('online', {
        type: 'boolean',
        default: false,
        describe: 'Ask the router which other providers serve the model, and at what price; needs HF_TOKEN',
      })
      .example('npx upshift advise', 'before you approve anything: do you need a GPU at all?')
      .example(
        'npx upshift advise --online --model meta-llama/Llama-3.1-8B-Instruct',
        'also list who else serves this model',
      )
      .example("npx upshift advise --json | jq -r '.verdict.kind'", 'the verdict: fine, remedy, migrate or unknown')
      .epilogue(
        'Lines:\n' +
          '  limit      calls that serverless takes in 5 minutes, as learned from its\n' +
          '             refusals. If it takes more now, what it took while it held calls\n' +
          '             back. If it refused nothing, criteria.calls of the policy\n' +
          '  queue      how long calls would wait in a queue at that limit, and how many\n' +
          '             would be refused after care.maxWait. Real agents that wait send\n' +
          '             their next call later, so this is an upper bound\n' +
          '  agents     how many fewer agents, or how many calls for each, would keep the\n' +
          '             busiest windows within the limit\n' +
          '  ramp       whether the peak comes from agents that start together. An agent\n' +
          '             that was silent for 10 min starts anew\n' +
          '  providers  refusals by provider since the daemon started. The ledger records\n' +
          '             who served a call, but not who refused it\n' +
          'A remedy is named if it would be enough by itself. This command changes nothing.\n' +
          '--json: one line for each route {"model","calls","limit","windows","queue",\n' +
          '"fewer","ramp","providers","others","verdict":{"kind","remedies","reasons"}},\n' +
          'and more.',
      ),
  handler: async (options) => {
    const { policy } = await loadPolicy(options.policy);
    const serving = options.online ? await askRouter() : null;
    await readLedger(options.db, ({ db, report, now }) => {
      const since = parseSinceWithin(options.since, now, MOST_DAYS);
      const calls = readDemand(db, since, now);
      const advice = routesOf(policy, calls, options.model).map((route) => {
        const demand = demandOf(calls.get(route.model) ?? [], { fromMs: since, untilMs: now });
        const lanes = (report?.lanes ?? []).filter(({ model }) => model === route.model);
        return advise(route, demand, { lanes, serving: serving === null ? null : (serving.get(route.model) ?? []) });
      });
      show(advice, options);
    });
  },
};

function show(advice: readonly Advice[], { json, since }: AdviseOptions): void {
  if (json) {
    for (const one of advice) printJson(cleanAll(one));
    return;
  }
  const page = { width: widthOf(process.stdout), paint: painter(process.stdout) };
  if (advice.length > 0)
    printText(
      cleanAll(advice)
        .map((one) => renderAdvice(one, page))
        .join('\n\n'),
    );
  else
    printText(
      `the ledger has no calls since ${since}\n` +
        'let agents call through upshift for an hour or more, or look further back:\nnpx upshift advise --since 30d',
    );
}

async function askRouter(): Promise<ReadonlyMap<string, readonly ServingProvider[]>> {
  const { routerUrl, token, proxies } = readEnvironment(process.env);
  useProxies(proxies);
  if (token === null) {
    throw new AppError('unauthorized', '--online asks the router, and HF_TOKEN is not set', {
      hint: 'set HF_TOKEN, or leave out --online',
    });
  }
  return listProviders(routerUrl, token);
}

/** The calls of each model, from either upstream. Some are from before `since`: they show which agents were already active. */
function readDemand(db: LedgerDb, since: number, until: number): ReadonlyMap<string, readonly DemandCall[]> {
  const byModel = new Map<string, DemandCall[]>();
  for (const call of demandCalls(db, (since - SILENCE_MS) * 1_000, until * 1_000)) {
    if (call.model === null || call.isRepeat) continue;
    let calls = byModel.get(call.model);
    if (calls === undefined) byModel.set(call.model, (calls = []));
    const isRefused = assignedTo(call) === 'serverless' && isBeyondLimit(call);
    const isTaken = call.servedBy === 'serverless' && call.status < 400;
    const { agent, isAgentDerived } = call;
    calls.push({ atMs: call.arrivedAtUs / 1_000, agent, isAgentDerived, isRefused, isTaken });
  }
  return byModel;
}

/** The routes that the policy lists and the models that were called, the busiest first. */
function routesOf(
  policy: Policy,
  calls: ReadonlyMap<string, readonly DemandCall[]>,
  model: string | undefined,
): readonly RoutePolicy[] {
  if (model !== undefined) return [policyOf(policy, model)];
  const called = [...calls].sort(([, a], [, b]) => b.length - a.length).map(([name]) => name);
  const silent = policy.routes.map((route) => route.model).filter((name) => !calls.has(name));
  return [...called, ...silent].map((name) => policyOf(policy, name));
}
