import { bar, moneyText, numberText } from '../format.ts';
import { wrap, widthOf } from '../print.ts';
import type { DemoResult } from './report.ts';
import { unavoidable } from './report.ts';
import { VARIANTS } from './variants.ts';

const HOURS_A_MONTH = 730;
const LABEL = 13;

/** What a run of the demo came to, for a person. `kept`: where its ledger and logs stay, if they do. */
export function summary(result: DemoResult, kept: string | undefined): string {
  const width = Math.min(100, widthOf(process.stdout)) - 4;
  const lines = ['', ...wrap([ending(result), ...played(result)].join(' '), width + 2), ''];
  const start = result.timeline[0]?.at ?? 0;
  for (const { at, type, data } of result.timeline) lines.push(`  +${spanOf(at - start)}  ${describe(type, data)}`);
  if (result.steps.length > 0) lines.push('', '  step     set   measured    calls');
  result.steps.forEach(({ weight, measured, units }, i) => {
    const cells = [String(i + 1).padStart(6), percent(weight).padStart(8), percent(measured).padStart(11)];
    lines.push(`${cells.join('')}${numberText(units).padStart(9)}   ${bar(measured, 20)}`);
  });
  lines.push('');
  for (const [label, text] of facts(result, kept)) {
    wrap(text, width - LABEL).forEach((line, i) => lines.push(`  ${(i === 0 ? label : '').padEnd(LABEL)}${line}`));
  }
  return [...lines, ''].join('\n');
}

function ending({ phase, reason, why }: DemoResult): string {
  if (phase === 'watching') return 'Nothing was proposed: the criteria did not hold long enough.';
  const because = why === null ? '' : `: ${why}`;
  if (phase === 'promoted') return `The rollout ended promoted${because}.`;
  if (reason !== null) return `The rollout ended ${phase} (${reason}).`;
  return `The trace ended while the rollout was still ${phase}: it held, neither promoted nor rolled back${because}.`;
}

/** What was played with `--fault`, and what should have come of it. */
function played({ fault }: DemoResult): string[] {
  if (fault === null) return [];
  const { what, expected } = VARIANTS[fault];
  return [`Played with --fault ${fault}: ${what}. Expected: ${expected}.`];
}

function facts(result: DemoResult, kept: string | undefined): [string, string][] {
  const { swarm, endpoints } = result;
  const told: [string, string][] = [
    [
      'agents saw',
      `${numberText(swarm.calls)} calls end: ${numberText(swarm.refused)} refused by serverless (429), ${swarm.clientFailures} failed`,
    ],
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
  if (accepted !== null) told.push(['unavoidable', `${numberText(accepted.calls)} of the failed: ${accepted.why}`]);
  for (const { status, reason } of swarm.failures.slice(0, 3)) told.push(['failed', `${status} ${reason}`]);
  if (kept !== undefined) told.push(['kept in', `${kept}; npx upshift audit --db ${kept}/upshift.db`]);
  return told;
}

/** What it would have cost, had it been real; nothing was spent here. */
function money({ endpoints, tokens, pricing }: DemoResult): [string, string][] {
  const spent = endpoints.reduce((sum, { spentMicroDollars }) => sum + spentMicroDollars, 0);
  const told: [string, string][] = [];
  const [endpoint] = endpoints;
  if (endpoint !== undefined) {
    const month = moneyText(endpoint.pricePerHour * HOURS_A_MONTH * 1e6);
    told.push(['the endpoint', `would have cost ${moneyText(spent)}; left running, ${month} a month`]);
  }
  if (pricing === null) return told;
  for (const { servedBy, prompt, output } of tokens) {
    const price = prompt * pricing.input + output * pricing.output;
    const amount = `${(prompt / 1e6).toFixed(1)} M prompt and ${(output / 1e6).toFixed(1)} M output tokens`;
    const verb = servedBy === 'serverless' ? 'would have cost' : 'would have cost on serverless';
    told.push([servedBy, `${amount} ${verb} ${moneyText(price)}`]);
  }
  return told;
}

function describe(type: string, data: string): string {
  const event = JSON.parse(data) as Record<string, unknown>;
  const told = ['step', 'weight', 'by', 'reason', 'url'].flatMap((key) => {
    const value = event[key];
    return typeof value === 'string' || typeof value === 'number' ? [`${key} ${value}`] : [];
  });
  return [type.replaceAll('_', ' '), ...told].join(', ');
}

function spanOf(ms: number): string {
  return `${String(Math.floor(ms / 60_000)).padStart(3)}m${String(Math.floor((ms / 1_000) % 60)).padStart(2, '0')}s`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
