import { moneyText } from '../../core/money/text.ts';
import { HOUR_MS, MONTH_MS } from '../../core/time.ts';
import { readEvent } from '../../core/rollout/stored.ts';
import type { EventRow } from '../../ledger/journal/rows.ts';
import { bar, numberText, weightText } from '../terminal/format.ts';
import { createPaint, hasColor, widthOf, wrap } from '../terminal/print.ts';
import { beforeAfterLines } from './before-after.ts';
import { endingOf, unavoidable } from './report.ts';
import type { DemoResult } from './report.ts';
import { VARIANTS } from './variants.ts';
import type { Variant, VariantName } from './variants.ts';

/** The simulated serverless drifts by a few percent; a larger drift comes from the machine. */
const USUAL_DRIFT = 0.1;
const LABEL = 13;

/** The result of a run of the demo, for people. `kept`: the folder of its ledger and logs, if they are kept. */
export function summary(result: DemoResult, kept: string | undefined): string {
  const width = Math.min(100, widthOf(process.stdout)) - 4;
  const lines = ['', ...wrap(conclusion(result), width + 2), ''];
  if (result.fault !== null) lines.push(...wrap(played(result, result.fault), width + 2), '');
  const start = result.timeline[0]?.at ?? 0;
  for (const row of result.timeline) lines.push(`  +${spanOf(row.at - start)}  ${describe(row)}`);
  if (result.steps.length > 0) lines.push('', '  step     set   measured    calls');
  result.steps.forEach(({ weight, measured, units }, i) => {
    const cells = [String(i + 1).padStart(6), percent(weight).padStart(8), percent(measured).padStart(11)];
    lines.push(`${cells.join('')}${numberText(units).padStart(9)}   ${bar(measured, 20)}`);
  });
  const table = beforeAfterLines(result.parts, createPaint(hasColor(process.stdout)));
  if (table.length > 0) lines.push('', ...table.map((line) => `  ${line}`));
  lines.push('');
  for (const [label, text] of facts(result, kept)) {
    wrap(text, width - LABEL).forEach((line, i) => lines.push(`  ${(i === 0 ? label : '').padEnd(LABEL)}${line}`));
  }
  return [...lines, ''].join('\n');
}

/** How the run ended and why, in one sentence. */
function conclusion(result: DemoResult): string {
  const { phase, reason, why, steps } = result;
  const ending = endingOf(result);
  switch (ending) {
    case 'not proposed':
      return 'upshift proposed nothing: the criteria did not hold long enough.';
    case 'promoted':
      return `Promoted: all figures are within their margins${why === null ? '' : `; the least certain one: ${why}`}.`;
    case 'held':
      return `Held: the traffic ended while it was still ${phase}${why === null ? '' : `: ${why}`}.${noise(result)}`;
    default: {
      const last = steps.at(-1);
      const where =
        last === undefined ? 'before the first step' : `at step ${steps.length}, ${weightText(last.weight)} %`;
      // The reason code is left out here, because the list below shows it.
      const words = reason?.replace(/^[a-z_]+: /, '') ?? 'no reason was given';
      return `${ending.charAt(0).toUpperCase()}${ending.slice(1)} ${where}: ${words}.`;
    }
  }
}

/** A sentence if this machine was too busy for a clear verdict. */
function noise({ drift }: DemoResult): string {
  if (drift === null || drift <= USUAL_DRIFT) return '';
  return ` This machine was too busy for a clear verdict: the speed of serverless drifted by ${percent(drift)} from minute to minute.`;
}

/** The effect of `--fault`, and whether the run ended as expected. */
function played(result: DemoResult, fault: VariantName): string {
  const { what, expected }: Variant = VARIANTS[fault];
  const verdict = expected.some((one) => one === endingOf(result)) ? 'and it was' : `but it was ${endingOf(result)}`;
  return `--fault ${fault}: ${what}. It should be ${expected.join(' or ')}, ${verdict}.`;
}

