import type { Decision } from '../core/decision.ts';
import { priceText, problemText, spanText } from '../core/decision.ts';
import { judgeCriteria } from '../core/criteria.ts';
import type { RoleFigures } from '../core/figures.ts';
import type { Observation } from '../core/observation.ts';
import { askText } from '../core/ask.ts';
import { isLive, stopWeight } from '../core/rollout.ts';
import type { Rollout } from '../core/rollout.ts';
import { metricName, sentence } from '../core/sentence.ts';
import type { SweepSeen } from '../core/sweep.ts';
import type { DecisionRow } from '../ledger/rollouts.ts';
import { countText, dateText, latencyText, numberText, percentText, timeText, weightText } from './format.ts';
import type { Line } from './explained-money.ts';
import { moneyLines, swept } from './explained-money.ts';
import type { Paint } from './print.ts';
import { cleanAll, createPaint, table, wrap } from './print.ts';

/** A decision with everything it rests on. */
export interface ExplainedDecision extends DecisionRow {
  readonly hash: string;
  readonly input:
    { readonly rollout: Rollout | null; readonly observation: Observation } | { readonly sweep: SweepSeen };
  readonly output: Decision;
  readonly events: readonly { readonly at: number; readonly type: string; readonly data: object }[];
  /** Whether it comes out the same when it is decided again now. */
  readonly again: 'same' | 'different' | 'not run';
}

const LABEL_WIDTH = 12;

/** A decision as sentences and small tables. Pure. */
export function renderExplanation(
  explained: ExplainedDecision,
  { width, color }: { readonly width: number; readonly color: boolean },
): string {
  const paint = createPaint(color);
  const safe = cleanAll(explained);
  const line = (label: string, text: string | null): string[] =>
    text === null
      ? []
      : wrap(text, width - LABEL_WIDTH - 2).map(
          (part, i) => `  ${paint.dim(`${i === 0 ? label : ''} `.padEnd(LABEL_WIDTH))}${part}`,
        );
  const { output } = safe;
  return [
    `${paint.bold(`decision ${safe.id}`)}  ${dateText(safe.at)}  ${safe.model}`,
    ...line('decided', `${output.action}, because ${output.reason.replaceAll('_', ' ')}`),
    ...line('that is', output.detail),
    ...line(
      'stands for',
      safe.ticks === 1 ? null : `${countText(safe.ticks, 'tick')} with the same reason, this the newest`,
    ),
    '',
    paint.bold('What it saw'),
    ...('sweep' in safe.input
      ? swept(safe.input.sweep, line)
      : [
          ...seen(safe.input.rollout, safe.input.observation, line),
          ...figures(safe.input.observation, paint),
          ...verdict(output, line),
          '',
          paint.bold('What happened by it'),
          ...happened(safe, line),
        ]),
    '',
    paint.bold('How to trust it'),
    ...line('core', `version ${safe.coreVersion}; ${AGAIN[safe.again]}`),
    ...line('policy', safe.policyHash),
    ...line('hash', safe.hash),
    '',
  ].join('\n');
}

const AGAIN = {
  same: 'decided again now from what it saw, it comes out the same',
  different: 'decided again now from what it saw, it comes out DIFFERENTLY',
  'not run': 'this program has another, so that it was not decided again',
} as const;

function seen(rollout: Rollout | null, observation: Observation, line: Line): string[] {
  const { demand, policy, stableRecent, effects, account, survey, request, now } = observation;
  const isMoving = rollout !== null && isLive(rollout);
  return [
    ...line('rollout', rolloutText(rollout, observation)),
    ...line('demand', demandText(observation)),
    ...line(
      'held',
      demand.holdsSince === null
        ? 'the criteria do not hold'
        : `since ${timeText(demand.holdsSince)}, ${spanText(now - demand.holdsSince)}; wanted ${spanText(policy.criteria.sustain)}`,
    ),
    ...line(
      'account',
      account === 'ok' ? null : `the Hub has ${account === 'refused' ? 'refused' : 'not checked'} the token`,
    ),
    ...line('survey', survey === null ? null : surveyText(survey)),
    ...line('endpoint', endpointText(observation)),
    ...moneyLines(observation, line),
    ...line(
      'faults',
      isMoving
        ? `${observation.canaryFaultsInRow} of the endpoint in a row; ${policy.limits.consecutiveFaults} send everything back`
        : null,
    ),
    ...line(
      'serverless',
      stableRecent.attempts === 0
        ? null
        : `${countText(stableRecent.attempts, 'attempt')} in the last minute, ${numberText(stableRecent.faults)} failed, ${numberText(stableRecent.connectFailures)} not connected`,
    ),
    ...line('under way', effects.length === 0 ? null : effects.join(', ')),
    ...Object.values(observation.results).flatMap(({ effect, at, problem }) =>
      line(effect, problem === null ? `done at ${timeText(at)}` : `failed at ${timeText(at)}: ${problemText(problem)}`),
    ),
    ...line(
      'request',
      request === null
        ? null
        : `${request.kind} by ${request.by}${request.step === null ? '' : `, step ${request.step}`}${request.reason === null ? '' : `: "${request.reason}"`}`,
    ),
    ...line(
      'new policy',
      observation.newPolicyHash === null
        ? null
        : `the file is now ${observation.newPolicyHash.slice(0, 8)}; this rollout keeps its own`,
    ),
  ];
}

