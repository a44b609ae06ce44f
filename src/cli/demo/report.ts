import { decideAgain } from '../../core/decide-again.ts';
import { CORE_VERSION } from '../../core/decide/decision.ts';
import type { Policy } from '../../core/policy/policy.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { readRollout } from '../../core/rollout/stored.ts';
import type { LedgerDb } from '../../ledger/database.ts';
import { verifyAudit } from '../../ledger/journal/audit.ts';
import { keyPathOf, readPublicKey } from '../../ledger/journal/key.ts';
import {
  countCalls,
  events,
  listDecisions,
  listRollouts,
  measuredShares,
  tokensServed,
} from '../../ledger/journal/rollouts.ts';
import type { DecisionRow } from '../../ledger/journal/rollouts.ts';
import type { EventRow } from '../../ledger/journal/rows.ts';
import { openForReading } from '../../ledger/open.ts';
import type { SwarmReport } from '../../loadtest/swarm.ts';
import { partJson, readBeforeAfter } from './before-after.ts';
import type { BeforeAfter } from './before-after.ts';
import { VARIANTS } from './variants.ts';
import type { Variant, VariantName } from './variants.ts';

/** The result of a run of the demo. */
export interface DemoResult {
  /** How many times faster than real time the clock ran. */
  readonly timeScale: number;
  readonly fault: VariantName | null;
  readonly phase: string;
  readonly reason: string | null;
  /** Why it was promoted, or what it still waits for, from the ledger; null without a rollout. */
  readonly why: string | null;
  /** The drift of serverless's usual speed from minute to minute at the end of the rollout; otherwise null. */
  readonly drift: number | null;
  readonly swarm: SwarmReport;
  readonly ledgerCalls: number;
  readonly endpoints: readonly {
    readonly name: string;
    readonly state: string;
    readonly spentMicroDollars: number;
    readonly pricePerHour: number;
  }[];
  readonly endpointsCreated: number;
  readonly steps: readonly { readonly weight: number; readonly measured: number; readonly units: number }[];
  readonly decisions: number;
  readonly auditVerified: boolean;
  readonly timeline: readonly EventRow[];
  /** The tokens in each upstream's answers. */
  readonly tokens: readonly { readonly servedBy: string; readonly prompt: number; readonly output: number }[];
  /** The price of serverless, dollars per million tokens; null if it is unknown. */
  readonly pricing: { readonly input: number; readonly output: number } | null;
  readonly parts: BeforeAfter;
}

interface ControlState {
  readonly created: number;
  readonly endpoints: readonly { name: string; state: string; spentMicroDollars: number; pricePerHour: number }[];
}

/** Reads the ledger and the simulation's cost records after everything has ended. */
export async function gather(given: {
  timeScale: number;
  fault: VariantName | null;
  dbPath: string;
  controlUrl: string;
  swarm: SwarmReport;
  policy: Policy;
  routerUrl: string;
  token: string;
}): Promise<DemoResult> {
  const state = (await (await fetch(`${given.controlUrl}/state`)).json()) as ControlState;
  const model = given.policy.routes[0]?.model ?? '';
  const pricing = await serverlessPrice(given.routerUrl, given.token, model);
  const db = openForReading(given.dbPath);
  try {
    const last = listRollouts(db).at(-1);
    const rollout = last === undefined ? null : readRollout(last);
    // The demo's own daemon has just made the key.
    const evidence = { publicKey: readPublicKey(keyPathOf(db.name)), marks: [] };
    const audit = verifyAudit(db, decideAgain, CORE_VERSION, { evidence });
    const {
      steps: { length: stops },
    } = given.policy.routes[0] ?? given.policy.watched;
    const steps = rollout === null ? [] : measuredShares(db, rollout.id);
    const timeline = rollout === null ? [] : events(db, rollout.id);
    return {
      timeScale: given.timeScale,
      fault: given.fault,
      phase: rollout?.phase ?? 'watching',
      reason: rollout !== null && 'reason' in rollout ? rollout.reason : null,
      why: rollout === null ? null : lastWord(db, rollout),
      drift: rollout !== null && 'profile' in rollout ? rollout.profile.drift.speed.sigma : null,
      swarm: given.swarm,
      ledgerCalls: countCalls(db),
      endpoints: state.endpoints,
      endpointsCreated: state.created,
      steps: steps.filter(({ step, weight }) => weight > 0 && step <= stops),
      decisions: audit.decisions,
      auditVerified: audit.problems.length === 0 && audit.rerun === audit.decisions,
      timeline,
      tokens: tokensServed(db),
      pricing,
      parts: readBeforeAfter(db, model, timeline),
    };
  } finally {
    db.close();
  }
}

