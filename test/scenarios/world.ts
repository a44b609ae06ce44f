import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { knownAfterUs } from '../../src/core/call.ts';
import type { LaneKey, LaneStatus } from '../../src/core/care/lane-status.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { DemandCosts } from '../../src/core/criteria/criteria.ts';
import type { Costs } from '../../src/core/worth/traffic-history.ts';
import { decideAgain } from '../../src/core/decide-again.ts';
import { CORE_VERSION } from '../../src/core/decide/decision.ts';
import type {
  EffectName,
  EndpointSeen,
  Frozen,
  Observation,
  OperatorRequest,
} from '../../src/core/decide/observation.ts';
import type { BudgetPolicy } from '../../src/core/policy/budget.ts';
import { NO_BUDGET } from '../../src/core/policy/budget.ts';
import type { Policy, RoutePolicy } from '../../src/core/policy/policy.ts';
import { parsePolicy } from '../../src/core/policy/parse.ts';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import type { Alternative } from '../../src/core/rollout/instances.ts';
import type { RolloutEvent } from '../../src/core/rollout/event.ts';
import { evolve } from '../../src/core/rollout/evolve.ts';
import { advance } from '../../src/daemon/tick/advance.ts';
import { observe } from '../../src/daemon/tick/observe.ts';
import type { RouteMemory } from '../../src/daemon/tick/reconcile.ts';
import { reconcile } from '../../src/daemon/tick/reconcile.ts';
import { learnedFacts, LearnedRows } from '../../src/daemon/learned.ts';
import { reportRoute } from '../../src/daemon/report.ts';
import { restore, storedStates } from '../../src/daemon/restore.ts';
import { Routes } from '../../src/daemon/route/routes.ts';
import { NOTHING_LEARNED } from '../../src/daemon/route/learned-route.ts';
import type { RouteWatch } from '../../src/daemon/route/watch.ts';
import { verifyAudit } from '../../src/ledger/journal/audit.ts';
import type { JournalEntry } from '../../src/ledger/journal/entry.ts';
import type { Ledger } from '../../src/ledger/open.ts';
import { openForReading } from '../../src/ledger/open.ts';
import { MODEL, PROFILE, START, WARM, SURVEY } from '../support/samples.ts';
import { openInThread } from '../support/in-thread.ts';
import { SpendingEstimate } from '../support/spending.ts';
import { makeLane } from '../cli/reports.ts';
import { say } from '../support/words.ts';
import type { Traffic } from './traffic.ts';
import { explainPage, statusPage } from './pages.ts';
import { makeCall } from './traffic.ts';

const SECOND = 1_000;

const GATEWAY = {
  inFlight: () => [],
  learned: () => [],
  shadowCounts: () => ({ sent: 0, inFlight: 0, busy: 0, excluded: 0, usedUp: 0 }),
  endpointLoad: () => null,
};

type OpenLedger = ReturnType<typeof openInThread>;

/**
 * The daemon's own watch, observation, tick and restart over a real ledger, with a clock that the scenario moves. It
 * has no gateway and no Hugging Face: `traffic.ts` makes the calls, and the scenario says how effects end.
 */
export class World {
  readonly #folder = mkdtempSync(join(tmpdir(), 'upshift-scenario-'));
  readonly #dbPath = join(this.#folder, 'upshift.db');
  readonly #clock: Clock = { now: () => this.now, sleep: () => Promise.reject(new Error('nobody sleeps')), scale: 1 };
  #policy: Policy;
  #policyRecord: NonNullable<JournalEntry['policy']>;
  #ledger: OpenLedger | null = null;
  #routes: Routes;
  #learned: LearnedRows | null = null;
  #memory: RouteMemory = newMemory();
  #spending = new SpendingEstimate();
  #account: Observation['account'] = 'ok';
  #isWoken = false;
  #costs: Costs | null = null;
  #frozen: Frozen | null = null;
  #lanes: (LaneKey & LaneStatus)[] = [];
  #calls = 0;
  #rollouts = 0;
  #shown = '';
  #last: JournalEntry | null = null;
  #weight = 0;
  now = START;
  /** What the demand of the window costs on either side; null: not known. */
  demandCosts: DemandCosts | null = null;
  /** What the survey says may be tried next. */
  alternatives: readonly Alternative[] = [];
  /** The decisions since the lines were last taken, one line each. */
  lines: string[] = [];

