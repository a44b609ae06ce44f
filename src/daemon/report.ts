import { isHiddenByDerivedAgents, judgeCriteria } from '../core/criteria/criteria.ts';
import type { Clock } from '../core/clock.ts';
import { approvalsText } from '../core/decide/approvals.ts';
import { isBound } from '../core/decide/closed.ts';
import type { Frozen } from '../core/decide/observation.ts';
import { bakeTime, leastCalls } from '../core/decide/step-length.ts';
import type { Ask } from '../core/rollout/ask.ts';
import { isStill } from '../core/rollout/pauses.ts';
import { endpointShare, isLive, isOver, stopWeight, throughOf, weights } from '../core/rollout/rollout.ts';
import type { Rollout } from '../core/rollout/rollout.ts';
import { otherShare } from '../core/rollout/split.ts';
import type { StepFigures } from '../core/rollout/step-figures.ts';
import type { Toward } from '../core/route.ts';
import type { RolloutStatus, RouteStatus, StatusReport } from '../core/status.ts';
import { problemText } from '../core/text.ts';
import { windowState } from '../files/windows.ts';
import type { Gateway } from '../gateway/server.ts';
import type { Ledger } from '../ledger/open.ts';
import type { Account } from './effects/account.ts';
import type { PolicyFile } from './policy-file.ts';
import { reportScaling } from './route/concurrency.ts';
import type { Routes } from './route/routes.ts';
import type { RouteWatch } from './route/watch.ts';
import { shadowFigures } from './tick/observe.ts';
import type { RouteMemory } from './tick/reconcile.ts';

/** What a daemon tells of itself. */
interface DaemonParts {
  readonly version: string;
  readonly clock: Clock;
  readonly startedAt: number;
  readonly ports: { readonly gateway: number; readonly admin: number };
  readonly policy: Pick<PolicyFile, 'loaded' | 'problem'>;
  readonly account: Pick<Account, 'state' | 'name'>;
  readonly ledger: Pick<Ledger, 'fault'> & { readonly calls: Pick<Ledger['calls'], 'pending' | 'lost' | 'isDegraded'> };
  readonly gateway: Gateway;
  readonly routes: Routes;
  readonly memory: (watch: RouteWatch) => RouteMemory;
  readonly endpoints: StatusReport['endpoints'];
  /** The freeze of all routes; null if there is none. */
  readonly frozen: Frozen | null;
}

/** The whole daemon as `status` shows it. */
export function reportDaemon(parts: DaemonParts): StatusReport {
  const { version, clock, startedAt, ports, policy, account, ledger, gateway, routes, memory, endpoints, frozen } =
    parts;
  const { path, hash } = policy.loaded;
  const { calls } = ledger;
  return {
    version,
    pid: process.pid,
    at: clock.now(),
    startedAt,
    gatewayPort: ports.gateway,
    adminPort: ports.admin,
    timeScale: clock.scale,
    policy: { path, hash, problem: policy.problem },
    account: { state: account.state, name: account.name },
    ...(frozen !== null && { frozen }),
    ledger: {
      pending: calls.pending,
      lost: calls.lost,
      isDegraded: calls.isDegraded,
      fault: ledger.fault()?.text ?? null,
    },
    gateway: {
      inFlight: [...gateway.inFlight()].length,
      ...routes.counts,
      ineligibleBecause: { ...routes.ineligible },
      localTrouble: gateway.localTrouble(),
    },
    routes: routes.foremost().map((watch) => reportRoute(watch, memory(watch), { gateway, filePolicyHash: hash })),
    endpoints,
    lanes: reportLanes(gateway),
  };
}

/**
 * One route as `status` shows it. `filePolicyHash`: hash of the policy file, which may be newer than a rollout's
 * policy.
 */
