import { spanText } from '../../core/text.ts';
import { failedOf, FAILURES } from '../../loadtest/figures.ts';
import type { SpanReport } from '../../loadtest/figures.ts';
import type { LoadReport } from '../../loadtest/load.ts';
import { dateText, latencyText, numberText, offsetText, percentText } from '../terminal/format.ts';
import { clean } from '../terminal/print.ts';
import { drawChart, escape } from './chart.ts';
import type { Chart } from './chart.ts';
import type { LoadPlan } from './plan.ts';
import { FAILURE_NAMES, failuresText, rateText, shapeText } from './report.ts';

const STYLE = `
:root { --text: #1c2024; --dim: #60646c; --back: #fff; --grid: #e4e6ea; --blue: #2563eb; --red: #dc2626; --amber: #b45309; --green: #15803d; }
@media (prefers-color-scheme: dark) { :root { --text: #edeef0; --dim: #a0a4ab; --back: #111315; --grid: #2b2e33; --blue: #7aa5ff; --red: #ff7b7b; --amber: #f5b14c; --green: #5bd58b; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 800px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin-bottom: 0; } h2 { font-size: 1.05rem; margin-top: 2rem; } p { color: var(--dim); margin-top: 0.2rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 0.8rem 1.2rem; } dt { color: var(--dim); font-size: 0.85rem; } dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
figure { margin: 1.2rem 0; } figcaption span { margin-left: 0.8rem; font-size: 0.9rem; } svg { width: 100%; height: auto; }
svg text { font-size: 11px; fill: var(--dim); } svg path { fill: none; stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; } .grid { stroke: var(--grid); }
div.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th, td { padding: 0.25rem 0.7rem 0.25rem 0; text-align: right; white-space: nowrap; } th { color: var(--dim); font-weight: normal; } th:first-child, td:first-child { text-align: left; }
`;

/** The report as one self-contained HTML page: no script, no external font or picture. */
export function renderPage(report: LoadReport, plan: LoadPlan): string {
  const { total, startedAt, lengthMs, retryShare, reasons } = report;
  const title = `Load test of ${clean(plan.url.host)}`;
  const facts: readonly (readonly [string, string])[] = [
    ['calls', numberText(total.calls)],
    ['a second', rateText(total.calls, lengthMs)],
    ['failed', percentText(total.errorShare)],
    ['latency p50', latencyText(total.latencyMs?.p50 ?? null)],
    ['latency p95', latencyText(total.latencyMs?.p95 ?? null)],
    ['latency p99', latencyText(total.latencyMs?.p99 ?? null)],
    ...(plan.isStreamed
      ? (['p50', 'p95', 'p99'] as const).map(
          (name) => [`first token ${name}`, latencyText(total.firstTokenMs?.[name] ?? null)] as const,
        )
      : []),
    ['in flight, at most', numberText(total.peakInFlight)],
    ['retries', percentText(retryShare)],
    ['cut off at the end', numberText(total.ends.cut)],
  ];
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<title>${escape(title)}</title><style>${STYLE}</style></head><body>`,
    `<h1>${escape(title)}</h1>`,
    `<p>${escape(`${dateText(startedAt)}, ${spanText(lengthMs)}: ${shapeText(plan)}. ${clean(plan.url.href)}, model ${clean(plan.model)}`)}</p>`,
    `<dl>${facts.map(([name, value]) => `<div><dt>${escape(name)}</dt><dd>${escape(value)}</dd></div>`).join('')}</dl>`,
    `<p>Failed: ${escape(failuresText(total.ends))}.</p>`,
    ...(reasons.length === 0
      ? []
      : [
          `<ul>${reasons.map(({ reason, count }) => `<li>${numberText(count)} x ${escape(clean(reason))}</li>`).join('')}</ul>`,
        ]),
    ...charts(report, plan).map(drawChart),
    `<h2>By windows of ${spanText(plan.windowMs)}</h2><div class="wide">${windowTable(report, plan)}</div>`,
    '<p>A call counts in the window in which it was due. Latencies are those of successful calls, exact to 1 %.</p>',
    '</body></html>\n',
  ].join('\n');
}

function charts({ points, pointMs }: LoadReport, { isStreamed }: LoadPlan): Chart[] {
  const shared = { stepMs: pointMs, timeText: axisText };
  const values = (read: (point: SpanReport) => number | null) => points.map(read);
  const perSecond = (count: number) => (count * 1_000) / pointMs;
  const number = (value: number) => (Number.isInteger(value) ? numberText(value) : value.toFixed(2));
  return [
    {
      ...shared,
      title: 'Calls a second',
      valueText: number,
      lines: [
        { name: 'succeeded', color: 'blue', values: values(({ ends }) => perSecond(ends.ok)) },
        { name: '429', color: 'amber', values: values(({ ends }) => perSecond(ends.refused)) },
        {
          name: 'other failures',
          color: 'red',
          values: values(({ ends }) => perSecond(failedOf(ends) - ends.refused)),
        },
      ],
    },
    {
      ...shared,
      title: 'Latency',
      valueText: latencyText,
      lines: [
        { name: 'p50', color: 'blue', values: values(({ latencyMs }) => latencyMs?.p50 ?? null) },
        { name: 'p95', color: 'amber', values: values(({ latencyMs }) => latencyMs?.p95 ?? null) },
        { name: 'p99', color: 'red', values: values(({ latencyMs }) => latencyMs?.p99 ?? null) },
      ],
    },
    ...(isStreamed
      ? [
          {
            ...shared,
            title: 'Time to first token',
            valueText: latencyText,
            lines: [
              { name: 'p50', color: 'blue', values: values(({ firstTokenMs }) => firstTokenMs?.p50 ?? null) },
              { name: 'p95', color: 'amber', values: values(({ firstTokenMs }) => firstTokenMs?.p95 ?? null) },
            ],
          },
        ]
      : []),
    {
      ...shared,
      title: 'In flight',
      valueText: number,
      lines: [{ name: 'at most', color: 'green', values: values(({ peakInFlight }) => peakInFlight) }],
    },
  ];
}

/** A time since the beginning as `2:15` or `1:02:15`. */
function axisText(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60)];
  const rest = String(seconds % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

function windowTable({ windows }: LoadReport, { windowMs }: LoadPlan): string {
  const names = ['from', 'requests', 'retries', ...FAILURES.map((kind) => FAILURE_NAMES[kind]), 'p50', 'p95', 'p99'];
  const rows = windows.map(({ requests, retries, ends, latencyMs }, i) => [
    offsetText(i * windowMs),
    ...[requests, retries, ...FAILURES.map((kind) => ends[kind])].map(numberText),
    ...(['p50', 'p95', 'p99'] as const).map((name) => latencyText(latencyMs?.[name] ?? null)),
  ]);
  const line = (cells: readonly string[], tag: 'th' | 'td') =>
    `<tr>${cells.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${line(names, 'th')}${rows.map((row) => line(row, 'td')).join('')}</table>`;
}
