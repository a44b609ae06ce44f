import { metricName } from '../../core/judge/sentence.ts';
import { QUESTIONS } from '../../core/policy/approvals.ts';
import type { ApprovalsPolicy } from '../../core/policy/approvals.ts';
import type { BackPolicy } from '../../core/policy/back.ts';
import type { BudgetPolicy } from '../../core/policy/budget.ts';
import type { CarePolicy } from '../../core/policy/care.ts';
import type { OverflowPolicy } from '../../core/policy/overflow.ts';
import { isSets, requireText } from '../../core/policy/criteria.ts';
import type { CriteriaPolicy } from '../../core/policy/criteria.ts';
import { isShare, METRICS } from '../../core/policy/judge.ts';
import type { JudgedMetric, MetricName, MetricPolicy } from '../../core/policy/judge.ts';
import type { RoutePolicy, ShadowPolicy } from '../../core/policy/policy.ts';
import type { ScalingPolicy } from '../../core/policy/scaling.ts';
import { windowsText } from '../../core/policy/windows.ts';
import { longText } from '../../core/sweep/sweep.ts';
import { spanText } from '../../core/text.ts';
import { countText, latencyText, numberText, percentText, weightText } from '../terminal/format.ts';

/** A setting's name, indented under the setting it is a part of, and its value; null if it is not set. */
export type Setting = readonly [name: string, text: string | null];

/** All settings of a route. */
export function settings(route: RoutePolicy): Setting[] {
  const { criteria, limits, timeouts } = route;
  return [
    ['approval', route.approval],
    ['  people', peopleText(route.approvals)],
    ['  over evidence', route.overEvidence ? null : 'forbidden'],
    ['windows', windowsText(route.windows)],
    ['criteria', criteriaText(criteria)],
    ['  slo missed', criteria.slo === undefined ? null : sloText(criteria.slo)],
    [
      '  predictability',
      criteria.predictability === undefined ? null : `p99 > ${criteria.predictability.ratio} times p50`,
    ],
    ['  cost', criteria.cost === undefined ? null : `endpoint > ${percentText(criteria.cost.cheaperBy, 0)} cheaper`],
    ['  required', `${requireText(criteria.require)}${isSets(criteria.require) ? '' : ' of them'}`],
    ['  in', `${spanText(criteria.window)}, held for ${spanText(criteria.sustain)}`],
    ['  cooldown', longText(criteria.cooldown)],
    ['steps', `${route.steps.map(weightText).join(', ')} %`],
    ['affinity', `by ${route.affinity}`],
    ['shadow', shadowText(route.shadow)],
    ...judged(route),
    ['endpoint within', longText(limits.provisionWithin)],
    ['step within', longText(limits.stepWithin)],
    ['rollout within', longText(limits.rolloutWithin)],
    ['proposal open', longText(limits.proposalOpen)],
    ...wayBack(route.back, criteria),
    ...cared(route.care),
    overflowed(route.overflow),
    ...scaled(route.scaling),
    [
      'timeouts',
      `${spanText(timeouts.connect)} connect, ${spanText(timeouts.firstByte)} first byte, ${spanText(timeouts.betweenChunks)} between, ${spanText(timeouts.total)} in all`,
    ],
    [
      '  serverless',
      `${spanText(timeouts.serverless.betweenChunks)} between, ${spanText(timeouts.serverless.total)} in all`,
    ],
    ...budgeted(route.budget),
    ...placed(route),
  ];
}

/** How many people must approve what, where it is more than one; null if one is always enough. */
function peopleText(approvals: ApprovalsPolicy): string | null {
  const several = QUESTIONS.filter((question) => approvals[question] > 1);
  return several.length === 0 ? null : several.map((question) => `${approvals[question]} for ${question}`).join(', ');
}

