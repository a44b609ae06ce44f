import type { Clock } from '../../core/clock.ts';
import type { Decision, Reason } from '../../core/decide/decision.ts';
import type { EffectName, Frozen, Observation, OperatorRequest } from '../../core/decide/observation.ts';
import { withLastWords } from '../../core/decide/queued.ts';
import { errorMessage } from '../../core/errors.ts';
import type { Roles } from '../../core/roles/roles.ts';
import type { StatusReport } from '../../core/status.ts';
import type { Gateway } from '../../gateway/server.ts';
import type { JournalEntry } from '../../ledger/journal/entry.ts';
import type { Journal } from '../../ledger/journal/journal.ts';
import type { PendingRequest } from '../../ledger/journal/requests.ts';
import { learnedFacts } from '../learned.ts';
import type { LearnedRows } from '../learned.ts';
import type { Log } from '../log.ts';
import type { SpendingSource } from '../money/spending.ts';
import type { Routes } from '../route/routes.ts';
import { tellOverflow } from '../route/overflow.ts';
import type { RouteWatch } from '../route/watch.ts';
import { advance } from './advance.ts';
import type { AdvanceContext } from './advance.ts';
import { newRolloutId, observe } from './observe.ts';
import type { ObserveContext } from './observe.ts';
import { rollBackAtOnce, reconcile, ROLLBACK_PATIENCE_MS } from './reconcile.ts';
import type { RouteMemory } from './reconcile.ts';

export interface TicksOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly journal: Journal;
  readonly routes: Routes;
  readonly gateway: ObserveContext['gateway'] & Pick<Gateway, 'learned' | 'told'>;
  readonly learned: LearnedRows;
  readonly account: () => Observation['account'];
  /** Who may ask for what. */
  readonly roles: () => Roles;
  /** The policy file as it was last read. */
  readonly policy: () => NonNullable<JournalEntry['policy']>;
  readonly spending: SpendingSource;
  /** What the calls of a route cost on either side; null if that is unknown. */
  readonly costs: AdvanceContext['costs'];
  readonly begin: (watch: RouteWatch, effect: EffectName) => void;
  readonly report: () => StatusReport;
  readonly wake: () => void;
}

/**
 * Carries out ticks: first every route, those with a rollout before the others, then the status and what was learned.
 */
export class Ticks {
  readonly #options: TicksOptions;
  readonly #memories = new WeakMap<RouteWatch, RouteMemory>();
  readonly #faulty = new Set<RouteWatch>();
  #isStatusStale = false;
  #areRequestsUnread = false;
  #frozen: Frozen | null = null;

  constructor(options: TicksOptions) {
    this.#options = options;
  }

