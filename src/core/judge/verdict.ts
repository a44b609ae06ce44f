import type { Outcome } from '../call.ts';
import type { MetricName } from '../policy/judge.ts';
import type { Role } from '../route.ts';

/** What comparing the two roles came to. Only `pass` lets a step end; `fail` goes back; everything else holds. */
export type VerdictStatus = 'pass' | 'fail' | 'inconclusive' | 'no data' | 'unhealthy';

/** One call as the judge takes it: eligible, of the rollout judged, by the role it was assigned to. Times in clock µs. */
export interface JudgedCall {
  readonly arrivedAtUs: number;
  readonly role: Role;
  /** 1..n: the stop; 0: a pair of the shadow stage. */
  readonly step: number;
  /** The canary's weight when it was assigned, 0..1. */
  readonly weight: number;
  /** How its first attempt ended; null where it was still running when its time was over. */
  readonly outcome: Outcome | null;
  /** From its arrival until that was known. */
  readonly knownAfterUs: number;
  /** From its arrival to its end. */
  readonly durationUs: number;
  readonly firstTokenUs: number | null;
  readonly promptTokens: number | null;
  readonly outputTokens: number | null;
  /** Whether it was held for longer than `DELAYED_US` before it was sent, or until it ended. */
  readonly wasHeld?: boolean;
}

/** One metric of a verdict: numbers that a sentence can be made of. */
export interface MetricVerdict {
  readonly metric: MetricName;
  /** `advise`: shown, but it neither stops a rollout nor sends it back. */
  readonly judge: 'act' | 'advise';
  readonly status: 'pass' | 'fail' | 'open';
  /** Each role's level in this step: a share 0..1, ms, ms per token, or tokens; null without data. */
  readonly stable: number | null;
  readonly canary: number | null;
  /** Canary against stable over the whole rollout: difference of shares, or ratio less 1; its range holds with 95 %. */
  readonly effect: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly margin: number;
  /** Odds that it is within the margin (running), and what is needed to pass. */
  readonly passOdds: number;
  readonly passAt: number;
  /** The same from this step's own data, at the wider margin. */
  readonly stepOdds: number;
  readonly stepAt: number;
  /** The larger of the odds that it is beyond the rollback margin, or beyond the margin; and what sends it back. */
  readonly failOdds: number;
  readonly failAt: number;
}

/** What the judge says at one moment. JSON: it is stored with the decision that saw it. */
export interface Verdict {
  readonly status: VerdictStatus;
  /** What decided it; null where all is well or nothing is decided. */
  readonly cause: MetricName | 'split' | 'rejections' | null;
  /** One sentence, figures first. */
  readonly summary: string;
  readonly step: number;
  /** Calls judged in this step. */
  readonly stableCalls: number;
  readonly canaryCalls: number;
  readonly metrics: readonly MetricVerdict[];
  /** How many calls had been taken, of each stream: what a replay needs to stop at the same place. */
  readonly taken: { readonly early: number; readonly full: number; readonly pairs: number };
}
