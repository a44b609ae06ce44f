/**
 * The metrics that are compared, in the order in which they are shown. `faults`, `tail` and `empty` are shares of
 * calls, with margins in absolute terms (0.005 = half a point); the others are sizes, with margins in relative terms
 * (0.15 = 15 % slower, or, for `length`, shorter or longer).
 */
export const METRICS = ['faults', 'speed', 'firstToken', 'perToken', 'tail', 'length', 'empty'] as const;

export type MetricName = (typeof METRICS)[number];

/** Whether a metric's margins are differences of shares; otherwise they are ratios less 1. */
export function isShare(metric: MetricName): boolean {
  return metric === 'faults' || metric === 'tail' || metric === 'empty';
}

/** How one metric is judged. Margins: differences of shares for `faults`, `tail`, `empty`, else ratios less 1. */
export interface MetricPolicy {
  /** How much worse the endpoint may be: a pass is evidence that it is not worse by more. */
  readonly margin: number;
  /** If evidence at any time shows that it is worse by more than this, the rollout rolls back at once. */
  readonly rollbackMargin: number;
  /** Its part of the allowed false rollbacks (`falseRollback`), relative to the weights of the other metrics. */
  readonly weight: number;
  /** `advise`: it is shown, but it neither holds a rollout nor rolls it back. */
  readonly judge: 'act' | 'advise';
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
  readonly metrics: Readonly<Record<MetricName, MetricPolicy>>;
}
