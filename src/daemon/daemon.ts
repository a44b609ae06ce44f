import { GATEWAY_ID } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import type { StatusReport } from '../core/status.ts';
import { isLoopback } from '../files/environment.ts';
import type { Environment } from '../files/environment.ts';
import { loadPolicy } from '../files/policy.ts';
import { createGateway } from '../gateway/server.ts';
import type { Gateway } from '../gateway/server.ts';
import { createEndpointsClient } from '../huggingface/management/endpoints.ts';
import type { EndpointsClient } from '../huggingface/management/endpoints.ts';
import { createHubClient } from '../huggingface/hub/hub.ts';
import type { HubClient } from '../huggingface/hub/hub.ts';
import { useProxies } from '../huggingface/proxy.ts';
import { openLedger } from '../ledger/open.ts';
import type { Ledger } from '../ledger/open.ts';
import { alsoCounted, createAdmin } from './admin.ts';
import type { Admin } from './admin.ts';
import { bypassTaker } from './bypass.ts';
import { Account } from './effects/account.ts';
import type { EffectContext } from './effects/context.ts';
import { beginEffect, readEndpoints } from './effects/effects.ts';
import { experienceOf, learnFrom } from './effects/learn.ts';
import { takeSurvey } from './effects/survey.ts';
import { Sweeper } from './effects/sweeper.ts';
import { LearnedRows } from './learned.ts';
import type { Log } from './log.ts';
import { Loop, perClock } from './loop.ts';
import { RouteCosts } from './money/costs.ts';
import { BookedSpending } from './money/spending.ts';
import { PolicyFile } from './policy-file.ts';
import { logProxies } from './proxies.ts';
import { reportDaemon } from './report.ts';
import { restore, restoreWindows } from './restore.ts';
import { RolesFile } from './roles.ts';
import { Routes } from './route/routes.ts';
import { Ticks } from './tick/ticks.ts';
import { keepUp } from './upkeep.ts';

/** How often, in real time, the daemon looks for operators' requests. */
const REQUESTS_EVERY_MS = 100;
/** How often, in clock time, the daemon reads the state of endpoints, checks the account and reads the policy file. */
const ENDPOINT_EVERY_MS = 5_000;
const ACCOUNT_EVERY_MS = 30_000;
const POLICY_EVERY_MS = 5_000;
/** How often, in clock time, the daemon reads from the cost records what a call costs. */
const COSTS_EVERY_MS = 300_000;
/** How often, in clock time, the daemon looks for endpoints that no rollout uses. */
const SWEEP_EVERY_MS = 300_000;
const DRAIN_MS = 30_000;

export interface DaemonOptions {
  readonly dbPath: string;
  /** The key that signs what is sealed in the ledger; without it, the one beside the ledger. */
  readonly keyPath?: string | undefined;
  readonly policyPath: string;
  readonly port: number;
  /** Where the gateway listens: 127.0.0.1 (by default) or ::1. */
  readonly host?: string;
  readonly adminPort: number;
  readonly version: string;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly log: Log;
  /** Its members may approve, too; nobody else by default. */
  readonly group?: string | undefined;
  /** How long calls may take to end after the daemon begins to close, in real ms; 30 s by default. */
  readonly drainMs?: number;
}

/** What is there before a daemon. */
interface Given {
  readonly policy: PolicyFile;
  readonly roles: RolesFile;
  readonly ledger: Ledger;
  readonly hub: HubClient;
  readonly account: Account;
  readonly learned: LearnedRows;
}

