import type { Cause } from '../cause.ts';
import { causeOf } from '../decide/cause-of.ts';
import type { Action, Reason } from '../decide/decision.ts';
import type { EndpointState } from '../endpoint-state.ts';
import type { SweepPolicy } from '../policy/sweep.ts';
import { isActive } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { priceText, spanText } from '../text.ts';
import { DAY_MS } from '../time.ts';

/** The tag of every endpoint that upshift creates. Other endpoints of the account do not have it. */
export const OUR_TAG = 'managed-by:upshift';

const LEDGER_TAG = 'upshift-ledger:';

/** The tag that names the ledger whose process created an endpoint. Several ledgers may share an account. */
export function ledgerTag(ledgerId: string): string {
  return `${LEDGER_TAG}${ledgerId}`;
}

/** An endpoint as the management API lists it. Times in epoch ms, money in micro-dollars. */
export interface EndpointFound {
  readonly namespace: string;
  readonly name: string;
  /** The repository that it serves. */
  readonly model: string;
  readonly state: EndpointState;
  readonly tags: readonly string[];
  readonly createdAt: number | null;
  readonly updatedAt: number | null;
  /** For the replicas that it has now. Null if it is not known. */
  readonly pricePerHourMicros: number | null;
}

/** What the sweep must know of a rollout. */
export type SweptRollout = Pick<Rollout, 'id' | 'model' | 'endpointName' | 'left' | 'namespace' | 'phase' | 'since'>;

/** What the sweep must know of a ledger. */
export interface LedgerKnown {
  readonly ledgerId: string;
  /** All rollouts that the ledger ever had. */
  readonly rollouts: readonly SweptRollout[];
  /** Ids of promoted rollouts whose endpoint has served no call for the time that the policy sets. */
  readonly idle: readonly string[];
}

/**
 * The whole input of a decision about one endpoint. It is stored with the decision, which can be computed again from
 * it.
 */
export interface SweepSeen {
  readonly now: number;
  readonly endpoint: EndpointFound;
  /** The rollout that uses or last used the endpoint. Null if the ledger knows none. */
  readonly rollout: SweptRollout | null;
  /** Null if there is no ledger. */
  readonly ledgerId: string | null;
  readonly isIdle: boolean;
  readonly policy: SweepPolicy;
}

/** How an endpoint relates to this ledger. */
type Finding = 'foreign' | 'in_use' | 'idle' | 'ended' | 'lost' | 'unknown' | 'no_ledger';

/** What to do about one endpoint, and why. */
export interface SweepDecision {
  readonly finding: Finding;
  readonly action: Extract<Action, 'wait' | 'report_endpoint' | 'pause_endpoint' | 'delete_endpoint'>;
  readonly reason: Extract<
    Reason,
    'endpoint_not_ours' | 'endpoint_in_use' | 'endpoint_idle' | 'endpoint_orphaned' | 'endpoint_unknown'
  >;
  /** Absent: nothing is in the way. */
  readonly cause?: Cause;
  /** The reason in words, for people. */
  readonly detail: string;
}

/** Builds the input of the decision about one endpoint. `known` is null if there is no ledger. */
export function sweepSeen(
  endpoint: EndpointFound,
  known: LedgerKnown | null,
  { policy, now }: { readonly policy: SweepPolicy; readonly now: number },
): SweepSeen {
  const isIts = ({ id, namespace, endpointName }: SweptRollout) =>
    namespace === endpoint.namespace && (endpointName === endpoint.name || endpoint.name.endsWith(`-${id}`));
  // A way back has the same endpoint as the rollout that it replaces. The active one of them counts, else the latest.
  const its = (known?.rollouts.filter(isIts) ?? []).toSorted((a, b) => b.since - a.since);
  const found = its.find((one) => isActive(one as Rollout)) ?? its[0];
  const rollout =
    found === undefined
      ? null
      : {
          id: found.id,
          model: found.model,
          endpointName: found.endpointName,
          ...(found.left !== undefined && { left: found.left }),
          namespace: found.namespace,
          phase: found.phase,
          since: found.since,
        };
  const isIdle = rollout !== null && (known?.idle.includes(rollout.id) ?? false);
  return { now, endpoint, rollout, ledgerId: known?.ledgerId ?? null, isIdle, policy };
}

