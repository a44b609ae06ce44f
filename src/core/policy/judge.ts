/**
 * The metrics of outcome, time and tokens, in the order in which they are shown. `faults`, `tail` and `empty` are shares
 * of calls, with margins in absolute terms (0.005 = half a point); the others are sizes, with margins in relative terms
 * (0.15 = 15 % slower, or, for `length`, shorter or longer).
 */
export const BASIC_METRICS = ['faults', 'speed', 'firstToken', 'perToken', 'tail', 'length', 'empty'] as const;

/** The metrics of the form of answers: shares of the calls that ask for it, with margins in absolute terms. */
export const FORM_METRICS = ['tools', 'format', 'finish', 'leak', 'reasoning'] as const;

/** The metrics that only pairs of answers to the same request can tell. */
const PAIR_METRICS = ['promptTokens', 'agreement'] as const;

/** The metrics that are compared, in the order in which they are shown. */
export const METRICS = [...BASIC_METRICS, ...FORM_METRICS, ...PAIR_METRICS] as const;

export type BasicMetric = (typeof BASIC_METRICS)[number];
export type FormMetric = (typeof FORM_METRICS)[number];
export type MetricName = (typeof METRICS)[number];

const SHARES: ReadonlySet<MetricName> = new Set<MetricName>(['faults', 'tail', 'empty', ...FORM_METRICS, 'agreement']);

/** Whether a metric's margins are differences of shares. `promptTokens` has a margin in tokens, the others ratios less 1. */
export function isShare(metric: MetricName): boolean {
  return SHARES.has(metric);
}

/** What a metric may do. */
export const JUDGE_MODES = ['act', 'advise', 'off'] as const;

/** How one metric is judged. Margins: differences of shares, ratios less 1, or tokens. */
export interface JudgedMetric {
  /** How much worse the endpoint may be: a pass is evidence that it is not worse by more. */
  readonly margin: number;
  /** `advise`: it is shown, but it neither holds a rollout nor rolls it back. `off`: it is not compared. */
  readonly judge: (typeof JUDGE_MODES)[number];
}

/** How a metric is judged that can roll back. */
export interface MetricPolicy extends JudgedMetric {
  /** If evidence at any time shows that it is worse by more than this, the rollout rolls back at once. */
  readonly rollbackMargin: number;
  /** Its part of the allowed false rollbacks (`falseRollback`), relative to the weights of the other metrics. */
  readonly weight: number;
}

/** How the roles are compared. */
export interface JudgePolicy {
  /** How often, in shares of rollouts or steps, the judge may be wrong. */
  readonly errorRates: {
    /** A rollout that rolls back although the endpoint is within its margins. */
    readonly falseRollback: number;
    /** A step that passes although the endpoint is beyond a margin. `falsePassLast` holds for the last step. */
    readonly falsePass: number;
    readonly falsePassLast: number;
  };
  /** A policy that was stored before a metric existed lacks it: it is off then. */
  readonly metrics: Readonly<Record<BasicMetric, MetricPolicy>> &
    Readonly<Partial<Record<BettingMetric, MetricPolicy>>> & { readonly promptTokens?: JudgedMetric };
}

/** The metrics that can roll back. */
export const BETTING_METRICS = [
  ...BASIC_METRICS,
  ...FORM_METRICS,
  'agreement',
] as const satisfies readonly MetricName[];

export type BettingMetric = (typeof BETTING_METRICS)[number];

/** Hosts may count the begin of a text or of a turn differently. A constant offset of up to this many tokens only advises. */
export const PROMPT_OFFSET = 8;
