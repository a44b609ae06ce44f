import { judgeCriteria, measure, measureText } from '../../core/criteria/criteria.ts';
import { kindsText } from '../../core/criteria/words.ts';
import { closedText } from '../../core/decide/closed.ts';
import type { Decision } from '../../core/decide/decision.ts';
import { saidText } from '../../core/decide/holds.ts';
import { healthText } from '../../core/decide/health-text.ts';
import type { Observation } from '../../core/decide/observation.ts';
import { forecastText } from '../../core/decide/way-back-cause.ts';
import { metricName, sentence } from '../../core/judge/sentence.ts';
import { sideName } from '../../core/judge/side-name.ts';
import { approvalsText } from '../../core/decide/approvals.ts';
import { askText } from '../../core/rollout/ask.ts';
import { triedText } from '../../core/rollout/instances.ts';
import { isLive, stopWeight } from '../../core/rollout/rollout.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { otherShare } from '../../core/rollout/split.ts';
import { sides } from '../../core/rollout/step-figures.ts';
import type { RoleFigures } from '../../core/rollout/step-figures.ts';
import { upstreamOf } from '../../core/route.ts';
import type { Toward } from '../../core/route.ts';
import { offerText } from '../../core/sizing/offer.ts';
import type { SweepSeen } from '../../core/sweep/sweep.ts';
import { priceText, problemText, spanText } from '../../core/text.ts';
import type { DecisionRow } from '../../ledger/journal/rollouts.ts';
import { countText, latencyText, numberText, percentText, timeText, weightText } from '../terminal/format.ts';
import { cleanAll, createPaint, table } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';
import { moneyLines, swept } from './explained-money.ts';
import type { Line } from './explained-money.ts';
import { check, decided, LABEL_WIDTH, lines } from './explained-row.ts';
import type { ExplanationPage } from './explained-row.ts';
import { fullText } from './overflow.ts';
import { bridgedText } from '../../core/decide/outage.ts';
import { throughOf } from '../../core/rollout/rollout.ts';
import { detourText, replicasText, seenCapacityText, seenConcurrencyText } from './scaling.ts';

/** A decision with everything it was made from. */
export interface ExplainedDecision extends DecisionRow {
  readonly hash: string;
  readonly input:
    { readonly rollout: Rollout | null; readonly observation: Observation } | { readonly sweep: SweepSeen };
  readonly output: Decision;
  readonly events: readonly { readonly at: number; readonly type: string; readonly data: object }[];
  /** Whether it comes out the same when it is made again now; not compared if another core version made it. */
  readonly again: 'same' | 'different' | 'not compared';
}

/** A decision as sentences and small tables. Pure. */
export function renderExplanation(explained: ExplainedDecision, { width, color, suffix }: ExplanationPage): string {
  const paint = createPaint(color);
  const safe = cleanAll(explained);
  const line = lines(LABEL_WIDTH, width, paint);
  // Events have longer names (`provisioning started`), and a column of their own.
  const eventWidth = Math.max(LABEL_WIDTH, ...safe.events.map(({ type }) => type.length + 1));
  const { output } = safe;
  const toward = ('rollout' in safe.input ? safe.input.rollout?.toward : undefined) ?? 'dedicated';
  return [
    ...decided(safe, paint, line),
    '',
    paint.bold('What it saw'),
    ...('sweep' in safe.input
      ? swept(safe.input.sweep, line)
      : [
          ...seen(safe.input.rollout, safe.input.observation, line),
          ...figures(safe.input.observation, toward, paint),
          ...verdict(output, toward, line),
          '',
          paint.bold('What it caused'),
          ...happened(safe, toward, lines(eventWidth, width, paint)),
        ]),
    '',
    ...check(safe, { paint, suffix }, line),
  ].join('\n');
}

