import type { Action, Reason } from '../decide/decision.ts';
import type { EndpointSeen } from '../decide/observation.ts';
import type { SweepPolicy } from '../policy/sweep.ts';
import { isActive } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { priceText, spanText } from '../text.ts';
import { DAY_MS } from '../time.ts';

/** The tag that tells our endpoints from others in the account. */
export const OUR_TAG = 'managed-by:upshift';

const LEDGER_TAG = 'upshift-ledger:';

/** The tag that tells one ledger's endpoints from another's in the same account. */
export function ledgerTag(ledgerId: string): string {
  return `${LEDGER_TAG}${ledgerId}`;
}

/** An endpoint as the management API lists it. Times in epoch ms, money in micro-dollars. */
export interface EndpointFound {
  readonly namespace: string;
  readonly name: string;
  /** The repository that it serves. */
  readonly model: string;
  readonly state: Exclude<EndpointSeen['state'], 'absent'>;
  readonly tags: readonly string[];
  readonly createdAt: number | null;
  readonly updatedAt: number | null;
  /** For the replicas that it has now; null where that is not known. */
  readonly pricePerHourMicros: number | null;
}

/** What the sweep has to know of a rollout. */
export type SweptRollout = Pick<Rollout, 'id' | 'model' | 'endpointName' | 'namespace' | 'phase' | 'since'>;

/** What a ledger knows. */
export interface LedgerKnown {
  readonly ledgerId: string;
  /** All rollouts that it ever had. */
  readonly rollouts: readonly SweptRollout[];
  /** Ids of promoted rollouts whose endpoint has had no call for as long as the policy says. */
  readonly idle: readonly string[];
}

/** Everything that a decision about one endpoint may look at: stored with it, and enough to decide again. */
export interface SweepSeen {
  readonly now: number;
  readonly endpoint: EndpointFound;
  /** The rollout whose endpoint it is; null where the ledger knows none. */
  readonly rollout: SweptRollout | null;
  /** Null where there is no ledger to ask. */
  readonly ledgerId: string | null;
  readonly isIdle: boolean;
  readonly policy: SweepPolicy;
}

/** What an endpoint is to this ledger. */
type Finding = 'foreign' | 'in_use' | 'idle' | 'ended' | 'lost' | 'unknown' | 'no_ledger';

/** What is to be done about one endpoint, and why. */
export interface SweepDecision {
  readonly finding: Finding;
  readonly action: Extract<Action, 'wait' | 'report_endpoint' | 'pause_endpoint' | 'delete_endpoint'>;
  readonly reason: Extract<
    Reason,
    'endpoint_not_ours' | 'endpoint_in_use' | 'endpoint_idle' | 'endpoint_orphaned' | 'endpoint_unknown'
  >;
  /** A sentence for people, figures first. */
  readonly detail: string;
}

/** What one decision about an endpoint looks at, out of all that is known; `known` is null where there is no ledger. */
export function sweepSeen(
  endpoint: EndpointFound,
  known: LedgerKnown | null,
  { policy, now }: { readonly policy: SweepPolicy; readonly now: number },
): SweepSeen {
  const isIts = ({ id, namespace, endpointName }: SweptRollout) =>
    namespace === endpoint.namespace && (endpointName === endpoint.name || endpoint.name.endsWith(`-${id}`));
  // A way back has the name of the endpoint that it leaves: whoever still uses it counts, else who used it last.
  const its = (known?.rollouts.filter(isIts) ?? []).toSorted((a, b) => b.since - a.since);
  const found = its.find((one) => isActive(one as Rollout)) ?? its[0];
  const rollout =
    found === undefined
      ? null
      : {
          id: found.id,
          model: found.model,
          endpointName: found.endpointName,
          namespace: found.namespace,
          phase: found.phase,
          since: found.since,
        };
  const isIdle = rollout !== null && (known?.idle.includes(rollout.id) ?? false);
  return { now, endpoint, rollout, ledgerId: known?.ledgerId ?? null, isIdle, policy };
}

/**
 * What to do about one endpoint. Pure. One without our tag is never touched, and neither is one of a rollout that is not
 * over, nor any where no ledger says what is in use.
 */
