import type { Clock } from '../../core/clock.ts';
import { budgetNotes } from '../../core/decide/budget-guard.ts';
import { decide } from '../../core/decide/decide.ts';
import { CORE_VERSION, happenedBy } from '../../core/decide/decision.ts';
import type { Decision } from '../../core/decide/decision.ts';
import type { EffectName, Observation, OperatorRequest } from '../../core/decide/observation.ts';
import { throughOf } from '../../core/rollout/rollout.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { changedBy, nextState, rolloutsOf } from '../../core/rollout/route-state.ts';
import type { Happened } from '../../core/rollout/route-state.ts';
import type { JournalEntry } from '../../ledger/journal/entry.ts';
import { rowOf } from '../../ledger/journal/fold.ts';
import type { Journal } from '../../ledger/journal/journal.ts';
import type { Rollback } from '../route/rollback.ts';
import type { RouteWatch } from '../route/watch.ts';

const ROW_EVERY_MS = 600_000;
/** How long, in real time, a rollback waits for the ledger before it is carried out in memory. */
export const ROLLBACK_PATIENCE_MS = 2_000;

/** What was last decided about a route, and what was last written of it. */
export interface RouteMemory {
  decision: Decision | null;
  /** Messages for the operator about budgets. */
  notes: readonly string[];
  decidedAt: number;
  key: string;
  writtenAt: number;
  ticks: number;
}

export interface ReconcileContext {
  readonly clock: Clock;
  readonly journal: Pick<Journal, 'commit'>;
  /** Brings what is measured of a route up to now. */
  readonly advance: (watch: RouteWatch) => void;
  readonly observe: (watch: RouteWatch, request: OperatorRequest | null) => Observation;
  /** The policy that a rollout pins when it is proposed; it is stored with it. */
  readonly policyRecord: () => NonNullable<JournalEntry['policy']>;
  readonly begin: (watch: RouteWatch, effect: EffectName) => void;
  /** Called whenever the gateway's routing table may have changed. */
  readonly changed: (watch: RouteWatch) => void;
}

/**
 * One tick of one route: advance, observe, decide, store, act. The decision and its events are stored in one transaction before
 * any of it is carried out. If that fails nothing has happened, and the next tick decides again. Returns whether
 * something was done, so that the caller may tick again at once.
 */
export async function reconcile(
  watch: RouteWatch,
  memory: RouteMemory,
  request: OperatorRequest | null,
  context: ReconcileContext,
): Promise<boolean> {
  const { rollout, rollback, filePolicy } = watch;
  // A rollback that was carried out in memory is stored as it was decided, even if the decision would differ now.
  if (rollback === null) context.advance(watch);
  const seen = rollback?.seen ?? context.observe(watch, request);
  const decision = rollback?.decision ?? decide(rollout, seen);
  const stop = rollout !== null && 'step' in rollout ? rollout.step : 0;
  const key = [decision.action, decision.reason, rollout?.id, rollout?.phase, stop].join(' ');
  memory.decision = decision;
  memory.decidedAt = seen.now;
  memory.notes = budgetNotes(rollout, seen);
  memory.ticks++;
  const mustWrite = decision.action !== 'wait' || key !== memory.key || seen.now - memory.writtenAt >= ROW_EVERY_MS;
  // Clients choose the names of models that are only watched, so nothing is stored of them until their criteria hold.
  const isUneventful = memory.key === '' && decision.reason === 'criteria_not_met' && watch.policy.endpoint === null;
  // What the endpoint carries is measured all the time.
  if (throughOf(rollout) !== null) context.changed(watch);
  if (!mustWrite || isUneventful) return false;

  const happened = happenedBy(decision, rollout, seen.now);
  const changed = changedBy(rolloutsOf(watch.state), happened);
  const entry = toEntry(
    { before: rollback?.rollout ?? rollout, seen, decision, happened, changed },
    memory.ticks,
    context.policyRecord(),
  );
  const { askId } = await commit(watch, entry, rollbackOf(rollout, seen, decision), context);
  memory.key = key;
  memory.writtenAt = seen.now;
  memory.ticks = 0;
  watch.enter(nextState(watch.state, { happened, filePolicy, askId }));
  context.changed(watch);
  if (decision.effect !== null) context.begin(watch, decision.effect);
  return decision.action !== 'wait';
}