  /** One tick. */
  async tick(): Promise<void> {
    const { routes, log } = this.#options;
    const requests = await this.pendingRequests();
    // A person may name a model that nobody has called yet.
    for (const { rolloutId, model } of requests) if (rolloutId === null && model !== null) routes.watch(model);
    const isIdleRoute = (watch: RouteWatch) => Number(watch.rollout === null);
    for (const watch of [...routes.all()].sort((a, b) => isIdleRoute(a) - isIdleRoute(b))) {
      const mine = withLastWords(requests.filter((request) => request.model === watch.model));
      if (routes.isIdle(watch) && mine.length === 0) continue;
      try {
        // Each decision may make the next one possible. The limit prevents an endless loop.
        for (let i = 0; i < 10; i++) {
          const request = mine.shift() ?? null;
          if (!(await this.#reconcileRoute(watch, request)) && mine.length === 0) break;
        }
      } catch (error) {
        log('error', 'tick failed', { model: watch.model, error: errorMessage(error) });
      }
    }
    await this.#saveStatus();
  }

  /** Saves the status and what was learned. If that fails it is logged once, until it succeeds again. */
  async #saveStatus(): Promise<void> {
    try {
      const report = this.#options.report();
      const { journal, learned, routes, gateway } = this.#options;
      await journal.saveStatus(JSON.stringify(report), report.at);
      await learned.save(learnedFacts(routes, gateway), journal, report.at);
      this.#isStatusStale = false;
    } catch (error) {
      if (!this.#isStatusStale) this.#options.log('warn', 'status cannot be saved', { error: errorMessage(error) });
      this.#isStatusStale = true;
    }
  }

  /** The operators' requests; none if the ledger cannot be read, because a tick may still have to roll back. */
  async pendingRequests(): Promise<readonly PendingRequest[]> {
    const { clock, journal, log, roles } = this.#options;
    try {
      const { requests, frozen, notes, news } = await journal.pendingRequests(
        clock.scale === 1 ? null : clock.now(),
        roles(),
      );
      this.#areRequestsUnread = false;
      this.#frozen = frozen;
      for (const note of notes) log('warn', note);
      for (const line of news) log('info', line);
      return requests;
    } catch (error) {
      if (!this.#areRequestsUnread) log('error', 'requests cannot be read', { error: errorMessage(error) });
      this.#areRequestsUnread = true;
      return [];
    }
  }

  /**
   * The endpoint failed several times in a row: starts a tick, and rolls back in memory if the tick waits for the
   * ledger.
   */
  faulted(watch: RouteWatch): void {
    this.#options.wake();
    if (this.#faulty.has(watch)) return;
    this.#faulty.add(watch);
    const timer = setTimeout(() => {
      this.#faulty.delete(watch);
      const changed = () => this.#options.routes.rebuild();
      rollBackAtOnce(watch, { advance: this.#advance, observe: this.#observe, changed });
    }, ROLLBACK_PATIENCE_MS);
    timer.unref();
  }

  readonly #advance = (watch: RouteWatch): void => {
    advance(watch, this.#options);
    tellOverflow(watch, this.#options.gateway);
  };

  readonly #observe = (watch: RouteWatch, request: OperatorRequest | null): Observation => {
    const { clock, gateway, account, policy, spending, costs } = this.#options;
    const { hash } = policy();
    return observe(watch, request, {
      clock,
      gateway,
      account: account(),
      policyHash: watch.rollout?.policyHash ?? hash,
      filePolicyHash: hash,
      spending: spending.of(watch),
      newRolloutId: newRolloutId(),
      costs: costs(watch),
      frozen: this.#frozen,
    });
  };

  async #reconcileRoute(watch: RouteWatch, request: OperatorRequest | null): Promise<boolean> {
    const memory = this.memory(watch);
    const before = memory.key;
    await this.#options.spending.refresh(watch, Math.floor(this.#options.clock.now()));
    const isDone = await reconcile(watch, memory, request, {
      clock: this.#options.clock,
      journal: this.#options.journal,
      advance: this.#advance,
      observe: this.#observe,
      policyRecord: this.#options.policy,
      begin: this.#options.begin,
      changed: () => this.#options.routes.rebuild(),
    });
    if (memory.key !== before) logNews(watch.model, memory.decision, this.#options.log);
    return isDone;
  }

  /** The freeze of all routes; null if there is none. */
  get frozen(): Frozen | null {
    return this.#frozen;
  }

  /** What was last decided about a route. */
  memory(watch: RouteWatch): RouteMemory {
    let memory = this.#memories.get(watch);
    if (memory === undefined) {
      memory = { decision: null, notes: [], decidedAt: 0, key: '', writtenAt: 0, ticks: 0 };
      this.#memories.set(watch, memory);
    }
    return memory;
  }
}

const NEWS: Partial<Record<Reason, 'warn' | 'error'>> = {
  proposal_expired: 'warn',
  budget_low: 'warn',
  budget_nearly_used: 'warn',
  over_budget: 'warn',
  stable_unable: 'error',
};

/**
 * Logs what nobody may be looking at `status` for: decisions about money and a proposal that has expired as warnings, and an
 * endpoint that traffic cannot leave as an error.
 */
function logNews(model: string, decision: Decision | null, log: Log): void {
  const level = decision === null ? undefined : NEWS[decision.reason];
  if (decision === null || level === undefined) return;
  const { action, reason, detail } = decision;
  log(level, reason.replaceAll('_', ' '), { model, action, detail });
}