  /** `policy`: one route's settings, as in a policy file. */
  constructor(policy: object) {
    const text = JSON.stringify({ routes: [{ model: MODEL, ...policy }] });
    const parsed = parsePolicy(JSON.parse(text));
    if (!parsed.ok)
      throw new Error(parsed.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'));
    this.#policy = parsed.policy;
    this.#policyRecord = recordOf(text, parsed.policy);
    this.#routes = this.#newRoutes(null);
  }

  get watch(): RouteWatch {
    return this.#routes.watch(MODEL) as RouteWatch;
  }

  get policy(): RoutePolicy {
    return this.watch.policy;
  }

  get #open(): OpenLedger {
    if (this.#ledger === null) throw new Error('the ledger is not open');
    return this.#ledger;
  }

  async open(): Promise<this> {
    this.#ledger = openInThread(this.#dbPath, this.now);
    const { journal } = this.#ledger;
    const learned = await LearnedRows.read(journal, () => undefined);
    this.#learned = learned;
    this.#routes = this.#newRoutes(learned);
    const log = (_: string, message: string) => assert.fail(message);
    await restore(this.#routes, journal, this.#clock, { learned, log });
    return this;
  }

  /** Makes evenly spread calls, with one tick a second. */
  async call(count: number, spanMs: number, traffic: Traffic): Promise<void> {
    const began = this.now;
    for (let i = 0; i < count; i++) {
      await this.#passTo(began + ((i + 0.5) * spanMs) / count, SECOND);
      this.#callOnce(traffic);
      if (this.#isWoken) await this.tick();
      // The ledger drops waiting rows beyond a bound, and these calls come faster than a busy machine writes them.
      if (this.#open.calls.pending >= 1_000) await this.#open.calls.flush(600_000);
    }
    await this.#passTo(began + spanMs, SECOND);
  }

  /** Lets time pass without calls: a tick a second, or six hundred ticks if it is long. */
  async pass(ms: number): Promise<void> {
    await this.#passTo(this.now + ms, Math.max(SECOND, ms / 600));
  }

  async #passTo(at: number, everyMs: number): Promise<void> {
    for (let next = this.now - ((this.now - START) % everyMs) + everyMs; next <= at; next += everyMs) {
      this.now = next;
      await this.tick();
    }
    this.now = at;
  }

  #callOnce(traffic: Traffic): void {
    const { canary } = this.#routes.table.routes.get(MODEL) ?? { canary: null };
    const { arrival, call } = makeCall(this.#calls++, this.now, MODEL, canary, traffic);
    this.#routes.arrived(arrival);
    this.#routes.sent(arrival);
    const [first] = call.attempts;
    if (first !== undefined && first.outcome !== 'ok') {
      this.#routes.failed(arrival, first.outcome, first.upstream, knownAfterUs(first, null), '');
    }
    this.#routes.ended(call);
    this.#open.calls.record(call, () => undefined);
  }

  /** One tick as in the daemon: it decides again as long as something was done. */
  async tick(): Promise<void> {
    this.#isWoken = false;
    await this.#reconcile([]);
  }

  async #reconcile(requests: OperatorRequest[]): Promise<void> {
    for (let i = 0; i < 10; i++) {
      const request = requests.shift() ?? null;
      if (!(await this.#reconcileOnce(request)) && requests.length === 0) return;
    }
    throw new Error('ten decisions in one tick');
  }

  async #reconcileOnce(request: OperatorRequest | null): Promise<boolean> {
    await this.#spending.refresh(this.watch, Math.floor(this.now));
    const { hash } = this.#policyRecord;
    const gateway = { ...GATEWAY, lanes: () => this.#lanes };
    const before = this.watch.state;
    const isDone = await reconcile(this.watch, this.#memory, request, {
      clock: this.#clock,
      journal: { commit: (entry) => this.#commit(entry) },
      advance: (watch) => advance(watch, { clock: this.#clock, gateway, costs: () => this.#costs }),
      observe: (watch, wish) =>
        observe(watch, wish, {
          clock: this.#clock,
          gateway,
          account: this.#account,
          policyHash: watch.rollout?.policyHash ?? hash,
          filePolicyHash: hash,
          spending: this.#spending.of(watch),
          newRolloutId: `rollout${this.#rollouts}`,
          costs: this.#costs,
          frozen: this.#frozen,
        }),
      policyRecord: () => this.#policyRecord,
      begin: (watch, effect) => {
        watch.reported.began(effect);
        this.lines.push(`        begins ${effect}`);
      },
      changed: () => this.#showWeight(),
    });
    if (this.watch.state !== before) await this.#checkState();
    return isDone;
  }

  /** The state is what a process that starts now makes of the ledger. */
  async #checkState(): Promise<void> {
    const stored = (await storedStates(this.#open.journal)).get(MODEL);
    assert.deepEqual(stored, this.watch.state);
  }

  async #commit(entry: JournalEntry): ReturnType<Ledger['journal']['commit']> {
    const committed = await this.#open.journal.commit(entry);
    if (entry.decision !== undefined) this.#last = entry;
    const { decision, rollout } = entry;
    if (entry.events.some(({ type }) => type === 'proposed')) this.#rollouts++;
    const key = `${decision?.action} ${decision?.reason} ${rollout?.phase}`;
    if (decision !== undefined && (decision.action !== 'wait' || key !== this.#shown)) {
      const { detail } = JSON.parse(decision.output) as { detail: string };
      this.lines.push(`${this.#elapsed()} ${decision.action} ${decision.reason}: ${detail}`);
    }
    this.#shown = key;
    for (const { result, message } of entry.outcomes) this.lines.push(`        request ${result}: ${message}`);
    return committed;
  }

  /** The endpoint's share of calls, whichever role it has. */
  #showWeight(): void {
    this.#routes.rebuild();
    const canary = this.#routes.table.routes.get(MODEL)?.canary ?? null;
    const weight = canary === null ? 0 : canary.toward === 'serverless' ? 1 - canary.weight : canary.weight;
    if (weight !== this.#weight) this.lines.push(`        weight ${Math.round(weight * 100)} %`);
    this.#weight = weight;
  }

  #elapsed(): string {
    const seconds = Math.floor((this.now - START) / 1_000);
    const two = (value: number) => String(value).padStart(2, '0');
    return `${Math.floor(seconds / 3_600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  }

  /** Says a word as the command line does, and lets the daemon hear it. `askId`: the open one unless given. */
  async request(kind: OperatorRequest['kind'], reason: string | null, askId?: number): Promise<void> {
    const { watch } = this;
    const rollout = watch.rollout ?? watch.state.last;
    const needsAsk = kind === 'approve' || kind === 'reject';
    const asked = needsAsk ? (askId ?? watch.state.active?.askId ?? null) : null;
    const step = kind === 'over_evidence' && rollout !== null && 'step' in rollout ? rollout.step + 1 : null;
    say(this.#dbPath, { kind, rolloutId: rollout?.id ?? 'none', askId: asked, step, reason });
    await this.#answer();
    await this.#answer();
  }

  /** Lets the daemon hear what it has not answered yet. */
  hear(): Promise<void> {
    return this.#answer();
  }

  /** Says something about the whole route, or about all routes. */
  async requestOfRoute(kind: 'freeze' | 'thaw' | 'resume' | 'propose', reason: string | null): Promise<void> {
    const isOfAll = kind === 'freeze' || kind === 'thaw';
    say(this.#dbPath, { kind, rolloutId: null, model: isOfAll ? null : MODEL, reason });
    await this.#answer();
    await this.#answer();
  }

  async #answer(): Promise<void> {
    const { requests, frozen, notes } = await this.#open.journal.pendingRequests(this.now);
    this.#frozen = frozen;
    assert.deepEqual(notes, []);
    await this.#reconcile([...requests]);
  }

  /** Changes the budget in the policy file; a rollout keeps the policy that it pinned. */
  setBudget(budget: Partial<BudgetPolicy>): Promise<void> {
    return this.#edit({ budget: { ...NO_BUDGET, ...budget } });
  }

  /** Takes the windows out of the policy file. */
  openWindows(): Promise<void> {
    return this.#edit({ windows: [] });
  }

  async #edit(change: Partial<RoutePolicy>): Promise<void> {
    const { watch } = this;
    const route = { ...watch.filePolicy, ...change };
    watch.adopt(route, this.now);
    this.#policy = { ...this.#policy, routes: [route] };
    this.#policyRecord = recordOf(JSON.stringify(route), this.#policy);
    await this.tick();
  }

  /** Sets how many calls serverless takes in five minutes; null: not known. */
  async setLimit(limit: number | null): Promise<void> {
    this.#lanes = limit === null ? [] : [{ model: MODEL, provider: '', limit } as LaneKey & LaneStatus];
    await this.tick();
  }

  /** Serverless is out, or is back. */
  async setOut(isOut: boolean): Promise<void> {
    this.#lanes = [makeLane({ model: MODEL, isOut })];
    await this.tick();
  }

  /** Sets the demand at which both upstreams cost the same; null: not known. */
  async setBreakEven(callsPerMinute: number | null): Promise<void> {
    const prices = { serverlessPerHourMicros: 900_000, dedicatedPerHourMicros: 1_300_000 };
    this.#costs = callsPerMinute === null ? null : { ...prices, breakEvenCallsPerMinute: callsPerMinute };
    await this.tick();
  }

  async setAccount(account: Observation['account']): Promise<void> {
    this.#account = account;
    await this.tick();
  }

  /** The daemon's next reading of the endpoint. */
  async see(
    state: EndpointSeen['state'],
    isHealthy: boolean,
    ready?: number,
    message: string | null = null,
  ): Promise<void> {
    this.watch.reported.saw({ ...this.#endpoint(state, isHealthy, ready), message });
    await this.tick();
  }

  #endpoint(state: EndpointSeen['state'], isHealthy: boolean, ready?: number): EndpointSeen {
    return {
      at: this.now,
      state,
      url: state === 'running' ? WARM.url : null,
      isHealthy,
      badReadings: 0,
      isOurs: true,
      message: null,
      readyReplica: ready ?? null,
      targetReplica: ready ?? null,
      scaling: null,
    };
  }

  /** Ends an effect that is under way, with success (`ok`) or with this problem. */
  async finish(effect: EffectName, outcome: 'ok' | { readonly code: string; readonly message: string }): Promise<void> {
    const { reported, shapes } = this.watch;
    if (!reported.isRunning(effect)) throw new Error(`${effect} is not under way`);
    const isFine = outcome === 'ok';
    const problem = isFine ? null : { code: outcome.code as 'conflict', message: outcome.message, hint: null };
    const warmed = { endpoint: { ...WARM, shapes: [...shapes] }, failed: [], profile: PROFILE };
    reported.ended({
      effect,
      at: this.now,
      problem,
      ...(effect === 'warm' && isFine && { warmed }),
      ...(effect === 'learn' && isFine && { learned: PROFILE }),
    });
    if (isFine && effect === 'ensure') reported.saw(this.#endpoint('pending', false));
    if (isFine && effect === 'pause') reported.saw(this.#endpoint('paused', false));
    if (isFine && effect === 'delete') reported.saw(this.#endpoint('absent', false));
    if (isFine && effect === 'rescale') reported.saw(this.#endpoint('updating', false));
    if (isFine && effect === 'sleep') reported.saw(this.#endpoint('scaledToZero', false));
    if (isFine && effect === 'wake') reported.saw(this.#endpoint('initializing', false));
    await this.tick();
  }

  /** Ends the survey that is under way with this result. */
  async survey(pricePerHour: number, problem: string | null): Promise<void> {
    const { alternatives, now: at } = this;
    const next = alternatives.length === 0 ? {} : { alternatives };
    const price = { pricePerHourMicros: pricePerHour * 1_000_000 };
    this.watch.reported.surveyed({ ...SURVEY, at, ...price, problem, ...next });
    await this.finish('survey', 'ok');
  }

  /** Ends the process and starts another one, which knows only what is in the ledger. */
  async restart(): Promise<void> {
    await this.#learned?.save(learnedFacts(this.#routes, GATEWAY), this.#open.journal, this.now);
    await this.#open.close();
    this.#ledger = null;
    this.#memory = newMemory();
    this.#spending = new SpendingEstimate();
    this.#shown = '';
    await this.open();
    this.#frozen = (await this.#open.journal.pendingRequests(this.now)).frozen;
    this.#showWeight();
    await this.tick();
  }

  /** The page of `status`. */
  status(): string[] {
    const { now } = this;
    const { hash: filePolicyHash } = this.#policyRecord;
    const route = reportRoute(this.watch, this.#memory, { gateway: GATEWAY, filePolicyHash });
    return statusPage(route, { now, lanes: this.#lanes, ...(this.#frozen !== null && { frozen: this.#frozen }) });
  }

  /** The page of `explain` about the decision that was stored last. */
  explain(): string[] {
    return this.#last === null ? [] : explainPage(this.#last);
  }

  /** The figures of both roles at the rollout's step. */
  figures(): string {
    const { rollout } = this.watch;
    const step = rollout !== null && 'step' in rollout ? rollout.step : 0;
    const { stable, canary } = this.watch.measures.figures(step, { stable: 0, canary: 0 });
    const roleText = (name: string, { assigned, decided, faults, refused, p95 }: typeof stable) =>
      `${name} ${assigned} assigned, ${decided} decided, ${faults} faults, ${refused} refused, p95 ${p95 ?? 'none'} ms`;
    return `        step ${step}: ${roleText('stable', stable)}; ${roleText('canary', canary)}`;
  }

  /** Closes the ledger and checks what must be true after every scenario. */
  async check(): Promise<void> {
    await this.#ledger?.close();
    this.#ledger = null;
    const db = openForReading(this.#dbPath);
    try {
      const audit = verifyAudit(db, (input) => decideAgain(input), CORE_VERSION);
      assert.deepEqual(audit.problems, []);
      assert.equal(audit.rerun, audit.decisions);
      assert.equal(db.prepare('SELECT count(*) FROM calls').pluck().get(), this.#calls);
      const unanswered = 'SELECT count(*) FROM requests WHERE id NOT IN (SELECT request_id FROM request_outcomes)';
      assert.equal(db.prepare(unanswered).pluck().get(), 0);
      const rollouts = db.prepare<[], { id: string; snapshot: string }>('SELECT id, snapshot FROM rollouts').all();
      for (const { id, snapshot } of rollouts) {
        const events = db.prepare<[string], { data: string; at: number }>(
          'SELECT data, happened_at_ms AS at FROM events WHERE rollout_id = ? ORDER BY id',
        );
        const folded = events
          .all(id)
          .reduce<Rollout | null>((state, { data, at }) => evolve(state, JSON.parse(data) as RolloutEvent, at), null);
        assert.deepEqual(folded, JSON.parse(snapshot));
      }
    } finally {
      db.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ledger?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #newRoutes(learned: LearnedRows | null): Routes {
    const wake = () => (this.#isWoken = true);
    const learnedOf = (model: string) => learned?.route(model) ?? NOTHING_LEARNED;
    return new Routes(this.#policy, this.#clock, wake, learnedOf, () => this.demandCosts);
  }
}

function recordOf(text: string, policy: Policy): NonNullable<JournalEntry['policy']> {
  const hash = createHash('sha256').update(text).digest('hex');
  return { hash, path: 'policy.yaml', text, parsed: JSON.stringify(policy) };
}

function newMemory(): RouteMemory {
  return { decision: null, notes: [], decidedAt: 0, key: '', writtenAt: 0, ticks: 0 };
}
