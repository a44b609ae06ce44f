import type { RoutePolicy } from '../policy/policy.ts';
import type { Toward } from '../route.ts';
import { earlyView, fullView } from './call-order.ts';
import type { Assigned, Known, Taker } from './call-order.ts';
import { Judge } from './judge.ts';
import type { Profile } from './profile.ts';
import { isInTime, takePair } from './shadow-pairs.ts';
import type { Pair } from './shadow-pairs.ts';
import type { Verdict } from './verdict.ts';

/** A call of a rollout as the ledger has it; in the order in which calls were assigned. */
export type RecordedCall = Assigned & Known;

/** A verdict that a stored decision saw. */
export interface PastVerdict {
  readonly decisionId: number;
  /** When it was decided, epoch ms. */
  readonly at: number;
  /** Version of the core that came to it. */
  readonly coreVersion: number;
  readonly verdict: Verdict;
}

export interface ReplayedVerdict extends PastVerdict {
  /** What comes out on the same calls now; null where the ledger does not have as many. */
  readonly again: Verdict | null;
  /** Whether it is the same to the letter; null if another version of the core came to it, so that the two may differ. */
  readonly isSame: boolean | null;
}

/**
 * Judges a rollout's calls again, stopping wherever a verdict was stored, and compares. With the rollout's own policy and
 * profile every verdict of the same core version must come out the same, bit for bit; with another policy it shows what that
 * would have said. `coreVersion`: that of this program.
 */
export function replay(
  past: {
    readonly profile: Profile;
    readonly calls: readonly RecordedCall[];
    /** In the order in which they set out. */
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

/** Hands on the calls that had been taken by a verdict; false where the ledger has fewer. */
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