/** Connects all parts of the daemon; nothing else does. Call `open`, `run` and `close` in this order. */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #ledger: Ledger;
  readonly #routes: Routes;
  readonly #gateway: Gateway;
  readonly #admin: Admin;
  readonly #endpoints: EndpointsClient;
  readonly #hub: HubClient;
  readonly #account: Account;
  readonly #loop: Loop;
  readonly #costs: RouteCosts;
  readonly #ticks: Ticks;
  readonly #sweeper: Sweeper;
  readonly #policy: PolicyFile;
  readonly #roles: RolesFile;
  readonly #startedAt: number;
  #ports = { gateway: 0, admin: 0 };

  /**
   * Checks the policy, the token and the database, restores what a former process left, and begins to serve. Throws
   * AppError before anything is served: `invalid` or `unauthorized` if the configuration or the ledger is wrong,
   * `conflict` if a port is in use or another daemon holds the ledger.
   */
  static async open(options: DaemonOptions): Promise<Daemon> {
    const { dbPath, environment, log } = options;
    const policy = new PolicyFile(await loadPolicy(options.policyPath), log);
    const roles = new RolesFile(dbPath, options.group ?? null, log);
    roles.warnAbout(policy.loaded.policy);
    const hub = createHubClient({ hubUrl: environment.hubUrl, token: environment.token });
    useProxies(environment.proxies);
    logProxies(environment, log);
    const account = new Account(hub, environment.token, log);
    await account.check();
    await using undo = new AsyncDisposableStack();
    const ledger = await openLedger(dbPath, options);
    for (const warning of ledger.warnings) log('warn', warning);
    undo.defer(() => ledger.close());
    const learned = await LearnedRows.read(ledger.journal, log);
    const daemon = new Daemon(options, { policy, roles, ledger, hub, account, learned });
    undo.defer(() => daemon.#admin.close());
    undo.defer(() => daemon.#gateway.close());
    await restore(daemon.#routes, ledger.journal, options.clock, { learned, log });
    await daemon.#costs.read(daemon.#routes.all());
    daemon.#ports.admin = (await daemon.#admin.listen(options.adminPort)).port;
    daemon.#ports.gateway = (await daemon.#gateway.listen(options.port, options.host)).port;
    undo.move();
    return daemon;
  }

  private constructor(options: DaemonOptions, given: Given) {
    const { environment, clock, log } = options;
    const { policy, ledger } = given;
    this.#options = options;
    this.#policy = policy;
    this.#roles = given.roles;
    this.#ledger = ledger;
    this.#hub = given.hub;
    this.#account = given.account;
    this.#loop = new Loop(() => this.#ticks.tick(), log);
    this.#startedAt = clock.now();
    this.#routes = new Routes(
      policy.loaded.policy,
      clock,
      (watch) => this.#ticks.faulted(watch),
      (model) => given.learned.route(model),
      (watch, figures) => this.#costs.ofDemand(watch, figures),
    );
    this.#admin = createAdmin(
      () => this.report(),
      (model) => this.#routes.isListed(model),
    );
    this.#endpoints = createEndpointsClient({ baseUrl: environment.endpointsUrl, token: environment.token });
    this.#gateway = this.#newGateway(given.learned);
    const spending = new BookedSpending(ledger.journal);
    this.#costs = new RouteCosts({
      clock,
      journal: ledger.journal,
      spending,
      survey: (watch) => takeSurvey(watch, this.#effectContext(), this.#loop.signal),
      log,
    });
    this.#sweeper = new Sweeper({
      clock,
      log,
      ledgerId: ledger.id,
      journal: ledger.journal,
      endpoints: this.#endpoints,
      policy: () => this.#policy.loaded,
      signal: this.#loop.signal,
    });
    this.#ticks = this.#newTicks(given.learned, spending);
  }

  #newGateway(learned: LearnedRows): Gateway {
    const { environment, clock, log } = this.#options;
    const { calls, bypass, agentSalt } = this.#ledger;
    return createGateway({
      gatewayId: GATEWAY_ID,
      table: () => this.#routes.table,
      routerUrl: environment.routerUrl,
      token: environment.token,
      proxies: environment.proxies,
      settings: () => this.#policy.loaded.policy.gateway,
      clock,
      recorder: calls,
      observer: alsoCounted(this.#routes, this.#admin),
      takeBypassed: bypassTaker(bypass, this.#routes, log),
      learned: [...learned.lanes()],
      agentSalt,
      log,
    });
  }

  #newTicks(learned: LearnedRows, spending: BookedSpending): Ticks {
    const { clock, log } = this.#options;
    return new Ticks({
      clock,
      log,
      journal: this.#ledger.journal,
      routes: this.#routes,
      gateway: this.#gateway,
      learned,
      account: () => this.#account.state,
      roles: () => this.#roles.roles,
      policy: () => this.#policy.loaded,
      spending,
      costs: (watch) => this.#costs.ofRoute(watch),
      begin: (watch, effect) => this.#loop.inBackground(beginEffect(watch, effect, this.#effectContext())),
      report: () => this.report(),
      wake: () => this.#loop.wake(),
    });
  }

  get ports(): { readonly gateway: number; readonly admin: number } {
    return this.#ports;
  }

  /** Starts the ticks and all other repeated work. Returns at once. */
  run(): void {
    const { clock } = this.#options;
    this.#loop.start();
    this.#loop.every(REQUESTS_EVERY_MS, () => this.#lookForRequests());
    this.#loop.every(perClock(ENDPOINT_EVERY_MS, clock), () =>
      readEndpoints(this.#routes.all(), this.#effectContext()),
    );
    this.#loop.every(perClock(ACCOUNT_EVERY_MS, clock), () => this.#account.check());
    this.#loop.inBackground(this.#sweep());
    this.#loop.every(perClock(SWEEP_EVERY_MS, clock), () => this.#sweep());
    this.#loop.every(perClock(POLICY_EVERY_MS, clock), () => this.#reloadFiles());
    this.#loop.every(perClock(COSTS_EVERY_MS, clock), () => this.#costs.refresh(this.#routes.all()));
    keepUp(this.#loop, {
      ...this.#options,
      ...this.#ledger,
      endpoints: this.#endpoints,
      policy: () => this.#policy.loaded.policy,
      checkpointed: (checkpoint) => this.#admin.checkpointed(checkpoint),
    });
  }

  /** Stops deciding, gives running calls some time to end, cuts off the rest, and closes the ledger. */
  async close(): Promise<{ cut: number }> {
    await this.#loop.stop();
    const { cut } = await this.#gateway.drain(this.#options.drainMs ?? DRAIN_MS);
    await this.#loop.settled();
    await this.#gateway.close();
    await this.#admin.close();
    await this.#ledger.close();
    return { cut };
  }

  report(): StatusReport {
    return reportDaemon({
      ...this.#options,
      startedAt: this.#startedAt,
      ports: this.#ports,
      policy: this.#policy,
      account: this.#account,
      ledger: this.#ledger,
      gateway: this.#gateway,
      routes: this.#routes,
      memory: (watch) => this.#ticks.memory(watch),
      endpoints: this.#sweeper.notes,
      frozen: this.#ticks.frozen,
    });
  }

  #effectContext(): EffectContext {
    return {
      clock: this.#options.clock,
      endpoints: this.#endpoints,
      hub: this.#hub,
      token: this.#options.environment.token,
      isLocalApi: isLoopback(this.#options.environment.endpointsUrl),
      ledgerId: this.#ledger.id,
      learn: (model, upstream) => learnFrom(this.#ledger.journal, { model, upstream }, this.#options.clock),
      experience: (model, namespace) => experienceOf(this.#ledger.journal, { model, namespace }, this.#options.clock),
      signal: this.#loop.signal,
      wake: () => this.#loop.wake(),
      log: this.#options.log,
    };
  }

  /** Without a token the management API refuses every request. */
  async #sweep(): Promise<void> {
    if (this.#options.environment.token !== null) await this.#sweeper.sweep();
  }

  async #lookForRequests(): Promise<void> {
    // On a faster clock a tick a second is too slow, so each look for requests also ticks.
    if (this.#options.clock.scale > 1) return this.#loop.tick();
    if ((await this.#ticks.pendingRequests()).length > 0) this.#loop.wake();
  }

  async #reloadFiles(): Promise<void> {
    this.#roles.reload();
    if (!(await this.#policy.reload())) return;
    const added = this.#routes.adopt(this.#policy.loaded.policy);
    await restoreWindows(this.#routes, added, this.#ledger.journal, this.#options.clock);
  }
}
