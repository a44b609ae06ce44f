import { assignedTo, isBeyondLimit, isDelayed } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import type { DemandWindow } from '../core/criteria/demand-window.ts';
import { servedOf } from '../core/criteria/served-window.ts';
import { byAssignment } from '../core/judge/call-order.ts';
import type { RecordedCall } from '../core/judge/replay.ts';
import type { SeenTraffic } from '../core/learned.ts';
import { LONGEST_SUSTAIN_MS } from '../core/policy/back.ts';
import { policyOf } from '../core/policy/of-model.ts';
import type { RoutePolicy } from '../core/policy/policy.ts';
import { readPolicy } from '../core/policy/stored.ts';
import type { Rollout } from '../core/rollout/rollout.ts';
import { stateOf } from '../core/rollout/route-state.ts';
import type { HeldRollout, RouteRollouts, RouteState } from '../core/rollout/route-state.ts';
import type { LoggedCall } from '../ledger/calls/history.ts';
import type { EventPage } from '../ledger/journal/believe.ts';
import { differsFromFold, Fold, rowOf } from '../ledger/journal/fold.ts';
import type { Folded } from '../ledger/journal/fold.ts';
import type { Journal } from '../ledger/journal/journal.ts';
import type { LearnedRows } from './learned.ts';
import type { Log } from './log.ts';
import { loggedConcurrencyCall } from './route/concurrency-calls.ts';
import type { Judging } from './route/judging.ts';
import { restoreOverflow } from './route/overflow.ts';
import type { Routes } from './route/routes.ts';
import type { RouteWatch } from './route/watch.ts';
import { hasServingEndpoint, SHORT_HOLE_MS } from './route/worth.ts';

type StateJournal = Pick<Journal, 'sealedEvents' | 'openAsk' | 'policy'>;

/** So many calls may wait before the judge is asked to take them. */
const MOST_WAITING = 1_000;
/** How far back the traffic of a route is read, clock ms: a little longer than the history keeps. */
const LOAD_MS = LONGEST_SUSTAIN_MS + 900_000;

/**
 * Puts back what a restart forgot: rollouts with their pinned policies, open asks, figures and windows. Rollouts are made
 * from their events, and nothing is believed that the daemon has not sealed. Rejects with AppError `conflict` if another
 * program has changed what is needed, and with `invalid` if it cannot be read: without it nobody knows which endpoint
 * costs money.
 */
export async function restore(
  routes: Routes,
  journal: Journal,
  clock: Clock,
  { learned, log }: { readonly learned: Pick<LearnedRows, 'traffic'>; readonly log: Log },
): Promise<void> {
  await journal.checkHistory();
  const fold = await foldLedger(journal);
  for (const folded of fold.rollouts) await keepRow(folded, journal, log);
  for (const [model, rollouts] of fold.routes) routes.watch(model)?.enter(await held(rollouts, journal));
  for (const watch of routes.all()) {
    const { rollout } = watch;
    if (rollout === null) continue;
    for await (const page of journal.stepCalls(rollout.id)) {
      for (const call of page) watch.measures.restore(call.step, call.role, call);
    }
    await restoreJudging(watch, rollout.id, journal);
    await restoreWorth(watch, journal, clock, learned.traffic(watch.model));
  }
  await restoreWindows(routes, null, journal, clock);
  for (const watch of routes.all()) await restoreOverflow(watch, journal, clock.now());
  routes.rebuild();
}

/** What the ledger holds of the state of every route, by model. */
export async function storedStates(journal: StateJournal): Promise<ReadonlyMap<string, RouteState>> {
  const states = new Map<string, RouteState>();
  for (const [model, rollouts] of (await foldLedger(journal)).routes) states.set(model, await held(rollouts, journal));
  return states;
}

async function foldLedger(journal: Pick<Journal, 'sealedEvents'>): Promise<Fold> {
  const fold = new Fold();
  for (let after: number | null = 0; after !== null;) {
    const { events, next }: EventPage = await journal.sealedEvents(after);
    for (const event of events) fold.take(event);
    after = next;
  }
  return fold;
}

/** The state of a route that has these rollouts, with the policies and open questions that the ledger holds of them. */
async function held(rollouts: RouteRollouts, journal: StateJournal): Promise<RouteState> {
  const goesWith = new Map<string, Omit<HeldRollout, 'rollout'>>();
  for (const rollout of [rollouts.active, rollouts.replaced]) {
    if (rollout === null) continue;
    const policy = await pinnedPolicy(rollout, journal);
    goesWith.set(rollout.id, { policy, askId: await askIdOf(rollout, journal) });
  }
  return stateOf(rollouts, ({ id }) => goesWith.get(id) as Omit<HeldRollout, 'rollout'>);
}

