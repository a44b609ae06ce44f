import type { Clock } from '../../core/clock.ts';
import { CORE_VERSION } from '../../core/decide/decision.ts';
import { errorMessage } from '../../core/errors.ts';
import type { Policy } from '../../core/policy/policy.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { isOver } from '../../core/rollout/rollout.ts';
import { readRollouts } from '../../core/rollout/stored.ts';
import { knownOf } from '../../core/sweep/known.ts';
import { decideSweep, OUR_TAG, sweepSeen } from '../../core/sweep/sweep.ts';
import type { EndpointFound, LedgerKnown, SweepDecision, SweepSeen } from '../../core/sweep/sweep.ts';
import type { EndpointsClient } from '../../huggingface/management/endpoints.ts';
import { priceNow } from '../../huggingface/management/price.ts';
import type { EndpointStatus } from '../../huggingface/management/status.ts';
import type { Journal } from '../../ledger/journal/journal.ts';
import { logUnreadable } from '../log.ts';
import type { Log } from '../log.ts';

const REQUEST_TIMEOUT_MS = 30_000;

export interface SweeperOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly ledgerId: string;
  readonly journal: Pick<Journal, 'commit' | 'allRollouts' | 'hasServedSince'>;
  readonly endpoints: Pick<EndpointsClient, 'list' | 'get' | 'quote' | 'pause' | 'delete'>;
  /** The policy file as it was last read. */
  readonly policy: () => { readonly policy: Policy; readonly hash: string };
  /** Aborted when the daemon closes. */
  readonly signal: AbortSignal;
}

/**
 * Looks for endpoints that no rollout uses, in the namespaces of the policy and of the ledger's rollouts, and does with
 * them what the policy says. It stores each decision first, and reads the endpoint again right before it acts. What
 * fails is tried again by the next sweep.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  /** What was last written about each endpoint, so that only changes are written. */
  readonly #written = new Map<string, string>();
  readonly #logUnreadable: ReturnType<typeof logUnreadable>;
  /** Messages for the operator, one for each endpoint. */
  #notes: readonly string[] = [];

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#logUnreadable = logUnreadable(options.log);
  }

  /** What the last sweep found that the operator should look at. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  /**
   * One sweep. Throws if the ledger, or a rollout that is not over, cannot be read. A namespace that cannot be listed is
   * logged and skipped, and so is a rollout that is over and cannot be read.
   */
  async sweep(): Promise<void> {
    const notes: string[] = [];
    const namespaces = await this.#namespaces();
    for (const namespace of namespaces) {
      for (const status of await this.#list(namespace)) {
        const note = await this.#see(namespace, status).catch((error: unknown) => {
          this.#failed(`${namespace}/${status.name}`, error);
          return null;
        });
        if (note !== null) notes.push(note);
      }
    }
    this.#notes = notes;
  }

  async #namespaces(): Promise<Set<string>> {
    const { policy } = this.#options.policy();
    const names = policy.routes.flatMap(({ endpoint }) => (endpoint === null ? [] : [endpoint.namespace]));
    const rollouts = await this.#rollouts();
    return new Set([...names, ...rollouts.map(({ namespace }) => namespace)]);
  }

  async #list(namespace: string): Promise<readonly EndpointStatus[]> {
    try {
      const all = await this.#options.endpoints.list(namespace, this.#signal());
      return all.filter(({ tags }) => tags.includes(OUR_TAG));
    } catch (error) {
      this.#failed(namespace, error);
      return [];
    }
  }

  /** Decides about one endpoint and acts. Returns a message for the operator; null if there is none. */
  async #see(namespace: string, status: EndpointStatus): Promise<string | null> {
    const seen = await this.#observe(namespace, status);
    const decided = decideSweep(seen);
    const key = `${decided.finding} ${decided.action} ${status.state}`;
    const name = `${namespace}/${status.name}`;
    const isNews = this.#written.get(name) !== key;
    this.#written.set(name, key);
    if (decided.action === 'wait') return null;
    if (decided.action === 'report_endpoint') {
      if (isNews) await this.#journal(seen, decided);
      return isResting(decided, status) ? null : `${name}: ${decided.detail}; see \`npx upshift endpoints\``;
    }
    await this.#carryOut(namespace, seen);
    return null;
  }

  /**
   * Reads the endpoint again, because somebody may have changed it, or a rollout may use it, since the list was read.
   */
  async #carryOut(namespace: string, before: SweepSeen): Promise<void> {
    const { endpoints, log } = this.#options;
    const { name } = before.endpoint;
    const status = await endpoints.get(namespace, name, this.#signal());
    if (status === null) return;
    const seen = await this.#observe(namespace, status);
    const decided = decideSweep(seen);
    if (decided.action !== 'pause_endpoint' && decided.action !== 'delete_endpoint') return;
    await this.#journal(seen, decided);
    if (decided.action === 'pause_endpoint') await endpoints.pause(namespace, name, this.#signal());
    else await endpoints.delete(namespace, name, this.#signal());
    log('warn', 'endpoint swept', { namespace, name, action: decided.action, detail: decided.detail });
  }

  /** Reads the ledger after the API, so that it has every rollout whose endpoint is in the list. */
  async #observe(namespace: string, status: EndpointStatus): Promise<SweepSeen> {
    const { endpoints, clock } = this.#options;
    const { pricePerHourMicros } = await priceNow(endpoints, namespace, status, this.#signal());
    const { policy } = this.#options.policy();
    const now = Math.floor(clock.now());
    return sweepSeen(foundOf(namespace, status, pricePerHourMicros), await this.#known(now), {
      policy: policy.sweep,
      now,
    });
  }

  async #known(now: number): Promise<LedgerKnown> {
    const { journal, ledgerId } = this.#options;
    const { idle: idleMs } = this.#options.policy().policy.sweep;
    return knownOf(ledgerId, await this.#rollouts(), (id, since) => journal.hasServedSince(id, since), { idleMs, now });
  }

  /** A rollout that is not over must be readable: else its endpoint would count as one that no rollout uses. */
  async #rollouts(): Promise<Rollout[]> {
    return readRollouts(await this.#options.journal.allRollouts(), (row, error) => {
      if (!isOver(row.phase)) throw error;
      this.#logUnreadable(row, error);
    });
  }

  async #journal(seen: SweepSeen, decided: SweepDecision): Promise<void> {
    await this.#options.journal.commit({
      decision: {
        at: seen.now,
        model: seen.rollout?.model ?? seen.endpoint.model,
        rolloutId: seen.rollout?.id ?? null,
        coreVersion: CORE_VERSION,
        policyHash: this.#options.policy().hash,
        action: decided.action,
        reason: decided.reason,
        input: JSON.stringify({ sweep: seen }),
        output: JSON.stringify(decided),
        ticks: 1,
      },
      events: [],
      outcomes: [],
    });
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#options.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]);
  }

  #failed(what: string, error: unknown): void {
    if (this.#options.signal.aborted) return;
    this.#options.log('warn', 'sweep failed', { what, error: errorMessage(error) });
  }
}

function isResting({ finding }: SweepDecision, { state }: EndpointStatus): boolean {
  return finding !== 'idle' && (state === 'paused' || state === 'failed');
}

/** What the core needs to know of an endpoint. */
function foundOf(namespace: string, status: EndpointStatus, pricePerHourMicros: number | null): EndpointFound {
  const { name, model, state, tags, createdAt, updatedAt } = status;
  return { namespace, name, model, state, tags, createdAt, updatedAt, pricePerHourMicros };
}
