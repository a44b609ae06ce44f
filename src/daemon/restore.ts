import { assignedTo, DELAYED_US } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import type { DemandWindow } from '../core/criteria/demand-window.ts';
import { servedOf } from '../core/criteria/served-window.ts';
import { byAssignment } from '../core/judge/call-order.ts';
import type { Assigned, Known } from '../core/judge/call-order.ts';
import type { SeenTraffic } from '../core/learned.ts';
import { LONGEST_SUSTAIN_MS } from '../core/policy/back.ts';
import type { RoutePolicy } from '../core/policy/policy.ts';
import { readPolicy } from '../core/policy/stored.ts';
import type { Rollout } from '../core/rollout/rollout.ts';
import { readRollout } from '../core/rollout/stored.ts';
import type { Journal } from '../ledger/journal/journal.ts';
import type { LearnedRows } from './learned.ts';
import { loggedConcurrencyCall } from './route/concurrency-calls.ts';
import type { Routes } from './route/routes.ts';
import type { RouteWatch } from './route/watch.ts';
import { EndpointWorth, hasServingEndpoint, SHORT_HOLE_MS } from './route/worth.ts';

/** How far back the traffic of a route is read, clock ms: a little longer than the history keeps. */
const LOAD_MS = LONGEST_SUSTAIN_MS + 900_000;

/**
 * Puts back what a restart forgot: rollouts with their pinned policies, open asks, figures and windows. Rejects with
 * AppError `invalid` if a rollout or its policy cannot be read: without it nobody knows which endpoint costs money.
 */
export async function restore(
  routes: Routes,
  journal: Journal,
  clock: Clock,
  learned: Pick<LearnedRows, 'traffic'>,
): Promise<void> {
  for (const { id, model, snapshot, isOver } of await journal.latestRollouts()) {
    const watch = routes.watch(model);
    if (watch === null) continue;
    const rollout = readRollout({ id, snapshot });
    if (isOver) {
      watch.lastRollout = rollout;
      continue;
    }
    // If two rollouts are not over, the older one is promoted and the newer one is the way back that replaced it.
    const { rollout: older, policy } = watch;
    const replaced =
      older !== null && older.id === rollout.wayBack?.replaces
        ? { rollout: older, policy, openAskId: await askIdOf(older, journal) }
        : null;
    watch.setRollout(rollout, await pinnedPolicy(rollout, journal, routes), replaced);
  }
  for (const watch of routes.all()) {
    const { rollout } = watch;
    if (rollout === null) continue;
    watch.openAskId = await askIdOf(rollout, journal);
    for await (const page of journal.stepCalls(rollout.id)) {
      for (const call of page) watch.restore(call.step, call.role, call);
    }
    await restoreJudging(watch, rollout.id, journal);
    await restoreWorth(watch, journal, clock, learned.traffic(watch.model));
  }
  await restoreWindows(routes, null, journal, clock);
  routes.rebuild();
}

async function askIdOf({ id, ask }: Rollout, journal: Journal): Promise<number | null> {
  return ask === null ? null : ((await journal.openAsk(id))?.id ?? null);
}

/** Restores a route's traffic history, unless no daemon ran for longer than one window of it. */
async function restoreWorth(
  watch: RouteWatch,
  journal: Journal,
  clock: Clock,
  traffic: SeenTraffic | null,
): Promise<void> {
  if (!hasServingEndpoint(watch.rollout)) return;
  const nowMs = clock.now();
  const isSeen = traffic !== null && nowMs - traffic.until <= SHORT_HOLE_MS;
  const knownSinceMs = isSeen ? traffic.knownSince : nowMs;
  watch.worth = new EndpointWorth(watch.filePolicy.back.slo, { knownSinceMs, nowMs });
  for (const { atMs, calls } of await journal.callsPerMinute(watch.model, Math.max(knownSinceMs, nowMs - LOAD_MS))) {
    watch.worth.counted(atMs, calls);
  }
}

/** Gives the judge of a rollout its calls and pairs again, in the same order as before. */
async function restoreJudging(watch: RouteWatch, rolloutId: string, journal: Journal): Promise<void> {
  const { judging } = watch;
  if (judging === null) return;
  for await (const page of journal.pairs(rolloutId)) {
    watch.copiedBefore += page.length;
    for (const pair of page) {
      judging.half('stable', pair, pair.stable);
      judging.half('canary', pair, pair.canary);
    }
  }
  const calls: (Assigned & Known)[] = [];
  for await (const page of journal.judgedCalls(rolloutId)) calls.push(...page.filter(({ step }) => step > 0));
  for (const call of calls.sort(byAssignment)) {
    judging.assigned(call);
    judging.sent(call, call.waitedUs);
    judging.known(call, call);
  }
}

/**
 * Fills the windows of routes from the ledger; null: of all models in it. The time for which criteria held begins
 * again, because no daemon saw what happened in between.
 */
export async function restoreWindows(
  routes: Routes,
  watches: readonly RouteWatch[] | null,
  journal: Pick<Journal, 'recentCalls'>,
  clock: Clock,
): Promise<void> {
  const now = clock.now();
  const isMeant = (watch: RouteWatch) => watches === null || watches.includes(watch);
  const policies = (watches ?? [...routes.all()]).map((watch) => watch.filePolicy);
  if (watches === null) policies.push(routes.policyOf('*'));
  const longest = Math.max(0, ...policies.map(({ criteria }) => criteria.window));
  const calls = await journal.recentCalls(Math.floor((now - longest) * 1_000));
  calls.sort((a, b) => a.arrivedAtUs - b.arrivedAtUs);
  // New windows are filled, because calls still arrive in the old ones, which take no calls from the past.
  const windows = new Map<RouteWatch, DemandWindow>();
  for (const call of calls) {
    const watch = call.model === null ? null : routes.watch(call.model);
    if (watch === null || !isMeant(watch)) continue;
    const window = windows.get(watch) ?? watch.newWindow();
    windows.set(watch, window);
    watch.shapes.add(call.shape);
    const counted = watches === null ? loggedConcurrencyCall(call) : null;
    if (counted !== null) watch.concurrency?.ended(counted);
    const at = call.arrivedAtUs / 1_000;
    if (assignedTo(call) === 'dedicated' || call.isRepeat || at < now - watch.filePolicy.criteria.window) continue;
    window.arrived(at, call.agent, call.isAgentDerived);
    if (call.outcome === 'rate_limited' || call.waitedUs >= DELAYED_US) window.refused(at);
  }
  for (const call of calls) {
    const window = call.model === null ? undefined : windows.get(routes.watch(call.model) as RouteWatch);
    if (assignedTo(call) === 'dedicated' || call.isRepeat || call.isBypass) continue;
    window?.ended(call.endedAtUs / 1_000, now, servedOf(call));
  }
  for (const watch of routes.all()) {
    if (!isMeant(watch)) continue;
    watch.window = windows.get(watch) ?? watch.newWindow();
    watch.window.interrupt(now);
  }
}

async function pinnedPolicy(rollout: Rollout, journal: Journal, routes: Routes): Promise<RoutePolicy> {
  const stored = await journal.policy(rollout.policyHash);
  const policy = stored === null ? null : readPolicy(stored.parsed, rollout.policyHash);
  return policy?.routes.find((route) => route.model === rollout.model) ?? routes.policyOf(rollout.model);
}