/**
 * What to do about one endpoint. Pure. Three kinds of endpoint are never paused or deleted: one without our tag, one whose
 * rollout is not over, and any endpoint if there is no ledger, because then nothing says whether it is in use.
 */
export function decideSweep(seen: SweepSeen): SweepDecision {
  const decided = decideEndpoint(seen);
  const cause = causeOf(decided.reason, null);
  return cause === null ? decided : { ...decided, cause };
}

function decideEndpoint(seen: SweepSeen): SweepDecision {
  const { endpoint, rollout, ledgerId, isIdle, policy } = seen;
  const decision = (finding: Finding, action: SweepDecision['action'], detail: string): SweepDecision => ({
    finding,
    action,
    reason: REASONS[finding],
    detail,
  });
  if (!endpoint.tags.includes(OUR_TAG)) return decision('foreign', 'wait', 'upshift did not create it');
  if (ledgerId === null) return decision('no_ledger', 'report_endpoint', 'no ledger says whether a rollout uses it');
  if (rollout !== null && isActive(rollout as Rollout)) {
    if (rollout.left?.some((one) => one.endpointName === endpoint.name && one.endpointName !== rollout.endpointName)) {
      return decideOrphan(seen, 'ended', `rollout ${rollout.id} has gone on with ${rollout.endpointName}`);
    }
    if (!isIdle) return decision('in_use', 'wait', `rollout ${rollout.id} is ${rollout.phase}`);
    const span = policy.idle === null ? 'long' : longText(policy.idle);
    return decision(
      'idle',
      'report_endpoint',
      `rollout ${rollout.id} is promoted, but its endpoint has served no call for ${span}${costText(seen)}`,
    );
  }
  if (rollout !== null) return decideOrphan(seen, 'ended', `rollout ${rollout.id} is over: it is ${rollout.phase}`);
  if (endpoint.tags.includes(ledgerTag(ledgerId))) {
    return decideOrphan(seen, 'lost', 'this ledger created it, but has no rollout for it');
  }
  const owner = endpoint.tags.find((tag) => tag.startsWith(LEDGER_TAG));
  const whose = owner === undefined ? 'this ledger has no record of it' : `it belongs to ${owner.replace(':', ' ')}`;
  return decision('unknown', UNKNOWN[policy.unknown](endpoint), `${whose}${costText(seen)}`);
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

/** For an endpoint that no rollout uses any more: it is paused, so that it costs nothing, and deleted later. */
function decideOrphan(seen: SweepSeen, finding: 'ended' | 'lost', why: string): SweepDecision {
  const { endpoint, rollout, policy, now } = seen;
  const reason = REASONS[finding];
  if (!isResting(endpoint)) {
    const action = policy.ended === 'pause' ? 'pause_endpoint' : 'report_endpoint';
    return { finding, action, reason, detail: `${why}${costText(seen)}` };
  }
  if (policy.deleteAfter === null)
    return { finding, action: 'report_endpoint', reason, detail: `${why}; it costs nothing` };
  // The time counts from the last change too, because whoever changed the endpoint may still want it.
  const since = Math.max(rollout?.since ?? 0, endpoint.updatedAt ?? endpoint.createdAt ?? now);
  const left = since + policy.deleteAfter - now;
  if (left <= 0) {
    return {
      finding,
      action: 'delete_endpoint',
      reason,
      detail: `${why}; it has been paused or failed for ${longText(now - since)}`,
    };
  }
  return {
    finding,
    action: 'report_endpoint',
    reason,
    detail: `${why}; it costs nothing and is deleted in ${longText(left)}`,
  };
}

/**
 * Whether it costs nothing and serves no calls. `scaledToZero` is not: it starts again at a call, and still uses quota.
 */
function isResting({ state }: EndpointFound): boolean {
  return state === 'paused' || state === 'failed';
}

/** A span for people: in days if it is two days or longer. */
export function longText(ms: number): string {
  return ms >= 172_800_000 ? `${(ms / DAY_MS).toFixed(0)} days` : spanText(ms);
}

/** What the endpoint costs now, as the end of a sentence. */
function costText({ endpoint: { pricePerHourMicros } }: SweepSeen): string {
  if (pricePerHourMicros === null) return '; its price is not known';
  return pricePerHourMicros === 0 ? '; it costs nothing' : `; it costs ${priceText(pricePerHourMicros)}`;
}