export function decideSweep(seen: SweepSeen): SweepDecision {
  const { endpoint, rollout, ledgerId, isIdle, policy } = seen;
  const told = (finding: Finding, action: SweepDecision['action'], detail: string): SweepDecision => ({
    finding,
    action,
    reason: REASONS[finding],
    detail,
  });
  if (!endpoint.tags.includes(OUR_TAG)) return told('foreign', 'wait', 'upshift did not make it');
  if (ledgerId === null) return told('no_ledger', 'report_endpoint', 'no ledger says whether a rollout uses it');
  if (rollout !== null && isActive(rollout as Rollout)) {
    if (!isIdle) return told('in_use', 'wait', `rollout ${rollout.id} is ${rollout.phase}`);
    const span = policy.idle === null ? 'long' : longText(policy.idle);
    return told(
      'idle',
      'report_endpoint',
      `rollout ${rollout.id} is promoted, but has had no call for ${span}${costText(seen)}`,
    );
  }
  if (rollout !== null) return decideOrphan(seen, 'ended', `rollout ${rollout.id} is over: ${rollout.phase}`);
  if (endpoint.tags.includes(ledgerTag(ledgerId))) {
    return decideOrphan(seen, 'lost', 'this ledger made it, but knows no rollout of that name');
  }
  const owner = endpoint.tags.find((tag) => tag.startsWith(LEDGER_TAG));
  const whose = owner === undefined ? 'this ledger does not know it' : `it belongs to ${owner.replace(':', ' ')}`;
  return told('unknown', UNKNOWN[policy.unknown](endpoint), `${whose}${costText(seen)}`);
}

const REASONS: Readonly<Record<Finding, SweepDecision['reason']>> = {
  foreign: 'endpoint_not_ours',
  in_use: 'endpoint_in_use',
  idle: 'endpoint_idle',
  ended: 'endpoint_orphaned',
  lost: 'endpoint_orphaned',
  unknown: 'endpoint_unknown',
  no_ledger: 'endpoint_unknown',
};

const UNKNOWN: Readonly<Record<SweepPolicy['unknown'], (endpoint: EndpointFound) => SweepDecision['action']>> = {
  report: () => 'report_endpoint',
  pause: (endpoint) => (isResting(endpoint) ? 'report_endpoint' : 'pause_endpoint'),
  delete: () => 'delete_endpoint',
};

/** Nobody uses it any more: it stops costing money, and goes after a time of grace. */
function decideOrphan(seen: SweepSeen, finding: 'ended' | 'lost', why: string): SweepDecision {
  const { endpoint, rollout, policy, now } = seen;
  const reason = REASONS[finding];
  if (!isResting(endpoint)) {
    const action = policy.ended === 'pause' ? 'pause_endpoint' : 'report_endpoint';
    return { finding, action, reason, detail: `${why}${costText(seen)}` };
  }
  if (policy.deleteAfter === null)
    return { finding, action: 'report_endpoint', reason, detail: `${why}; it costs nothing` };
  // Whoever changed it last may still want it.
  const since = Math.max(rollout?.since ?? 0, endpoint.updatedAt ?? endpoint.createdAt ?? now);
  const left = since + policy.deleteAfter - now;
  if (left <= 0) {
    return { finding, action: 'delete_endpoint', reason, detail: `${why}; it has rested for ${longText(now - since)}` };
  }
  return { finding, action: 'report_endpoint', reason, detail: `${why}; it rests and is deleted in ${longText(left)}` };
}

/** Whether it costs nothing and serves nobody. One that is scaled to zero wakes up by itself, and still uses quota. */
function isResting({ state }: EndpointFound): boolean {
  return state === 'paused' || state === 'failed';
}

/** A span for people, in days where it has many hours. */
export function longText(ms: number): string {
  return ms >= 172_800_000 ? `${(ms / DAY_MS).toFixed(0)} days` : spanText(ms);
}

/** What is saved, where anything is. */
function costText({ endpoint: { pricePerHourMicros } }: SweepSeen): string {
  if (pricePerHourMicros === null) return '; its price is not known';
  return pricePerHourMicros === 0 ? '; it costs nothing' : `; it costs ${priceText(pricePerHourMicros)}`;
}