function rolloutText(rollout: Rollout | null, { now }: Observation): string {
  if (rollout === null) return 'none: the route is watched';
  const step = 'step' in rollout ? `, step ${rollout.step}` : '';
  const paused = rollout.isPaused ? ', paused' : '';
  const ask = rollout.ask === null ? '' : `; asks about ${askText(rollout.ask)} since ${timeText(rollout.ask.at)}`;
  return `${rollout.id}: ${rollout.phase}${step}${paused} for ${spanText(Math.max(0, now - rollout.since))}${ask}`;
}

function demandText({ demand, policy: { criteria } }: Observation): string {
  const { met } = judgeCriteria(demand, criteria);
  const told = (text: string, limit: string, isMet: boolean) =>
    `${text} (${isMet ? 'more than' : 'not more than'} ${limit})`;
  const parts = [
    told(countText(demand.calls, 'call'), numberText(criteria.calls), met.calls),
    told(countText(demand.agents, 'agent'), numberText(criteria.agents), met.agents),
    told(`${percentText(demand.refusedShare)} refused`, percentText(criteria.refused), met.refused),
  ];
  return `${parts.join(', ')} in ${spanText(criteria.window)}`;
}

function surveyText({ pricePerHourMicros, problem, hint, at }: NonNullable<Observation['survey']>): string {
  const price = pricePerHourMicros === null ? 'price not known' : priceText(pricePerHourMicros);
  return `${price}, read at ${timeText(at)}${problem === null ? '' : `; ${problemText({ message: problem, hint })}`}`;
}

function endpointText({ endpoint, now }: Observation): string | null {
  if (endpoint === null) return null;
  const health = endpoint.state === 'running' ? (endpoint.isHealthy ? ', healthy' : ', not healthy') : '';
  const message = endpoint.message === null ? '' : ` (${endpoint.message})`;
  return `${endpoint.state}${health}${message}, looked at ${spanText(Math.max(0, now - endpoint.at))} before`;
}

function figures({ figures: step, policy }: Observation, paint: Paint): string[] {
  if (step === null) return [];
  const row = (name: string, role: RoleFigures) => [
    name,
    numberText(role.assigned),
    numberText(role.decided),
    numberText(role.faults),
    numberText(role.refused),
    latencyText(role.p50),
    latencyText(role.p95),
    latencyText(role.ttftP50),
    latencyText(role.ttftP95),
  ];
  const titles = ['calls', 'decided', 'faults', '429s', 'p50', 'p95', 'token p50', 'p95'];
  const columns = [{ title: `step ${step.step}` }, ...titles.map((title) => ({ title, side: 'right' as const }))];
  const lines = table(columns, [row('serverless', step.stable), row('endpoint', step.canary)], paint);
  const weight = stopWeight(step.step, policy);
  const told =
    step.step === 0 || step.step > policy.steps.length
      ? []
      : [paint.dim(`${weightText(weight)} % were to go to the endpoint`)];
  return ['', ...[...lines, ...told].map((line) => `  ${line}`)];
}

function verdict({ verdict: found }: Decision, line: Line): string[] {
  if (found === null) return [];
  const word = { pass: 'passes', fail: 'FAILS', open: 'is open' } as const;
  return [
    '',
    ...line('verdict', `${found.status.toUpperCase()}: ${found.summary}`),
    ...line(
      'judged',
      `${numberText(found.canaryCalls)} calls on the endpoint, ${numberText(found.stableCalls)} on serverless`,
    ),
    ...found.metrics.flatMap((metric) =>
      line(
        metricName(metric.metric),
        `${word[metric.status]}: ${sentence(metric)}${metric.judge === 'advise' ? ' (advice only)' : ''}`,
      ),
    ),
  ];
}

function happened({ events, output }: ExplainedDecision, line: Line): string[] {
  const told = events.flatMap(({ type, data }) => line(type.replaceAll('_', ' '), factsOf(data)));
  const { effect, outcome } = output;
  return [
    ...told,
    ...line('began', effect),
    ...line('answer', outcome === null ? null : `request ${outcome.requestId} ${outcome.result}: ${outcome.message}`),
    ...(told.length === 0 && effect === null && outcome === null ? line('nothing', 'waiting is a decision too') : []),
  ];
}

/** The plain facts of an event: `step 2, weight 0.25`. */
function factsOf(data: object): string {
  return Object.entries(data)
    .filter(([key, value]) => key !== 'type' && value !== null && typeof value !== 'object')
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(', ');
}
