import { METRICS } from '../policy/judge.ts';
import type { JudgePolicy, MetricName } from '../policy/judge.ts';
import { SIZES } from './profile.ts';

/**
 * How `budget.falseRollback` is shared out. First between the two tiers, then, within each, over the acting metrics by
 * their weights (the gate sends back for sizes alone: shares are betted on at their own margins already). Faults have
 * two bets, on early and on later ones; the gate looks at the whole rollout and at each step by itself.
 */
const SHARES = { bet: 0.8, gate: 0.2 };
const FAULTS = { early: 0.8, late: 0.2 };
const GATE = { rollout: 0.5, steps: 0.5 };

/** What split and rejections may be wrong in: each of two sides. */
export const UNHEALTHY_AT = 2 / 0.001;

/** What the evidence in a step must reach to pass, beside the running one. */
export const STEP_AT = 20;

/** How much wider than the margin the evidence of a single step is asked for (log margins of sizes). */
export const WIDE = 5 / 3;

/** Odds at which a metric sends a rollout back. */
export interface FailOdds {
  readonly bet: number;
  /** Early faults; otherwise the same as `bet`. */
  readonly early: number;
  readonly gate: number;
  readonly gateStep: number;
}

/** The odds that each metric needs to send a rollout back; those that only advise as if they acted alone. */
export function failOdds({ errorRates, metrics }: JudgePolicy, steps: number): Record<MetricName, FailOdds> {
  const acting = METRICS.filter((name) => metrics[name].judge === 'act');
  const weigh = (names: readonly MetricName[]) =>
    names.reduce((sum, name) => sum + (acting.includes(name) ? metrics[name].weight : 0), 0);
  const [all, sizes] = [weigh(METRICS), weigh(SIZES)];
  const entries = METRICS.map((name) => {
    const { weight, judge } = metrics[name];
    const part = (of: number) => errorRates.falseRollback * (judge === 'act' ? weight / of : 1);
    const bet = SHARES.bet * part(all);
    const gate = SHARES.gate * part(sizes);
    return [
      name,
      {
        bet: 1 / (name === 'faults' ? bet * FAULTS.late : bet),
        early: 1 / (bet * FAULTS.early),
        gate: 1 / (gate * GATE.rollout),
        gateStep: steps / (gate * GATE.steps),
      },
    ] as const;
  });
  return Object.fromEntries(entries) as Record<MetricName, FailOdds>;
}