function judged({ limits, judge, holdBack }: RoutePolicy): Setting[] {
  const { falseRollback, falsePass, falsePassLast } = judge.errorRates;
  return [
    ['a step', `at least ${spanText(limits.bake)} and ${countText(limits.minCalls, 'call')} of the endpoint`],
    ['  control group', `${percentText(holdBack.share)} at the last step, for ${spanText(holdBack.time)}`],
    ...METRICS.map((metric): Setting => [`  ${metricName(metric)}`, metricText(metric, judge.metrics[metric])]),
    [
      '  wrong',
      `${percentText(falseRollback)} of rollouts rolled back, ${percentText(falsePass)} of steps passed, ${percentText(falsePassLast)} of last steps`,
    ],
    ['  rollback after', `${limits.consecutiveFaults} faults in a row`],
  ];
}

function criteriaText({ calls, agents, refused }: CriteriaPolicy): string {
  return `> ${countText(calls, 'call')}, > ${countText(agents, 'agent')}, > ${percentText(refused)} refused or delayed`;
}

function sloText({ p95, availability }: NonNullable<CriteriaPolicy['slo']>): string {
  const parts = [
    ...(p95 === undefined ? [] : [`p95 > ${latencyText(p95)}`]),
    ...(availability === undefined ? [] : [`answered < ${percentText(availability, 2)}`]),
  ];
  return parts.join(' or ');
}

function shadowText({ share, continue: later = 0, time, concurrency, exclude }: ShadowPolicy): string {
  if (share === 0) return 'none';
  const without = exclude.length === 0 ? '' : `, none of ${exclude.join(', ')}`;
  const then = later === 0 ? '' : `, then ${percentText(later)}`;
  return `${percentText(share)} of calls copied for ${spanText(time)}${then}, ${concurrency} at once${without}`;
}

function metricText(metric: MetricName, policy: JudgedMetric | MetricPolicy | undefined): string | null {
  if (policy === undefined) return null;
  const { margin, judge } = policy;
  if (judge === 'off') return 'not compared';
  const advice = judge === 'advise' ? ' (advice only)' : '';
  if (metric === 'promptTokens') return `at most +/-${countText(margin, 'token')}, the same for all${advice}`;
  const hasBothSides = metric === 'length' || metric === 'finish' || metric === 'reasoning';
  const [sign, unit] = [hasBothSides ? '+/-' : '+', isShare(metric) ? ' of calls' : ''];
  const text = (value: number) => `${sign}${percentText(value, isShare(metric) ? 2 : 0)}${unit}`;
  const back = 'rollbackMargin' in policy ? `, rollback at ${text(policy.rollbackMargin)}` : '';
  return `at most ${text(margin)}${back}${advice}`;
}

function wayBack(
  { below, calls, sustain, after, cooldown, minCalls, refused, slo }: BackPolicy,
  criteria: CriteriaPolicy,
): Setting[] {
  const low = [
    ...(below === null ? [] : [`< ${percentText(below, 0)} of break-even`]),
    ...(calls === null ? [] : [`${below === null ? '' : 'else '}< ${countText(calls, 'call')} in 5 min`]),
  ];
  const missed = [
    ...(slo.p95 === null ? [] : [`p95 > ${latencyText(slo.p95)}`]),
    ...(slo.availability === null ? [] : [`not failed < ${percentText(slo.availability, 2)}`]),
  ];
  if (low.length + missed.length === 0) return [['back', 'off: only if the endpoint fails']];
  return [
    ['back', low.length === 0 ? 'not for low traffic' : `traffic ${low.join(', ')}; for ${longText(sustain)}`],
    ['  slo missed', missed.length === 0 ? null : `${missed.join(' or ')}; for ${spanText(slo.sustain)}`],
    ['  only if', `serverless would refuse at most ${percentText(refused ?? criteria.refused)}`],
    ['  a step', `at least ${countText(minCalls, 'call')} of serverless`],
    ['  not within', `${longText(after)} of a promotion, ${longText(cooldown)} of a way back`],
  ];
}