/**
 * Decides in memory whether to roll back, and does it. It is for the time in which a tick waits for the ledger. The
 * next tick that can write stores the decision.
 */
export function rollBackAtOnce(
  watch: RouteWatch,
  context: Pick<ReconcileContext, 'advance' | 'observe' | 'changed'>,
): void {
  const { rollout } = watch;
  if (rollout === null || watch.rollback !== null) return;
  context.advance(watch);
  const seen = context.observe(watch, null);
  const rollback = rollbackOf(rollout, seen, decide(rollout, seen));
  if (rollback !== null) carryOutInMemory(watch, rollback, context);
}

function rollbackOf(rollout: Rollout | null, seen: Observation, decision: Decision): Rollback | null {
  if (rollout === null) return null;
  const isRollback =
    rollout.toward === 'serverless'
      ? decision.action === 'roll_back' || decision.action === 'leave_endpoint'
      : decision.events.some((event) => event.type === 'draining');
  return isRollback ? { rollout, seen, decision } : null;
}

function carryOutInMemory(watch: RouteWatch, rollback: Rollback, { changed }: Pick<ReconcileContext, 'changed'>): void {
  watch.rollBack(rollback);
  changed(watch);
}

/**
 * Stores the decision. A rollback is carried out even if the ledger cannot store it, because it only lowers the weight.
 */
async function commit(
  watch: RouteWatch,
  entry: JournalEntry,
  rollback: Rollback | null,
  context: ReconcileContext,
): Promise<{ askId: number | null }> {
  const force = () => {
    if (rollback !== null) carryOutInMemory(watch, rollback, context);
  };
  const timer = setTimeout(force, ROLLBACK_PATIENCE_MS);
  try {
    return await context.journal.commit(entry);
  } catch (error) {
    force();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** A decision, what it was made on, and the rollouts that it changes, by id. */
interface Decided {
  readonly before: Rollout | null;
  readonly seen: Observation;
  readonly decision: Decision;
  readonly happened: readonly Happened[];
  readonly changed: ReadonlyMap<string, Rollout>;
}

function toEntry(
  { before, seen, decision, happened, changed }: Decided,
  ticks: number,
  policy: NonNullable<JournalEntry['policy']>,
): JournalEntry {
  const isProposal = decision.events.some((event) => event.type === 'proposed');
  const ofReplaced = changed.get(decision.replaced?.rolloutId ?? '');
  const own = [...changed.values()].find((rollout) => rollout !== ofReplaced);
  const row = (rollout: Rollout) => rowOf({ rollout, updatedAt: seen.now });
  return {
    ...(isProposal && { policy }),
    decision: {
      at: seen.now,
      model: seen.model,
      rolloutId: own?.id ?? before?.id ?? null,
      coreVersion: CORE_VERSION,
      policyHash: seen.policyHash,
      action: decision.action,
      reason: decision.reason,
      input: JSON.stringify({ rollout: before, observation: seen }),
      output: JSON.stringify(decision),
      ticks,
    },
    ...(own !== undefined && { rollout: row(own) }),
    ...(ofReplaced !== undefined && { replaced: row(ofReplaced) }),
    events: happened.map(({ rolloutId, event, at }) => ({
      rolloutId,
      at,
      type: event.type,
      data: JSON.stringify(event),
    })),
    ...(own !== undefined && askIn(decision, own, seen)),
    outcomes: decision.outcome === null ? [] : [{ ...decision.outcome, at: seen.now }],
  };
}

/** What the decision asks the operator, with the figures to decide by; nothing if it asks nothing. */
function askIn(decision: Decision, next: Rollout, seen: Observation): Pick<JournalEntry, 'ask'> {
  const asked = decision.events.find((event) => event.type === 'asked');
  if (asked === undefined) return {};
  const { type: _, about, verdict, step, ...rest } = asked;
  const { detail } = decision;
  return {
    ask: {
      rolloutId: next.id,
      step,
      policyHash: next.policyHash,
      verdict: verdict?.status ?? 'none',
      figures: JSON.stringify({
        ...(about !== undefined && { about }),
        detail,
        verdict,
        figures: seen.figures,
        ...rest,
      }),
      at: seen.now,
    },
  };
}
