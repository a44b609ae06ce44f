import type { CommandModule } from 'yargs';
import { isSets, needsServed, requireText } from '../../core/criteria.ts';
import { spanText } from '../../core/decision.ts';
import type { CriteriaPolicy, MetricPolicy, RoutePolicy, ShadowPolicy } from '../../core/policy.ts';
import type { BudgetPolicy } from '../../core/money/policy.ts';
import { NO_BUDGET } from '../../core/money/policy.ts';
import { metricName } from '../../core/sentence.ts';
import { longText } from '../../core/sweep.ts';
import type { SweepPolicy } from '../../core/sweep-policy.ts';
import type { MetricName } from '../../core/verdict.ts';
import { METRICS, isShare } from '../../core/verdict.ts';
import { loadPolicy } from '../../files/policy.ts';
import { latencyText, numberText, percentText, weightText } from '../format.ts';
import { cleanAll, lengthOf, painter, printJson, printText, table, widthOf } from '../print.ts';
import type { GlobalOptions } from '../session.ts';
import { withGlobals } from '../session.ts';

interface CheckOptions extends GlobalOptions {
  readonly file: string;
}

const checkCommand: CommandModule<object, CheckOptions> = {
  command: 'check <file>',
  describe: 'Check a policy file, and show what it comes to',
  builder: (yargs) =>
    withGlobals(yargs)
      .positional('file', { type: 'string', demandOption: true, describe: 'The policy, YAML' })
      .hide('db')
      .example('npx upshift policy check policies/default.yaml', 'what holds for each route, defaults filled in')
      .epilogue(
        'Exit: 0 good, 2 with every mistake: file, line, column, path and what is allowed.\n' +
          '--json: {"path","hash","policy"}; spans in ms, shares 0..1.',
      ),
  handler: async ({ file, json }) => {
    const { path, hash, policy } = await loadPolicy(file);
    if (json) printJson({ path, hash, policy });
    else
      printText(
        renderPolicy(cleanAll({ path, hash, routes: [...policy.routes, policy.watched], sweep: policy.sweep })),
      );
  },
};

export const policyCommand: CommandModule<object, object> = {
  command: 'policy',
  describe: 'Work with policy files',
  builder: (yargs) =>
    yargs
      .command(checkCommand)
      .demandCommand(1, 'policy wants a command: check')
      .example('npx upshift policy check policies/default.yaml', 'check a file before the daemon reads it')
      .epilogue(
        'A running daemon reads its policy again when the file changes; a rollout keeps the one it was proposed under.',
      ),
  handler: () => undefined,
};

interface Shown {
  readonly path: string;
  readonly hash: string;
  readonly routes: readonly RoutePolicy[];
  readonly sweep: SweepPolicy;
}

function renderPolicy({ path, hash, routes, sweep }: Shown): string {
  const paint = painter(process.stdout);
  const hasFurther = routes.some(({ criteria }) => needsServed(criteria) || isSets(criteria.require));
  const rows = settings(routes[0] as RoutePolicy, hasFurther).map(([name], i) => [
    name,
    ...routes.map((route) => settings(route, hasFurther)[i]?.[1] ?? ''),
  ]);
  const names = routes.map(({ model }) => (model === '*' ? 'any other' : model));
  const beside = table(
    ['', ...names].map((title) => ({ title })),
    rows,
    paint,
  );
  // Side by side where there is room for it, one below the other else.
  const hasRoom = beside.every((line) => lengthOf(line) <= widthOf(process.stdout));
  const lines = hasRoom
    ? beside
    : routes.flatMap((route, i) => [
        ...(i === 0 ? [] : ['']),
        paint.bold(names[i] ?? ''),
        ...table([{ title: '' }, { title: '' }], settings(route, hasFurther), paint).map((line) => `  ${line}`),
      ]);
  return [`${paint.green('ok')}  ${path}  ${hash.slice(0, 8)}`, '', ...lines, '', `orphans  ${sweepText(sweep)}`].join(
    '\n',
  );
}

function sweepText({ ended, deleteAfter, unknown, idle }: SweepPolicy): string {
  const grace = deleteAfter === null ? 'kept' : `deleted after ${longText(deleteAfter)}`;
  const told = idle === null ? 'never told of' : `told of after ${longText(idle)}`;
  return `ended: ${ended}, ${grace}; unknown: ${unknown}; idle ones ${told}`;
}