/**
 * The reason for the present phase of a rollout that has not rolled back: the figures of its promotion, otherwise what
 * it waits for.
 */
function lastWord(db: LedgerDb, { id, phase }: Rollout): string | null {
  const decisions = listDecisions(db, { rollout: id });
  if (phase !== 'promoted') return decisions.at(-1)?.detail ?? null;
  // A person's approval names only the person; the request holds the figures, after its question.
  const isGrounds = ({ action, reason }: DecisionRow) =>
    action === 'ask' || (action === 'promote' && reason === 'approved_by_policy');
  // After the figures, a question says what the endpoint costs: the result has that by itself.
  return (
    decisions
      .findLast(isGrounds)
      ?.detail?.replace(/^[^;]*; /, '')
      .replace(/; the endpoint costs .*$/s, '') ?? null
  );
}

/**
 * The price of the cheapest provider behind the router for a model, dollars per million tokens; null if none states it.
 */
async function serverlessPrice(
  routerUrl: string,
  token: string,
  model: string,
): Promise<{ input: number; output: number } | null> {
  const response = await fetch(`${routerUrl}/v1/models/${model}`, { headers: { authorization: `Bearer ${token}` } });
  if (!response.ok) return null;
  const body = (await response.json()) as { providers?: { pricing?: { input: number; output: number } }[] };
  const prices = body.providers?.flatMap(({ pricing }) => (pricing === undefined ? [] : [pricing])) ?? [];
  return prices.sort((a, b) => a.input + a.output - b.input - b.output)[0] ?? null;
}

/** The one line of `demo --json`. */
export function toJson(result: DemoResult): object {
  const { timeScale, phase, swarm, ledgerCalls, endpointsCreated, decisions, auditVerified } = result;
  const steps = result.steps.map(({ weight, measured, units }) => ({ weight, measured, units }));
  const { calls, clientFailures } = swarm;
  const parts = { before: partJson(result.parts.before), after: partJson(result.parts.after) };
  const counts = { timeScale, phase, calls, ledgerCalls, clientFailures, endpointsCreated };
  const line = { ...counts, steps, decisions, auditVerified, ...parts };
  if (phase === 'promoted' || result.reason === null) return line;
  return { ...line, rollback: { reason: result.reason, endpoints: result.endpoints.map(({ state }) => state) } };
}

/** The number of the agents' failures that nothing could prevent, and why; null if there are none. */
export function unavoidable({ fault, swarm }: DemoResult): { readonly calls: number; readonly why: string } | null {
  const variant: Variant | null = fault === null ? null : VARIANTS[fault];
  if (variant?.unavoidable === undefined) return null;
  const { status, why } = variant.unavoidable;
  const calls = swarm.failedByStatus[status] ?? 0;
  return calls === 0 ? null : { calls, why };
}

/** How a run ended; `held`: neither promoted nor rolled back at the end of the traffic. */
export type Ending = 'promoted' | 'rolled back' | 'held' | 'rejected' | 'failed' | 'not proposed';

export function endingOf({ phase, reason }: Pick<DemoResult, 'phase' | 'reason'>): Ending {
  if (phase === 'promoted' || phase === 'failed') return phase;
  if (phase === 'watching') return 'not proposed';
  if (reason?.startsWith('rejected') === true) return 'rejected';
  return phase === 'aborted' || phase === 'draining' ? 'rolled back' : 'held';
}

const EXIT_CODES: Readonly<Partial<Record<Ending, number>>> = { promoted: 0, rejected: 4, 'rolled back': 5 };

export function exitCodeOf(result: DemoResult): number {
  const { swarm, auditVerified } = result;
  if (!auditVerified || swarm.clientFailures > (unavoidable(result)?.calls ?? 0)) return 1;
  return EXIT_CODES[endingOf(result)] ?? 1;
}
