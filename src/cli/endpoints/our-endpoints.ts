import { errorCode, errorMessage } from '../../core/errors.ts';
import type { SweepPolicy } from '../../core/policy/sweep.ts';
import { isOver } from '../../core/rollout/rollout.ts';
import { readRollouts } from '../../core/rollout/stored.ts';
import { knownOf } from '../../core/sweep/known.ts';
import { decideSweep, sweepSeen } from '../../core/sweep/sweep.ts';
import type { EndpointFound, LedgerKnown, SweepDecision, SweepSeen } from '../../core/sweep/sweep.ts';
import type { EndpointsClient } from '../../huggingface/management/endpoints.ts';
import { priceNow } from '../../huggingface/management/price.ts';
import type { EndpointStatus } from '../../huggingface/management/status.ts';
import { hasServedSince } from '../../ledger/calls/endpoint-calls.ts';
import { listRollouts } from '../../ledger/journal/rollouts.ts';
import { readLedgerId } from '../../ledger/ledger-id.ts';
import { openForReading } from '../../ledger/open.ts';
import { warn } from '../terminal/print.ts';

/** One of our endpoints, as the command shows it. Money in micro-dollars, times in epoch ms. */
export interface OurEndpoint {
  readonly namespace: string;
  readonly name: string;
  readonly state: string;
  /** Where it answers; null as long as it has no address. */
  readonly url: string | null;
  readonly model: string;
  readonly instance: string;
  readonly replicas: number;
  /** For the replicas that it has now; null where the price is not known. */
  readonly pricePerHourMicros: number | null;
  readonly rollout: string | null;
  readonly createdAt: number | null;
  readonly message: string | null;
  /** What it is to the ledger, what a sweep would do about it, and why. */
  readonly finding: SweepDecision['finding'];
  readonly action: SweepDecision['action'];
  readonly detail: string;
}

/** What is needed to say what becomes of an endpoint. `now`: clock time, epoch ms. */
export interface SweepContext {
  readonly client: EndpointsClient;
  readonly dbPath: string;
  readonly policy: SweepPolicy;
  readonly now: () => number;
  /** Rollouts of which a warning has said that they cannot be read. */
  readonly leftOut: Set<string>;
}

/** One endpoint with everything that is known of it by now. */
export async function describe(
  namespace: string,
  status: EndpointStatus,
  context: SweepContext,
): Promise<{ readonly endpoint: OurEndpoint; readonly seen: SweepSeen }> {
  const { name, state, url, model, instance, tags, createdAt, updatedAt, message, errorMessage: problem } = status;
  const { replicas, pricePerHourMicros } = await priceNow(context.client, namespace, status);
  const found: EndpointFound = { namespace, name, model, state, tags, createdAt, updatedAt, pricePerHourMicros };
  const now = context.now();
  const seen = sweepSeen(found, await readKnown(context, now), { policy: context.policy, now });
  const { finding, action, detail } = decideSweep(seen);
  const { vendor, region, instanceType, instanceSize } = instance;
  const endpoint = {
    namespace,
    name,
    state,
    url,
    model,
    instance: `${vendor} ${region} ${instanceType} ${instanceSize}`,
    replicas,
    pricePerHourMicros,
    rollout: seen.rollout?.id ?? /-([a-z0-9]{8})$/.exec(name)?.[1] ?? null,
    createdAt,
    message: problem ?? message,
    finding,
    action,
    detail,
  };
  return { endpoint, seen };
}

/** What the ledger knows; null if there is no ledger. Warns of one that cannot be read, and then knows nothing. */
async function readKnown({ dbPath, policy, leftOut }: SweepContext, now: number): Promise<LedgerKnown | null> {
  let db;
  try {
    db = openForReading(dbPath);
  } catch (error) {
    if (errorCode(error) !== 'not_found') warn(errorMessage(error));
    return null;
  }
  try {
    const rollouts = readRollouts(listRollouts(db), ({ id, phase }, error) => {
      // The endpoint of such a rollout would count as one that no rollout uses.
      if (!isOver(phase)) throw error;
      if (!leftOut.has(id)) warn(`rollout ${id} cannot be read and is left out: ${errorMessage(error)}`);
      leftOut.add(id);
    });
    const served = (id: string, since: number) => hasServedSince(db, id, since);
    return await knownOf(readLedgerId(db) ?? '', rollouts, served, { idleMs: policy.idle, now });
  } finally {
    db.close();
  }
}