/** A route's settings as names and texts. */
function settings(route: RoutePolicy, hasFurther: boolean): [string, string][] {
  const { criteria, limits, judge, holdBack, timeouts, budget, endpoint } = route;
  return [
    ['approval', route.approval],
    ['criteria', criteriaText(criteria)],
    ...(hasFurther ? furtherCriteria(criteria) : []),
    ['  in', `${spanText(criteria.window)}, held for ${spanText(criteria.sustain)}`],
    ['  cooldown', spanText(criteria.cooldown)],
    ['steps', `${route.steps.map(weightText).join(', ')} %`],
    ['affinity', `by ${route.affinity}`],
    ['shadow', shadowText(route.shadow)],
    ['a step', `at least ${spanText(limits.bake)} and ${numberText(limits.minCalls)} calls of the endpoint`],
    ['  control group', `${percentText(holdBack.share)} at the last step, for ${spanText(holdBack.time)}`],
    ...METRICS.map((metric): [string, string] => [
      `  ${metricName(metric)}`,
      metricText(metric, judge.metrics[metric]),
    ]),
    [
      '  wrong',
      `${percentText(judge.budget.falseRollback)} of rollouts sent back, ${percentText(judge.budget.falsePass)} of steps passed`,
    ],
    ['  back after', `${limits.consecutiveFaults} faults in a row`],
    ['endpoint within', spanText(limits.provisionWithin)],
    ['step within', spanText(limits.stepWithin)],
    ['rollout within', spanText(limits.rolloutWithin)],
    ['proposal open', spanText(limits.proposalOpen)],
    [
      'timeouts',
      `${spanText(timeouts.connect)} connect, ${spanText(timeouts.firstByte)} first byte, ${spanText(timeouts.betweenChunks)} between`,
    ],
    ['budget', budgetText(budget ?? NO_BUDGET)],
    ['endpoint', endpoint === null ? 'none: is watched only' : `${placeText(endpoint)}, for ${endpoint.namespace}`],
    ['  instance', endpoint === null ? '-' : `${instanceText(endpoint)}, ${replicasText(endpoint)}`],
    ['  not', endpoint === null || endpoint.deny.length === 0 ? '-' : endpoint.deny.join(', ')],
    ['  engine', endpoint === null ? '-' : engineText(endpoint)],
    ['  at most', endpoint?.maxPricePerHour === undefined ? '-' : `$${endpoint.maxPricePerHour.toFixed(2)}/h`],
  ];
}

function budgetText({ perHour, perDay, perRollout }: BudgetPolicy): string {
  const parts = [
    [perHour, 'an hour'],
    [perDay, 'a day'],
    [perRollout, 'a rollout'],
  ].flatMap(([dollars, span]) => (typeof dollars === 'number' ? [`$${dollars.toFixed(2)} ${span}`] : []));
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function shadowText({ share, time, concurrency }: ShadowPolicy): string {
  return share === 0 ? 'none' : `${percentText(share)} of calls copied for ${spanText(time)}, ${concurrency} at once`;
}

function metricText(metric: MetricName, { margin, killMargin, judge }: MetricPolicy): string {
  const [sign, unit] = isShare(metric) ? ['+', ' of calls'] : metric === 'length' ? ['+/-', ''] : ['+', ''];
  const text = (value: number) => `${sign}${percentText(value, isShare(metric) ? 2 : 0)}${unit}`;
  return `at most ${text(margin)}, back at ${text(killMargin)}${judge === 'advise' ? ' (advice only)' : ''}`;
}

type Endpoint = NonNullable<RoutePolicy['endpoint']>;

function placeText({ vendor, region, regions }: Endpoint): string {
  if (regions.length > 0) return regions.join(', else ');
  return [vendor, region].filter((part) => part !== undefined).join(' ') || 'any region';
}

function instanceText({ instanceType, instanceSize }: Endpoint): string {
  const named = [instanceType, instanceSize].filter((part) => part !== undefined).join(' ');
  if (instanceType !== undefined && instanceSize !== undefined) return named;
  return named === '' ? 'the cheapest that fits' : `the cheapest ${named} that fits`;
}

function engineText({ engine, image }: Endpoint): string {
  if (engine === undefined && image === undefined) return 'as the model needs it';
  return [engine ?? 'vLLM', image].filter((part) => part !== undefined).join(' ');
}

function replicasText({ minReplica, maxReplica }: Endpoint): string {
  return minReplica === maxReplica
    ? `${minReplica} replica${minReplica === 1 ? '' : 's'}`
    : `${minReplica} to ${maxReplica} replicas`;
}

function criteriaText({ calls, agents, refused, require }: CriteriaPolicy): string {
  const limits = `> ${numberText(calls)} calls, > ${numberText(agents)} agents, > ${percentText(refused)} 429s`;
  return isSets(require) ? limits : `${requireText(require)} of ${limits}`;
}

/** What a policy may add to the first three criteria: told where a route has any of it. */
function furtherCriteria({ slo, predictability, cost, require }: CriteriaPolicy): [string, string][] {
  return [
    ['  slo missed', slo === undefined ? '-' : sloText(slo)],
    ['  predictability', predictability === undefined ? '-' : `p99 > ${predictability.ratio} times p50`],
    ['  cost', cost === undefined ? '-' : `endpoint > ${percentText(cost.cheaperBy, 0)} cheaper`],
    ['  required', `${requireText(require)}${isSets(require) ? '' : ' of them'}`],
  ];
}

function sloText({ p95, availability }: NonNullable<CriteriaPolicy['slo']>): string {
  const parts = [
    ...(p95 === undefined ? [] : [`p95 > ${latencyText(p95)}`]),
    ...(availability === undefined ? [] : [`answered < ${percentText(availability, 2)}`]),
  ];
  return parts.join(' or ');
}
