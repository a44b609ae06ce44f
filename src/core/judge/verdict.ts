import type { AnswerForm } from '../form/form.ts';
import type { Outcome } from '../outcome.ts';
import type { MetricName } from '../policy/judge.ts';
import type { Affinity, Role } from '../route.ts';
import type { Asks } from './asks.ts';
import type { Measure } from './form-scores.ts';

/** The result of comparing the two roles. Only `pass` lets a step end; `fail` rolls back; every other status holds. */
export const VERDICT_STATUSES = ['pass', 'fail', 'inconclusive', 'no data', 'unhealthy'] as const;
export type VerdictStatus = (typeof VERDICT_STATUSES)[number];

/** One eligible call of the judged rollout, with the role it was assigned to. Times in clock µs. */
export interface JudgedCall {
  readonly arrivedAtUs: number;
  readonly role: Role;
  /** 1..n; 0: of a pair of the shadow stage. */
  readonly step: number;
  /** The canary's weight when it was assigned, 0..1. */
  readonly weight: number;
  /** The unit that was assigned, if several calls may share it. */
  readonly unit?: number;
  /** How its first attempt ended; null if it was still running when its time was over. */
  readonly outcome: Outcome | null;
  /** From its arrival until that was known. */
  readonly knownAfterUs: number;
  /** From its arrival to its end. */
  readonly durationUs: number;
  readonly firstTokenUs: number | null;
  readonly promptTokens: number | null;
  readonly outputTokens: number | null;
  /** Whether the answer held no text, tool call, reasoning or data; null if it could not be read, or if there was none. */
  readonly isEmpty: boolean | null;
  /** The form of its answer; null or absent if it is not known. */
  readonly form?: AnswerForm | null;
  /** What it asks of the form of its answer; absent if that is not known. */
  readonly asks?: Asks;
  /** Of a call with a copy: stands for the agent that sent it; absent if that is not known. */
  readonly agent?: number;
  /** Of a call with a copy: stands for the provider that served it behind serverless; absent if that is not known. */
  readonly provider?: number;
  /** Whether it was held for longer than `DELAYED_US` before it was sent, or until it ended. */
  readonly wasHeld?: boolean;
}

/** How much is known of a metric that too little of the route has. */
export interface Few {
  /** How many had it so far: calls, or units if several calls may be assigned as a whole. Of a pair both halves are one. */
  readonly seen: number;
  /** How many it takes to tell. */
  readonly needed: number;
  /** Absent: calls. */
  readonly units?: Exclude<Affinity, 'call'>;
  /** Of units: how many of `seen` are pairs, of which each is one. Absent: none. */
  readonly pairs?: number;
}

/** One metric of a verdict. */
export interface MetricVerdict {
  readonly metric: MetricName;
  /** `advise`: shown only; it neither holds a rollout nor rolls it back. */
  readonly judge: 'act' | 'advise';
  readonly status: 'pass' | 'fail' | 'open';
  /** Which part of the metric these figures are of, if it has several: the one that decides, or is nearest to it. */
  readonly part?: Measure;
  /** If too little of the route has the metric to tell: it then holds no step. */
  readonly few?: Few;
  /** Of `tools`: `schema` if most broken answers of the canary have arguments that parse, and that miss their schema. */
  readonly fault?: 'schema';
  /** Of a metric that only pairs can tell: how many were compared, and how many of them agree. */
  readonly pairs?: { readonly of: number; readonly same: number };
  /** Each role's level in this step: a share 0..1, ms, ms per token, or tokens; null without data. */
  readonly stable: number | null;
  readonly canary: number | null;
  /**
   * Canary against stable over the whole rollout: the difference of shares, or the ratio minus 1; with its 95 % range. Of
   * `promptTokens`: by how many tokens most prompts differ, and the least and the largest difference.
   */
  readonly effect: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly margin: number;
  /** Odds from the whole rollout that the canary is within the margin, and the odds that a pass needs. */
  readonly passOdds: number;
  readonly passAt: number;
  /** The same from this step's data only, at the wider margin. */
  readonly stepOdds: number;
  readonly stepAt: number;
  /** The odds against the canary that are nearest to their limit, and that limit: at `failAt` the metric rolls back. */
  readonly failOdds: number;
  readonly failAt: number;
}

/** The judge's verdict at one moment. It is plain JSON, and is stored with the decision that used it. */
export interface Verdict {
  readonly status: VerdictStatus;
  /** What decided it; null on a pass, or if nothing is decided. */
  readonly cause: MetricName | 'split' | 'rejections' | null;
  /** One sentence, figures first. */
  readonly summary: string;
  readonly step: number;
  /** Calls judged in this step. */
  readonly stableCalls: number;
  readonly canaryCalls: number;
  /** Only metrics that the route has. */
  readonly metrics: readonly MetricVerdict[];
  /** What else is odd about the answers, a sentence each. It decides nothing. Absent if there is nothing. */
  readonly notes?: readonly string[];
  /** How many calls of each stream had been taken, so that a replay can stop at the same place. */
  readonly taken: { readonly early: number; readonly full: number; readonly pairs: number };
}