function seen(rollout: Rollout | null, observation: Observation, line: Line): string[] {
  const { demand, policy, stableRecent, effects, account, survey, request, now } = observation;
  const isMoving = rollout !== null && isLive(rollout);
  return [
    ...line('rollout', rolloutText(rollout, observation)),
    ...line('demand', demandText(observation)),
    ...line('way back', trafficText(observation)),
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
    ...line('window', observation.closed === undefined ? null : closedText(observation.closed, now)),
    ...line('survey', survey === null ? null : surveyText(survey)),
    ...line('instances', rollout === null ? null : triedText(rollout, rollout.phase === 'provisioning')),
    ...line('endpoint', endpointText(observation)),
    ...line('replicas', replicasText(observation.endpoint)),
    ...line('at once', seenConcurrencyText(observation)),
    ...line('capacity', seenCapacityText(observation)),
    ...line('detour', rollout?.phase === 'promoted' && rollout.detour ? detourText(rollout.detour, now) : null),
    ...line('outage', throughText(rollout)),
    ...moneyLines(observation, line),
    ...line(
      'faults',
      isMoving
        ? `${observation.canaryFaultsInRow} of ${sideName(rollout.toward)} in a row; ${policy.limits.consecutiveFaults} cause a rollback`
        : null,
    ),
    ...line(
      'serverless',
      stableRecent.attempts === 0
        ? null
        : `${countText(stableRecent.attempts, 'attempt')} in the last minute, ${numberText(stableRecent.faults)} failed, ${numberText(stableRecent.connectFailures)} not connected${deniedText(stableRecent)}`,
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

function throughText(rollout: Rollout | null): string | null {
  const through = throughOf(rollout);
  return through === null ? null : `${bridgedText(through.since)}; by ${through.by}`;
}

function rolloutText(rollout: Rollout | null, { now, policy }: Observation): string {
  if (rollout === null) return 'none: the route is only watched';
  const step = 'step' in rollout ? `, step ${rollout.step}` : '';
  const by = rollout.pausedBy === undefined ? '' : ` by ${saidText(rollout.pausedBy)}`;
  const paused = `${rollout.isPaused ? `, paused${by}` : ''}${rollout.isFrozen === true ? ', frozen' : ''}`;
  const counted = rollout.ask === null ? null : approvalsText(rollout.ask, policy);
  const ask =
    rollout.ask === null
      ? ''
      : `; asks about ${askText(rollout.ask)} since ${timeText(rollout.ask.at)}${counted === null ? '' : `, ${counted}`}`;
  const where = rollout.toward === 'serverless' ? ' (way back)' : '';
  return `${rollout.id}${where}: ${rollout.phase}${step} for ${spanText(Math.max(0, now - rollout.since))}${paused}${ask}`;
}

function demandText({ demand, policy: { criteria } }: Observation): string {
  const { met } = judgeCriteria(demand, criteria);
  const criterion = (text: string, limit: string, isMet: boolean) =>
    `${text} (${isMet ? 'more than' : 'not more than'} ${limit})`;
  const parts = [
    criterion(countText(demand.calls, 'call'), numberText(criteria.calls), met.calls),
    criterion(countText(demand.agents, 'agent'), numberText(criteria.agents), met.agents),
    criterion(`${percentText(demand.refusedShare)} refused or delayed`, percentText(criteria.refused), met.refused),
  ];
  const kinds = kindsText(demand);
  const more = [...(kinds === null ? [] : [kinds]), ...measure(demand, criteria).slice(3).map(measureText)];
  return [`${parts.join(', ')} in ${spanText(criteria.window)}`, ...more].join('; ');
}

function surveyText(survey: NonNullable<Observation['survey']>): string {
  const { pricePerHourMicros, problem, hint, at, instance } = survey;
  const chosen = instance == null ? '' : `${offerText(instance)}, ${instance.reason}; `;
  const price = pricePerHourMicros === null ? 'price not known' : priceText(pricePerHourMicros);
  const next = survey.alternatives?.map((one) => offerText(one.instance)) ?? [];
  const then = next.length === 0 ? '' : `, then ${next.join(', then ')}`;
  return `${chosen}${price}${then}, read at ${timeText(at)}${problem === null ? '' : `; ${problemText({ message: problem, hint })}`}`;
}

function endpointText({ endpoint, now }: Observation): string | null {
  if (endpoint === null) return null;
  const health = endpoint.state === 'running' ? (endpoint.isHealthy ? ', healthy' : ', not healthy') : '';
  const message = endpoint.message === null ? '' : ` (${endpoint.message})`;
  const said = healthText(endpoint);
  const why = said === null ? '' : `, ${said}`;
  return `${endpoint.state}${health}${message}${why}, read ${spanText(Math.max(0, now - endpoint.at))} earlier`;
}

function figures({ figures: step, policy }: Observation, toward: Toward, paint: Paint): string[] {
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
  const { serverless, dedicated } = sides(step, toward);
  const lines = table(columns, [row('serverless', serverless), row('endpoint', dedicated)], paint);
  const stop = stopWeight(step.step, policy, toward);
  const weight = toward === 'dedicated' ? stop : otherShare(stop);
  const results =
    step.step === 0 || step.step > policy.steps.length
      ? []
      : [paint.dim(`${weightText(weight)} % was the share of the endpoint`)];
  const full = fullText(dedicated);
  const notes = full === null ? results : [...results, paint.dim(full)];
  return ['', ...[...lines, ...notes].map((line) => `  ${line}`)];
}

function verdict({ verdict: found }: Decision, toward: Toward, line: Line): string[] {
  if (found === null) return [];
  const word = { pass: 'passes', fail: 'FAILS', open: 'is open' } as const;
  return [
    '',
    ...line('verdict', `${found.status.toUpperCase()}: ${found.summary}`),
    ...line(
      'judged',
      `${numberText(found.canaryCalls)} calls on ${sideName(toward)}, ${numberText(found.stableCalls)} on ${sideName(upstreamOf('stable', toward))}`,
    ),
    ...found.metrics.flatMap((metric) =>
      line(
        metricName(metric.metric),
        `${word[metric.status]}: ${sentence(metric, toward)}${metric.judge === 'advise' ? ' (advice only)' : ''}`,
      ),
    ),
    ...(found.notes ?? []).flatMap((note) => line('note', note)),
  ];
}

function happened({ events, output }: ExplainedDecision, toward: Toward, line: Line): string[] {
  const happened = events.flatMap(({ type, data }) => line(type.replaceAll('_', ' '), factsOf(data, toward)));
  const { effect, outcome, replaced } = output;
  return [
    ...happened,
    ...line('replaced', replaced === undefined ? null : replacedText(replaced)),
    ...line('began', effect),
    ...line('answer', outcome === null ? null : `request ${outcome.requestId} ${outcome.result}: ${outcome.message}`),
    ...(happened.length === 0 && effect === null && outcome === null ? line('nothing', 'it decided to wait') : []),
  ];
}

function replacedText({ rolloutId, event }: NonNullable<Decision['replaced']>): string {
  return event.type === 'ended' ? `rollout ${rolloutId} ends, too` : `rollout ${rolloutId} changes, too`;
}

/** The plain facts of an event: `step 2, weight 0.25`; the weight is the endpoint's, whichever role it plays. */
function factsOf(data: object, toward: Toward): string {
  const { rollout } = data as { readonly rollout?: Rollout };
  if (rollout !== undefined) return `rollout ${rollout.id}, toward ${rollout.toward ?? 'dedicated'}`;
  return Object.entries(data)
    .filter(([key, value]) => key !== 'type' && value !== null && typeof value !== 'object')
    .map(([key, value]) => {
      const isOther = key === 'weight' && toward === 'serverless' && typeof value === 'number';
      return `${key} ${String(isOther ? otherShare(value) : value)}`;
    })
    .join(', ');
}

/** All traffic of the route and how much of it serverless is expected to take; null if no way back was considered. */
function trafficText({ back }: Observation): string | null {
  if (back == null || back.traffic === null) return null;
  const { calls, p95, belowSince } = back.traffic;
  const low = belowSince === null ? 'not too low' : `too low since ${timeText(belowSince)}`;
  return `${countText(calls, 'call')} in 5 min, p95 ${numberText(p95)}, ${low}; ${forecastText(back)}`;
}

function deniedText({ callers, denied }: Observation['stableRecent']): string {
  return callers === undefined ? '' : `; ${denied} of ${countText(callers, 'agent')} denied (402, 401, 403)`;
}