/** Other commands and other parts of the daemon read the row, so a row that says something else is replaced. */
async function keepRow(folded: Folded, journal: Pick<Journal, 'rollout' | 'commit'>, log: Log): Promise<void> {
  const { id } = folded.rollout;
  const row = await journal.rollout(id);
  const what = row === null ? 'row' : differsFromFold(row, folded);
  if (what === null) return;
  log('error', 'the stored state of a rollout does not follow from its events: the events hold', { rollout: id, what });
  await journal.commit({ rollout: rowOf(folded), events: [], outcomes: [] });
}

async function askIdOf({ id, ask }: Rollout, journal: Pick<Journal, 'openAsk'>): Promise<number | null> {
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
  const minutes = await journal.callsPerMinute(watch.model, Math.max(knownSinceMs, nowMs - LOAD_MS));
  watch.restoreTraffic({ knownSinceMs, nowMs }, minutes);
}

/** Gives the judge of a rollout its calls and pairs again, in the same order as before. */
async function restoreJudging(watch: RouteWatch, rolloutId: string, journal: Journal): Promise<void> {
  const { judging } = watch.measures;
  if (judging === null) return;
  for await (const page of journal.pairs(rolloutId)) {
    watch.measures.restoreCopies(page.length);
    for (const pair of page) {
      judging.half('stable', pair, pair.stable);
      judging.half('canary', pair, pair.canary);
    }
  }
  // Calls come in the order of their arrival. A call that waits here was assigned later than it arrived, by the time that
  // its body took.
  let waiting: RecordedCall[] = [];
  for await (const page of journal.judgedCalls(rolloutId)) {
    const all = [...waiting, ...page.filter(({ step }) => step > 0)].sort(byAssignment);
    const untilUs = page.at(-1)?.arrivedAtUs ?? 0;
    const end = all.findIndex(({ assignedAtUs }) => assignedAtUs > untilUs);
    waiting = end < 0 ? [] : all.slice(end);
    hand(judging, end < 0 ? all : all.slice(0, end));
  }
  hand(judging, waiting);
}

/** Gives calls to the judge and lets it take them, so that they do not pile up before it. */
function hand(judging: Judging, calls: readonly RecordedCall[]): void {
  for (const call of calls) {
    judging.assigned(call);
    judging.sent(call, call.waitedUs);
    judging.known(call, call);
    if (judging.waiting >= MOST_WAITING) judging.advance(call.assignedAtUs);
  }
}

/**
 * Fills the windows of routes from the ledger, page by page; null: of all models in it. The time for which criteria held
 * begins again, because no daemon saw what happened in between.
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
  // New windows are filled, because calls still arrive in the old ones.
  const windows = new Map<RouteWatch, DemandWindow>();
  for await (const page of journal.recentCalls(Math.floor((now - longest) * 1_000))) {
    for (const call of page) {
      const watch = call.model === null ? null : routes.watch(call.model);
      if (watch === null || !isMeant(watch)) continue;
      const window = windows.get(watch) ?? watch.demand.newWindow();
      windows.set(watch, window);
      watch.restoreCall(call.shape, watches === null ? loggedConcurrencyCall(call) : null);
      count(window, call, now);
    }
  }
  for (const watch of routes.all()) {
    if (isMeant(watch)) watch.demand.refill(windows.get(watch) ?? watch.demand.newWindow(), now);
  }
}

/** Counts a call of the past as a window would have counted it that was there. */
function count(window: DemandWindow, call: LoggedCall, now: number): void {
  if (assignedTo(call) === 'dedicated' || call.isRepeat) return;
  window.arrivedLate(
    call.arrivedAtUs / 1_000,
    now,
    { agent: call.agent, isDerived: call.isAgentDerived },
    isBeyondLimit(call),
  );
  if (isDelayed(call)) window.wasRefused('delayed', call.arrivedAtUs / 1_000, now);
  if (servedOf(call).outcome === 'rate_limited' && !call.wasFull) {
    const endedAtMs = call.endedAtUs / 1_000;
    window.wasRefused('clients', endedAtMs, now);
    if (call.servedBy === null && !call.isBypass) window.wasRefused('here', endedAtMs, now);
  }
  if (!call.isBypass && !call.wasFull) window.ended(call.endedAtUs / 1_000, now, servedOf(call));
}

async function pinnedPolicy({ policyHash, model }: Rollout, journal: Pick<Journal, 'policy'>): Promise<RoutePolicy> {
  const { parsed } = await journal.policy(policyHash);
  return policyOf(readPolicy(parsed, policyHash), model);
}
