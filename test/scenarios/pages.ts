import { renderExplanation } from '../../src/cli/views/explanation.ts';
import { renderStatus } from '../../src/cli/views/status.ts';
import type { Decision } from '../../src/core/decide/decision.ts';
import { readInput } from '../../src/core/decide-again.ts';
import type { StatusReport } from '../../src/core/status.ts';
import { readReport } from '../../src/core/stored-status.ts';
import type { JournalEntry } from '../../src/ledger/journal/entry.ts';
import { makeReport } from '../cli/reports.ts';

const WIDTH = 80;

/** The page of `status`, from the line of the route on, as a terminal of 80 columns shows it. */
export function statusPage(
  route: StatusReport['routes'][number],
  { now, ...more }: { readonly now: number } & Partial<Pick<StatusReport, 'lanes' | 'frozen'>>,
): string[] {
  const report = readReport(JSON.stringify(makeReport([route], { at: now, ...more })));
  const text = renderStatus(report, { width: WIDTH, color: false, isRunning: true, now });
  return text.trimEnd().split('\n');
}

/** The page of `explain` about a decision as the ledger keeps it. */
export function explainPage({ decision, rollout, events }: JournalEntry): string[] {
  if (decision === undefined) return [];
  const output = JSON.parse(decision.output) as Decision;
  const { action, reason, cause = null, detail } = output;
  const row = { id: 1, at: decision.at, model: decision.model, rolloutId: rollout?.id ?? null, coreVersion: 1 };
  const explained = {
    ...row,
    policyHash: 'hash',
    hash: 'hash',
    ticks: 1,
    action,
    reason,
    cause,
    detail,
    input: readInput(decision.input, 1),
    output,
    events: events.map(({ at, type, data }) => ({ at, type, data: JSON.parse(data) as object })),
    again: 'same' as const,
  };
  return renderExplanation(explained, { width: WIDTH, color: false, suffix: '' }).trimEnd().split('\n');
}
