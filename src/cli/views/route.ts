import { copiesText } from '../../core/decide/evidence.ts';
import { termsText } from '../../core/decide/terms.ts';
import { metricName, sentence } from '../../core/judge/sentence.ts';
import type { MetricVerdict, VerdictStatus } from '../../core/judge/verdict.ts';
import { moneyText } from '../../core/money/text.ts';
import { alternativesText, triedText } from '../../core/rollout/instances.ts';
import { sides } from '../../core/rollout/step-figures.ts';
import type { RoleFigures } from '../../core/rollout/step-figures.ts';
import type { Toward } from '../../core/route.ts';
import { offerText } from '../../core/sizing/offer.ts';
import type { RolloutStatus, RouteStatus } from '../../core/status.ts';
import { priceText, spanText } from '../../core/text.ts';
import { latencyText, numberText, percentText, timeText, weightText } from '../terminal/format.ts';
import { lengthOf, table, wrap } from '../terminal/print.ts';
import type { Style } from '../terminal/print.ts';
import { bar, meters } from './meters.ts';
import { fullText } from './overflow.ts';
import { commandLines, decisionLines, outageLines, saidLines } from './now.ts';
import { entry } from './page.ts';
import { pauseLines, windowLines } from './pause.ts';
import type { Page } from './page.ts';
import { scalingLines } from './scaling.ts';
import { isWayBack, stopsBack } from './way-back.ts';

/** Everything about an active rollout: its steps, what it waits for, both upstreams side by side, the endpoint. */
export function rolloutLines(route: RouteStatus, rollout: RolloutStatus, page: Page): string[] {
  const isMoving = rollout.step > 0;
  return [
    '',
    ...stepBar(route, rollout, page),
    ...(isMoving ? entry('share', [shareText(rollout)], page) : []),
    ...outageLines(route, rollout, page),
    ...saidLines(rollout, page),
    ...decisionLines(route, page),
    ...pauseLines(rollout, page),
    ...windowLines(route, page),
    ...commandLines(route, rollout, page),
    ...askLines(route, rollout, page),
    ...(isMoving ? [...roleLines(rollout, page), ''] : []),
    ...stepLines(route, rollout, page),
    ...verdictLines(rollout, page),
    ...entry('endpoint', endpointTexts(route, rollout, page), page),
    ...scalingLines(rollout, page),
  ];
}

/** `[ 10 ok ]-[ 25 now ]-[ 50 ]-...`, broken between stops where the page is narrow. */
function stepBar(route: RouteStatus, rollout: RolloutStatus, page: Page): string[] {
  const lines: string[] = [];
  let line = ' ';
  for (const stop of stops(route, rollout, page)) {
    const joined = line === ' ' ? ` ${stop}` : `${line}-${stop}`;
    if (lengthOf(joined) <= page.width) line = joined;
    else {
      lines.push(line);
      line = `   -${stop}`;
    }
  }
  return [...lines, line];
}

function stops(route: RouteStatus, rollout: RolloutStatus, page: Page): string[] {
  if (isWayBack(rollout)) return stopsBack(route, rollout, page);
  const { phase } = route;
  const { paint } = page;
  const stop = (name: string, state: 'done' | 'now' | 'next', word?: string) => {
    if (state === 'next') return paint.dim(`[ ${name} ]`);
    const label = `[ ${name} ${word ?? (state === 'done' ? 'ok' : 'now')} ]`;
    return state === 'done' ? paint.green(label) : paint.bold(label);
  };
  const steps = rollout.steps.map((weight, i) => {
    const number = i + 1;
    const isPast = phase === 'promoted' || number < rollout.step;
    const isHere = phase !== 'promoted' && number === rollout.step;
    return stop(weightText(weight), isPast ? 'done' : isHere ? 'now' : 'next');
  });
  const end = phase === 'promoted' ? paint.green('[ promoted ]') : paint.dim('[ promoted ]');
  const first = {
    proposed: stop('endpoint', 'now', 'asked'),
    provisioning: stop('endpoint', 'now', 'starting'),
    warming: stop('endpoint', 'now', 'warming'),
    shadowing: stop('shadow', 'now'),
    draining: stop('back', 'now'),
  }[phase as string];
  if (phase === 'stepping' && rollout.step === 0) return [stop('endpoint', 'done', 'warm'), ...steps, end];
  return first === undefined ? [...steps, end] : [first, ...steps, end];
}

function shareText({ weight, assignedShare, servedShare, since }: RolloutStatus): string {
  const set = `set ${weightText(weight)} %`;
  if (assignedShare === null || servedShare === null) return `${set}, no eligible call yet`;
  const shares = `${set}   assigned ${percentText(assignedShare)}   served ${percentText(servedShare)}`;
  return `${shares}   since ${timeText(since)}`;
}

/** How long a question or a proposal has been open, and what a yes leads to. */
function askLines({ phase }: RouteStatus, { createdAt, ask }: RolloutStatus, page: Page): string[] {
  if (phase !== 'proposed' && ask === null) return [];
  const at = phase === 'proposed' || ask === null ? createdAt : ask.at;
  const open = entry('open', [`since ${timeText(at)}, ${spanText(Math.max(0, page.now - at))}`], page);
  return ask?.terms === undefined ? open : [...open, ...entry('if yes', [termsText(ask.terms)], page)];
}

