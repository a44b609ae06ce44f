import { CORE_VERSION } from '../../core/decision.ts';
import { decideAgain } from '../../core/decide.ts';
import type { Policy } from '../../core/policy.ts';
import type { Rollout } from '../../core/rollout.ts';
import { verifyAudit } from '../../ledger/audit.ts';
import { openForReading } from '../../ledger/open.ts';
import { countCalls, events, listRollouts, measuredShares } from '../../ledger/rollouts.ts';
import type { SwarmReport } from '../../simulation/swarm.ts';
import type { Director } from './director.ts';

/** What a run of the demo came to. */
export interface DemoResult {
  readonly phase: string;
  readonly reason: string | null;
  readonly swarm: SwarmReport;
  readonly ledgerCalls: number;
  readonly endpoints: readonly { readonly name: string; readonly state: string; readonly spentMicroDollars: number }[];
  readonly endpointsCreated: number;
  readonly steps: readonly { readonly weight: number; readonly measured: number; readonly units: number }[];
  readonly decisions: number;
  readonly auditVerified: boolean;
  readonly timeline: readonly { readonly at: number; readonly type: string; readonly data: string }[];
  readonly faultAt: number | null;
}

interface ControlState {
  readonly created: number;
  readonly endpoints: readonly { name: string; state: string; spentMicroDollars: number }[];
}

/** Reads the ledger and the simulation's books once everything has ended. */
export async function gather(given: {
  dbPath: string;
  controlUrl: string;
  swarm: SwarmReport;
  policy: Policy;
  director: Director;
}): Promise<DemoResult> {
  const state = (await (await fetch(`${given.controlUrl}/state`)).json()) as ControlState;
  const db = openForReading(given.dbPath);
  try {
    const last = listRollouts(db).at(-1);
    const rollout = last === undefined ? null : (JSON.parse(last.snapshot) as Rollout);
    const audit = verifyAudit(db, decideAgain, CORE_VERSION);
    const {
      affinity,
      steps: { length: stops },
    } = given.policy.routes[0] ?? given.policy.watched;
    const steps = rollout === null ? [] : measuredShares(db, rollout.id, { affinity, blockMs: 600_000 });
    return {
      phase: rollout?.phase ?? 'watching',
      reason: rollout !== null && 'reason' in rollout ? rollout.reason : null,
      swarm: given.swarm,
      ledgerCalls: countCalls(db),
      endpoints: state.endpoints,
      endpointsCreated: state.created,
      steps: steps.filter(({ step, weight }) => weight > 0 && step <= stops),
      decisions: audit.decisions,
      auditVerified: audit.problems.length === 0 && audit.rerun === audit.decisions,
      timeline: rollout === null ? [] : events(db, rollout.id),
      faultAt: given.director.faultAt,
    };
  } finally {
    db.close();
  }
}

/** The one line of `demo --json`. */
export function toJson(result: DemoResult): object {
  const { phase, swarm, ledgerCalls, endpointsCreated, decisions, auditVerified } = result;
  const steps = result.steps.map(({ weight, measured, units }) => ({ weight, measured, units }));
  const { calls, clientFailures } = swarm;
  const line = { phase, calls, ledgerCalls, clientFailures, endpointsCreated, steps, decisions, auditVerified };
  if (phase === 'promoted' || result.reason === null) return line;
  return { ...line, rollback: { reason: result.reason, endpoints: result.endpoints.map(({ state }) => state) } };
}

export function exitCodeOf({ phase, reason, swarm, auditVerified }: DemoResult): number {
  if (!auditVerified || swarm.clientFailures > 0) return 1;
  if (phase === 'promoted') return 0;
  if (reason?.startsWith('rejected') === true) return 4;
  return phase === 'aborted' || phase === 'draining' ? 5 : 1;
}

/** A share as a bar of so many characters. */
export function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

/** What happened, for a person. */
export function printReport(result: DemoResult, kept: string | undefined): void {
  const { swarm, timeline } = result;
  const start = timeline[0]?.at ?? 0;
  const lines = ['', `The rollout ended ${result.phase}${result.reason === null ? '' : ` (${result.reason})`}.`, ''];
  for (const { at, type, data } of timeline) lines.push(`  +${minutes(at - start)}  ${describe(type, data)}`);
  lines.push('', '  step   set    measured   calls');
  result.steps.forEach(({ weight, measured, units }, i) => {
    const row = [
      String(i + 1).padStart(4),
      percent(weight).padStart(7),
      percent(measured).padStart(10),
      String(units).padStart(7),
    ];
    lines.push(`${row.join(' ')}   ${bar(measured, 20)}`);
  });
  const spent = result.endpoints.reduce((sum, { spentMicroDollars }) => sum + spentMicroDollars, 0) / 1e6;
  lines.push(
    '',
    `  agents saw   ${swarm.calls} calls end, ${swarm.refused} of them refused by serverless (429), ${swarm.clientFailures} failed`,
    `  the ledger   ${result.ledgerCalls} calls, ${result.decisions} decisions, audit ${result.auditVerified ? 'verified' : 'FAILED'}`,
    `  endpoints    ${result.endpointsCreated} created${result.endpoints.map(({ name, state }) => `, ${name} ${state}`).join('')}`,
    `  at Hugging Face this hour or so of endpoint would have cost $${spent.toFixed(2)}; here it cost nothing`,
    '',
  );
  if (kept !== undefined) lines.push(`  kept in ${kept}: npx upshift audit --db ${kept}/upshift.db`, '');
  console.log(lines.join('\n'));
}

function describe(type: string, data: string): string {
  const event = JSON.parse(data) as Record<string, unknown>;
  const told = ['step', 'weight', 'by', 'reason', 'url'].flatMap((key) => {
    const value = event[key];
    return typeof value === 'string' || typeof value === 'number' ? [`${key} ${value}`] : [];
  });
  return [type.replaceAll('_', ' '), ...told].join(', ');
}

function minutes(ms: number): string {
  return `${String(Math.floor(ms / 60_000)).padStart(3)}m${String(Math.floor((ms / 1_000) % 60)).padStart(2, '0')}s`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
