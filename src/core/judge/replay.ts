import type { RoutePolicy } from '../policy/policy.ts';
import type { Toward } from '../route.ts';
import { earlyView, fullView } from './call-order.ts';
import type { Assigned, Known, Taker } from './call-order.ts';
import { Judge } from './judge.ts';
import type { Profile } from './profile.ts';
import { isInTime, takePair } from './shadow-pairs.ts';
import type { Pair } from './shadow-pairs.ts';
import type { Verdict } from './verdict.ts';

/** A call of a rollout as the ledger has it. */
export type RecordedCall = Assigned & Known;

/** A verdict that was stored with a decision. */
export interface PastVerdict {
  readonly decisionId: number;
  /** When it was decided, epoch ms. */
  readonly at: number;
  /** Version of the core that computed it. */
  readonly coreVersion: number;
  readonly verdict: Verdict;
}

export interface ReplayedVerdict extends PastVerdict {
  /** The verdict on the same calls now; null if the ledger has fewer calls than the stored verdict took. */
  readonly again: Verdict | null;
  /**
   * Whether the two are equal, bit for bit; null if another version of the core computed the stored one: they may
   * differ.
   */
  readonly isSame: boolean | null;
}

/**
 * Judges a rollout's calls again, stops at each place at which a verdict was stored, and compares the two verdicts.
 * With the rollout's own policy and profile every verdict of the same core version must be the same, bit for bit. With
 * another policy the result shows which verdicts that policy would have given. `coreVersion`: that of this program.
 */
export function replay(
  past: {
    readonly profile: Profile;
    /** In the order in which they were assigned. */
    readonly calls: readonly RecordedCall[];
    /** In the order in which they were sent. */
    readonly pairs: readonly Pair[];
    readonly verdicts: readonly PastVerdict[];
  },
  policy: Pick<RoutePolicy, 'judge' | 'steps' | 'affinity'>,
  { toward, coreVersion }: { readonly toward: Toward; readonly coreVersion: number },
): readonly ReplayedVerdict[] {
  const { profile, calls } = past;
  const firstStepAtUs = calls[0]?.assignedAtUs ?? Number.POSITIVE_INFINITY;
  const pairs = past.pairs.filter((pair) => isInTime(pair, profile.tauUs, firstStepAtUs));
  const judge = new Judge(profile, policy.judge, policy.steps, policy.affinity, toward);
  const given = { early: 0, full: 0, pairs: 0, nextPair: 0 };
  return past.verdicts.map((stored) => {
    const { verdict } = stored;
    const isThere = takeUpTo(judge, given, verdict.taken, { calls, pairs, lateUs: profile.tauUs });
    const again = isThere ? judge.verdict(verdict.step) : null;
    const isSame = stored.coreVersion === coreVersion ? JSON.stringify(again) === JSON.stringify(verdict) : null;
    return { ...stored, again, isSame };
  });
}

interface Given {
  early: number;
  full: number;
  pairs: number;
  nextPair: number;
}

/** Hands on the calls that a verdict had taken; false if the ledger has fewer. */
function takeUpTo(
  judge: Taker,
  given: Given,
  wanted: Verdict['taken'],
  { calls, pairs, lateUs }: { calls: readonly RecordedCall[]; pairs: readonly Pair[]; lateUs: number },
): boolean {
  while (given.pairs < wanted.pairs) {
    const pair = pairs[given.nextPair++];
    if (pair === undefined) return false;
    if (takePair(judge, pair, lateUs)) given.pairs++;
  }
  for (; given.early < wanted.early; given.early++) {
    const call = calls[given.early];
    if (call === undefined) return false;
    judge.early(earlyView(call, call));
  }
  for (; given.full < wanted.full; given.full++) {
    const call = calls[given.full];
    if (call === undefined) return false;
    judge.take(fullView(call, call, lateUs));
  }
  return true;
}