function roleLines({ figures, toward }: RolloutStatus, page: Page): string[] {
  if (figures === null) return [];
  const hasRoom = page.width >= 76;
  const columns = [
    { title: '' },
    ...['calls', 'decided', 'errors', '429s', 'p50', 'p95'].map((title) => ({ title, side: 'right' as const })),
    ...(hasRoom ? [{ title: 'first token', side: 'right' as const }] : []),
  ];
  const row = (name: string, role: RoleFigures) => [
    name,
    numberText(role.assigned),
    numberText(role.decided),
    errorsText(role, page),
    numberText(role.refused),
    latencyText(role.p50),
    latencyText(role.p95),
    ...(hasRoom ? [pairText(role.ttftP50, role.ttftP95)] : []),
  ];
  const { serverless, dedicated } = sides(figures, toward);
  const rows = [row('serverless', serverless), row('endpoint', dedicated)];
  const full = fullText(dedicated);
  const notes = full === null ? [] : [page.paint.dim(full)];
  return ['', ...[...table(columns, rows, page.paint), ...notes].map((line) => ` ${line}`)];
}

function errorsText({ faults, decided }: RoleFigures, { paint }: Page): string {
  if (decided === 0) return '-';
  const count = `${numberText(faults)}  ${percentText(faults / decided, 2)}`;
  return faults === 0 ? count : paint.yellow(count);
}

/** p50 / p95 in one unit: `310 / 700 ms`. */
function pairText(p50: number | null, p95: number | null): string {
  if (p50 === null || p95 === null) return '-';
  if (p95 < 1_000) return `${Math.round(p50)} / ${Math.round(p95)} ms`;
  return `${(p50 / 1_000).toFixed(1)} / ${(p95 / 1_000).toFixed(1)} s`;
}

/** How much of the step's minimum time and minimum calls is reached. */
function stepLines({ phase }: RouteStatus, rollout: RolloutStatus, page: Page): string[] {
  const { verdict, bakeMs, minCalls, step, steps, since, shadow } = rollout;
  const isShadow = phase === 'shadowing';
  if (phase === 'stepping' && step === 0 && shadow !== null)
    return entry('shadow', [copiesText(shadow, verdict)], page);
  if (!isShadow && ((phase !== 'stepping' && phase !== 'holding') || step === 0)) return [];
  const spent = Math.max(0, page.figuresAt - since);
  const ok = (isThere: boolean) => (isThere ? page.paint.green('ok') : '');
  const time = ['time', spanText(spent), spanText(bakeMs), bar(spent, bakeMs, page), ok(spent >= bakeMs)];
  if (isShadow) {
    const copies = shadow === null ? [] : wrap(copiesText(shadow, verdict), page.width - 11);
    return entry('shadow', [...meters([time]), ...copies], page, true);
  }
  const calls = verdict?.canaryCalls ?? 0;
  const meter = ['calls', numberText(calls), numberText(minCalls), bar(calls, minCalls, page), ok(calls >= minCalls)];
  return entry(`step ${step}/${steps.length}`, meters([time, meter]), page, true);
}

const VERDICT_STYLE: Readonly<Record<VerdictStatus, Style>> = {
  pass: 'green',
  fail: 'red',
  inconclusive: 'yellow',
  'no data': 'yellow',
  unhealthy: 'red',
};

function verdictLines({ verdict, toward }: RolloutStatus, page: Page): string[] {
  if (verdict === null) return [];
  const word = verdict.status.toUpperCase();
  const [first = '', ...rest] = wrap(`${word}  ${verdict.summary}`, page.width - 11);
  const summary = [page.paint(VERDICT_STYLE[verdict.status], word) + first.slice(word.length), ...rest];
  const metrics = verdict.metrics.flatMap((metric) => metricLines(metric, toward, page));
  const notes = (verdict.notes ?? []).flatMap((note) => markedLines(['?', 'yellow'], note, page));
  return entry('verdict', [...summary, ...metrics, ...notes], page, true);
}

const MARKS = { pass: ['ok', 'green'], fail: ['!!', 'red'], open: ['..', 'yellow'] } as const;

/** `ok speed        14 % faster (...)`, one metric each. */
function metricLines(metric: MetricVerdict, toward: Toward, page: Page): string[] {
  return markedLines(MARKS[metric.status], sentence(metric, toward), page, metricName(metric.metric).padEnd(12));
}

function markedLines([mark, style]: readonly [string, Style], text: string, page: Page, name = ''): string[] {
  const [first = '', ...rest] = wrap(text, page.width - 11 - 3 - name.length);
  const indent = ' '.repeat(3 + name.length);
  return [`${page.paint(style, mark.padEnd(2))} ${name}${first}`, ...rest.map((line) => indent + line)];
}

function endpointTexts({ phase }: RouteStatus, rollout: RolloutStatus, page: Page): string[] {
  const { endpoint, endpointName, pricePerHourMicros, startedAt, instance } = rollout;
  const price = priceText(pricePerHourMicros);
  if (phase === 'proposed' && !isWayBack(rollout)) {
    const why = `on ${offerText(instance)}: ${instance.reason}`;
    const next = alternativesText(rollout).replace('; ', '');
    const notes = instance.caveats ?? [];
    return [
      `${endpointName} does not exist yet; it would cost ${price}`,
      why,
      ...(next === '' ? [] : [next]),
      ...notes,
    ];
  }
  const state = endpoint === null ? 'not read yet' : endpoint.state;
  const health = endpoint?.state === 'running' ? (endpoint.isHealthy ? ', healthy' : ', not healthy yet') : '';
  const spent = startedAt == null ? 0 : (pricePerHourMicros * Math.max(0, page.now - startedAt)) / 3_600_000;
  const cost = startedAt == null ? price : `${price}, at most ${moneyText(spent)} so far`;
  const head = `${endpointName}  ${state}${health}`;
  const line = `${head}  ${cost}`;
  const tried = triedText(rollout, phase === 'provisioning');
  return [...(line.length <= page.width - 11 ? [line] : [head, cost]), tried ?? offerText(instance)];
}