export function reportRoute(
  watch: RouteWatch,
  memory: RouteMemory,
  {
    gateway,
    filePolicyHash,
  }: { readonly gateway: Pick<Gateway, 'shadowCounts' | 'endpointLoad'>; readonly filePolicyHash: string },
): RouteStatus {
  const {
    rollout,
    state: { last },
  } = watch;
  const figures = watch.demand.figures();
  const { criteria } = watch.filePolicy;
  const out = watch.demand.outage(watch.observedAt);
  const windows = windowState(watch.filePolicy.windows, watch.observedAt);
  return {
    model: watch.model,
    phase: rollout?.phase ?? 'watching',
    decision: memory.decision === null ? null : decisionOf(memory.decision, memory.decidedAt),
    demand: { ...figures, holdsSince: watch.demand.holdsSince },
    criteria: { ...criteria, result: judgeCriteria(figures, criteria) },
    rollout: rollout === null ? null : reportRollout(watch, memory, gateway),
    ...(out !== null && out.until >= watch.observedAt && { outSince: out.since }),
    ...(windows !== null && { windows }),
    lastRollout: last !== null && 'reason' in last ? endOf(last) : null,
    notes: [...memory.notes, ...notes(watch, filePolicyHash)],
    traffic: watch.worth?.latest ?? null,
  };
}

/** How a rollout ended; null if it has not. */
function endOf(rollout: Extract<Rollout, { readonly reason: string }>): RouteStatus['lastRollout'] {
  const { id, phase, since, reason, hint, cause } = rollout;
  return isOver(phase) ? { id, phase, at: since, reason, hint, ...(cause !== undefined && { cause }) } : null;
}

function decisionOf(
  { action, reason, cause, detail }: NonNullable<RouteMemory['decision']>,
  at: number,
): NonNullable<RouteStatus['decision']> {
  return { action, reason, ...(cause !== undefined && { cause }), detail, at };
}

function reportRollout(
  watch: RouteWatch,
  memory: RouteMemory,
  gateway: Pick<Gateway, 'shadowCounts' | 'endpointLoad'>,
): RolloutStatus | null {
  const { rollout, policy } = watch;
  if (rollout === null) return null;
  const { step } = weights(rollout, policy);
  const { toward, overruled } = rollout;
  const through = throughOf(rollout);
  const pausedSince = isStill(rollout) ? rollout.pauses?.at(-1)?.from : undefined;
  const { canaryFaultRow, endpointFaultRow } = watch.measures;
  const faultRow = toward === 'dedicated' ? canaryFaultRow : endpointFaultRow;
  const figures = isLive(rollout) ? watch.measures.figures(step, { stable: 0, canary: 0 }) : null;
  return {
    id: rollout.id,
    toward,
    createdAt: rollout.createdAt,
    since: rollout.since,
    startedAt: rollout.wayBack?.runsSince ?? ('startedAt' in rollout ? rollout.startedAt : null),
    ...(rollout.proposedBy !== undefined && { proposedBy: rollout.proposedBy }),
    isPaused: rollout.isPaused,
    ...(rollout.pausedBy !== undefined && { pausedBy: rollout.pausedBy }),
    ...(overruled?.step === step && { overruledBy: { by: overruled.by, reason: overruled.reason } }),
    ...(pausedSince !== undefined && { pausedSince }),
    step,
    steps: policy.steps.map((_, i) => endpointStop(i + 1, watch)),
    weight:
      watch.rollback === null
        ? endpointShare(rollout, policy)
        : Number(watch.rollback.decision.action === 'roll_back' && toward === 'serverless'),
    ...shares(figures, toward),
    figures,
    verdict: memory.decision?.verdict ?? null,
    shadow: shadowFigures(watch, gateway) ?? copiesOf(rollout),
    bakeMs: rollout.phase === 'shadowing' ? policy.shadow.time : bakeTime(rollout, { policy }),
    minCalls: leastCalls(rollout, { policy }),
    ...(faultRow !== null && { faultRow }),
    endpointName: rollout.endpointName,
    endpoint: watch.endpoint,
    pricePerHourMicros: rollout.pricePerHourMicros,
    instance: rollout.instance,
    ...(rollout.alternatives !== undefined && { alternatives: rollout.alternatives }),
    ...(rollout.left !== undefined && { left: rollout.left }),
    ...reportScaling(watch, gateway),
    ...(through !== null && { through }),
    ask: rollout.ask === null ? null : reportAsk(rollout.ask, watch),
  };
}