function cared({ retries, maxWait, queue, ramp, breaker, providers, batch }: CarePolicy): Setting[] {
  return [
    [
      'care',
      `${countText(retries.most, 'retry').replace(/rys$/, 'ries')} of a refused call, of ${percentText(retries.share, 0)} of calls at most`,
    ],
    ['  queue', `${countText(queue, 'call')}, for ${spanText(maxWait)} each at most; ramp of ${spanText(ramp)}`],
    ['  breaker', `${countText(breaker.faults, 'fault')} in a row, then no call for ${spanText(breaker.cooldown)}`],
    ['  providers', providers.length === 0 ? null : providers.join(', ')],
    ['  batch', batch.most === 1 ? null : `up to ${batch.most} texts that come within ${latencyText(batch.wait)}`],
  ];
}

function overflowed({ enabled, maxPerDay }: OverflowPolicy): Setting {
  if (!enabled) return ['overflow', 'what the endpoint has no room for waits there'];
  const most = maxPerDay === null ? '' : `, for at most $${maxPerDay} a day`;
  return ['overflow', `what the endpoint has no room for goes to serverless${most}`];
}

function scaled({ adjust, from, to, every, within, sleep }: ScalingPolicy): Setting[] {
  const least = from === null ? 'minReplica' : String(from);
  const most = to === null ? 'maxReplica' : String(to);
  const change = `${adjust}: ${least} to ${most} replicas, once in ${longText(every)} at most`;
  return [
    ['scaling', adjust === 'off' ? 'off' : `${change}, done in ${spanText(within)}`],
    [
      '  sleep',
      sleep === null
        ? null
        : `after ${spanText(sleep.after)} without a call, until > ${countText(sleep.calls, 'call')} in 5 min`,
    ],
  ];
}

function budgeted({ perHour, perDay, perRollout, warnAt, askAt }: BudgetPolicy): Setting[] {
  const limits: readonly (readonly [number | null, string])[] = [
    [perHour, 'an hour'],
    [perDay, 'a day'],
    [perRollout, 'a rollout'],
  ];
  const parts = limits.flatMap(([dollars, span]) => (dollars === null ? [] : [`$${dollars.toFixed(2)} ${span}`]));
  if (parts.length === 0) return [['budget', 'no limit']];
  return [
    ['budget', parts.join(', ')],
    ['  warns, asks', `at ${percentText(warnAt, 0)}, at ${percentText(askAt, 0)} of it`],
  ];
}

type Endpoint = NonNullable<RoutePolicy['endpoint']>;

function placed({ endpoint }: RoutePolicy): Setting[] {
  if (endpoint === null) return [['endpoint', 'none: the route is only watched']];
  return [
    ['endpoint', `${placeText(endpoint)}, for ${endpoint.namespace}`],
    ['  instance', `${instanceText(endpoint)}, ${replicasText(endpoint)}`],
    ['  not', endpoint.deny.length === 0 ? null : endpoint.deny.join(', ')],
    ['  domains', endpoint.domains === undefined ? null : endpoint.domains.join(', ')],
    ['  engine', engineText(endpoint)],
    [
      '  at most',
      endpoint.maxPricePerHour === undefined
        ? 'any price'
        : `$${endpoint.maxPricePerHour.toFixed(2)}/h for all replicas`,
    ],
  ];
}

function placeText({ vendor, region, regions }: Endpoint): string {
  if (regions.length > 0) return regions.join(', else ');
  return [vendor, region].filter((part) => part !== undefined).join(' ') || 'any region';
}

function instanceText({ instanceType, instanceSize, instances }: Endpoint): string {
  if (instances !== undefined) return instances.join(', else ');
  const named = [instanceType, instanceSize].filter((part) => part !== undefined).join(' ');
  if (instanceType !== undefined && instanceSize !== undefined) return named;
  return named === '' ? 'the cheapest that fits' : `the cheapest ${named} that fits`;
}

function engineText({ engine, image }: Endpoint): string {
  if (engine === undefined && image === undefined) return 'chosen for the model';
  return [engine ?? 'vLLM', image].filter((part) => part !== undefined).join(' ');
}

function replicasText({ minReplica, maxReplica }: Endpoint): string {
  if (minReplica === maxReplica) return countText(minReplica, 'replica');
  return `${numberText(minReplica)} to ${numberText(maxReplica)} replicas`;
}
