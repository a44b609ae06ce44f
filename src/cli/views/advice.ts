import type { Advice, AdviceVerdict, OtherProvider } from '../../core/advice/advice.ts';
import { spanText } from '../../core/text.ts';
import { countText, latencyText, numberText, percentText, timeText } from '../terminal/format.ts';
import { wrap } from '../terminal/print.ts';
import type { Style } from '../terminal/print.ts';
import { providerText } from './lane.ts';
import { entry } from './page.ts';
import type { Page } from './page.ts';

type AdvicePage = Pick<Page, 'width' | 'paint'>;

const STYLES: Readonly<Record<AdviceVerdict['kind'], Style>> = {
  unknown: 'dim',
  fine: 'green',
  remedy: 'green',
  migrate: 'yellow',
};

const SOURCES: Readonly<Record<Advice['limit']['source'], string>> = {
  learned: 'learned',
  taken: 'what it took while calls were waiting',
  policy: 'from the policy, because nothing was learned yet',
};

const NEXT: Readonly<Record<AdviceVerdict['kind'], (model: string) => string>> = {
  unknown: () => 'let agents call through upshift for an hour or more, then ask again',
  fine: () => 'nothing to do; npx upshift usage shows when calls come',
  remedy: () => 'try that first; npx upshift advise --since 1h then shows the effect',
  migrate: (model) => `npx upshift plan --model ${model}: which instance, and at what price`,
};

/** The advice for one route, as a person reads it. */
export function renderAdvice(advice: Advice, page: AdvicePage): string {
  const { model, calls, verdict } = advice;
  const figures = calls === 0 ? [] : figureLines(advice, page);
  const next = entry('next', [NEXT[verdict.kind](model)], page);
  return [page.paint.bold(model), ...figures, ...verdictLines(verdict, page), ...next].join('\n');
}

function figureLines(advice: Advice, page: AdvicePage): string[] {
  const { calls, agents, spanMs, refusedShare, windows, limit, providers, others } = advice;
  const span = `${countText(calls, 'call')} of ${countText(agents, 'agent')} over ${spanText(spanMs)}, ${percentText(refusedShare)} refused or delayed`;
  const peak = `in 5 min: ${numberText(windows.peak)} at most (until ${timeText(windows.peakAt)}), ${numberText(windows.p95)} at p95`;
  const limited = `${numberText(limit.calls)} in 5 min (${SOURCES[limit.source]}); ${percentText(windows.aboveShare)} of the windows are above`;
  return [
    ...entry('demand', [span, peak], page),
    ...entry('limit', [limited], page),
    ...entry('queue', [queueText(advice)], page),
    ...entry('agents', agentTexts(advice), page),
    ...(advice.ramp === null ? [] : entry('ramp', [rampText(advice.ramp)], page)),
    ...entry('providers', providers.length === 0 ? ['none known yet'] : providers.map(providerText), page),
    ...(others === null ? [] : entry('others', othersTexts(others), page)),
  ];
}

function queueText({ queue }: Advice): string {
  const { heldShare, delayedShare, waitedP50, waitedP95, refusedShare, maxWaitMs } = queue;
  if (heldShare === 0 && refusedShare === 0) return 'nobody would wait at that limit';
  const waited = heldShare === 0 ? '' : ` (p50 ${latencyText(waitedP50)}, p95 ${latencyText(waitedP95)})`;
  return `${percentText(heldShare)} of the calls would wait${waited}, ${percentText(delayedShare)} for 1 s or longer; ${percentText(refusedShare)} refused after ${spanText(maxWaitMs)}`;
}

function agentTexts({ fewer, agents, derivedAgents }: Advice): string[] {
  const hidden =
    derivedAgents * 2 > agents
      ? ['most send no id, so upshift tells them apart by token and user agent: send X-Agent-Id']
      : [];
  if (fewer === null) return [`${countText(agents, 'agent')}, never too many calls`, ...hidden];
  const { atPeak, busiest, cap } = fewer;
  const capped = cap === null ? '' : `, or at most ${countText(cap, 'call')} each in 5 min`;
  return [
    `${numberText(atPeak)} at the peak: ${numberText(fewer.fewer)} fewer would keep within the limit (of the busiest, ${numberText(busiest)})${capped}`,
    ...hidden,
  ];
}

function rampText({ atPeak, started, after, isCause, minutes, peak }: NonNullable<Advice['ramp']>): string {
  const starts = `${numberText(started)} of ${numberText(atPeak)} agents start within the peak`;
  const then = after === null ? 'the peak is not over yet' : `${numberText(after)} calls in the 5 min after it`;
  if (!isCause) return `${starts}; ${then}: the starts are not its cause`;
  return minutes === null
    ? `${starts}; ${then}: with a ramp of up to an hour it is still ${numberText(peak)}`
    : `${starts}; ${then}: with a ramp of ${minutes} min it is ${numberText(peak)}`;
}

function othersTexts(others: readonly OtherProvider[]): string[] {
  if (others.length === 0) return ['no other provider serves it'];
  return others.map(({ model, inputPrice, outputPrice }) =>
    inputPrice === null || outputPrice === null ? model : `${model}  $${inputPrice}/$${outputPrice} per M`,
  );
}

function verdictLines({ kind, reasons }: AdviceVerdict, page: AdvicePage): string[] {
  const [first = '', ...rest] = reasons;
  const lines = wrap(first, page.width - 11).map((line) => page.paint(STYLES[kind], line));
  return entry('verdict', [...lines, ...rest.flatMap((reason) => indented(reason, page))], page, true);
}

function indented(text: string, page: AdvicePage): string[] {
  return wrap(text, page.width - 13).map((line, i) => `${i === 0 ? '- ' : '  '}${line}`);
}