/** What became of the copies, after the shadow stage and before the first step. */
function copiesOf(rollout: Rollout): RolloutStatus['shadow'] {
  return rollout.phase === 'stepping' ? (rollout.shadow ?? null) : null;
}

function reportAsk(ask: Ask, { rollout, policy, state }: RouteWatch): RolloutStatus['ask'] {
  const { about, step, at, verdict, terms } = ask;
  return {
    id: state.active?.askId ?? null,
    ...(about !== undefined && { about }),
    step,
    at,
    ...(rollout !== null && isBound(rollout, ask, { policy }) && { isBound: true }),
    ...(verdict !== null && { verdict: verdict.status }),
    ...(terms !== undefined && { terms }),
  };
}

/** The endpoint's share of calls at a step. */
function endpointStop(step: number, { rollout, policy }: RouteWatch): number {
  const toward = rollout?.toward ?? 'dedicated';
  const weight = stopWeight(step, policy, toward);
  return toward === 'dedicated' ? weight : otherShare(weight);
}

/** The endpoint's shares of calls, as canary or as stable. */
function shares(
  figures: StepFigures | null,
  toward: Toward,
): { assignedShare: number | null; servedShare: number | null } {
  if (figures === null) return { assignedShare: null, servedShare: null };
  const { stable, canary } = figures;
  const all = stable.assigned + canary.assigned;
  if (all === 0) return { assignedShare: null, servedShare: null };
  const [endpoint, other] = toward === 'dedicated' ? [canary, stable] : [stable, canary];
  const served = endpoint.assigned - endpoint.servedElsewhere + other.servedElsewhere;
  // Calls that were assigned before these figures began can end elsewhere while they are counted.
  return { assignedShare: endpoint.assigned / all, servedShare: Math.min(1, Math.max(0, served / all)) };
}

function notes(watch: RouteWatch, filePolicyHash: string): string[] {
  const lines: string[] = [];
  const { rollout } = watch;
  if (watch.rollback !== null)
    lines.push(
      'the ledger cannot store the decision to roll back: the rollback is carried out in memory and stored as soon as possible',
    );
  for (const result of Object.values(watch.reported.results)) {
    if (result.problem !== null) lines.push(problemText(result.problem));
  }
  if (rollout !== null && isLive(rollout)) lines.push(...watch.rejected.notes(watch.observedAt));
  const counted = rollout?.ask == null ? null : approvalsText(rollout.ask, watch.policy);
  if (counted !== null) lines.push(counted);
  if (rollout?.phase === 'draining' && rollout.hint !== null) lines.push(rollout.hint);
  if (rollout !== null && rollout.policyHash !== filePolicyHash) {
    lines.push(`the policy file has changed; this rollout keeps ${rollout.policyHash.slice(0, 8)}, as proposed`);
  }
  if (isHiddenByDerivedAgents(watch.demand.figures(), watch.filePolicy.criteria)) {
    lines.push(
      'calls and refusals meet the criteria, but most agents send no id: send X-Agent-Id, or call /agents/<id>/v1',
    );
  }
  return lines;
}

/** With more lanes than this, those that were used least are not shown. */
const MOST_LANES = 50;

/** The busiest lanes to serverless, the busiest first. */
function reportLanes(gateway: Pick<Gateway, 'lanes'>): StatusReport['lanes'] {
  return [...gateway.lanes()].sort((a, b) => b.counts.sent - a.counts.sent).slice(0, MOST_LANES);
}