function facts(result: DemoResult, kept: string | undefined): [string, string][] {
  const { swarm, endpoints } = result;
  const lines: [string, string][] = [
    ['agents', agentsText(swarm)],
    [
      'the ledger',
      `${numberText(result.ledgerCalls)} calls, ${result.decisions} decisions, audit ${result.auditVerified ? 'verified' : 'FAILED'}`,
    ],
    [
      'endpoints',
      `${result.endpointsCreated} created${endpoints.map(({ name, state }) => `: ${name}, ${state}`).join('; ')}`,
    ],
    ...money(result),
  ];
  const accepted = unavoidable(result);
  if (accepted !== null) lines.push(['unavoidable', `${numberText(accepted.calls)} of the failed: ${accepted.why}`]);
  const reasons = new Set(
    swarm.failures.map(({ status, reason }) => (status === 0 || status >= 400 ? reason : `${status} ${reason}`)),
  );
  for (const reason of [...reasons].slice(0, 3)) lines.push(['failed', reason]);
  if (kept !== undefined) lines.push(['kept in', `${kept}; npx upshift audit --db ${kept}/upshift.db`]);
  return lines;
}

/** What came of the agents' calls in the whole run. A call is one or more requests. */
function agentsText({ played, calls, refused, unanswered, clientFailures }: DemoResult['swarm']): string {
  const share = (count: number, all: number) => percent(count / Math.max(1, all));
  const failed = clientFailures === 0 ? 'no request failed' : `${numberText(clientFailures)} requests failed`;
  const sent = `made ${numberText(played)} calls in ${numberText(calls)} requests, and ${failed}`;
  if (refused === 0) return `${sent}; none was refused`;
  const tries = `the agent then tries again, up to twice; ${share(unanswered, played)} of the calls were refused each time`;
  return `${sent}; ${share(refused, calls)} of the requests were refused (429) by serverless, or by the gateway to keep its limit; ${tries}`;
}

/** The cost at Hugging Face; the demo itself costs nothing. */
function money({ endpoints, tokens, pricing }: DemoResult): [string, string][] {
  const spent = endpoints.reduce((sum, { spentMicroDollars }) => sum + spentMicroDollars, 0);
  const lines: [string, string][] = [];
  const [endpoint] = endpoints;
  if (endpoint !== undefined) {
    const month = moneyText((endpoint.pricePerHour * MONTH_MS * 1e6) / HOUR_MS);
    lines.push(['the endpoint', `would have cost ${moneyText(spent)}; left running, ${month} a month`]);
  }
  if (pricing === null) return lines;
  for (const { servedBy, prompt, output } of tokens) {
    const price = prompt * pricing.input + output * pricing.output;
    const amount = `${tokensText(prompt)} prompt and ${tokensText(output)} output tokens`;
    const verb = servedBy === 'serverless' ? 'would have cost' : 'would have cost on serverless';
    lines.push([servedBy, `${amount} ${verb} ${moneyText(price)}`]);
  }
  return lines;
}

function describe(row: EventRow): string {
  const event: Readonly<Record<string, unknown>> = { ...readEvent(row) };
  const parts = ['step', 'weight', 'by', 'reason', 'url'].flatMap((key) => {
    const value = event[key];
    if (key === 'weight' && typeof value === 'number') return [`${weightText(value)} %`];
    // Only the code of a decision's reason, because its text is above.
    if (typeof value === 'string') return [`${key} ${value.replace(/^([a-z_]+): .*$/s, '$1')}`];
    return typeof value === 'number' ? [`${key} ${value}`] : [];
  });
  return [row.type.replaceAll('_', ' '), ...parts].join(', ');
}

function spanOf(ms: number): string {
  return `${String(Math.floor(ms / 60_000)).padStart(3)}m${String(Math.floor((ms / 1_000) % 60)).padStart(2, '0')}s`;
}

function tokensText(tokens: number): string {
  return tokens < 1e6 ? `${Math.round(tokens / 1e3)} k` : `${(tokens / 1e6).toFixed(1)} M`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
