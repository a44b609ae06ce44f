import { BETTING_METRICS, FORM_METRICS } from '../policy/judge.ts';
import type { BettingMetric, FormMetric, JudgePolicy } from '../policy/judge.ts';
import { SIZES } from './profile.ts';

/**
 * How `errorRates.falseRollback` is divided: first between the two tiers, then, within each tier, among the acting
 * metrics by their weights. The gate rolls back for sizes only, because the bets on shares already use the shares' own
 * margins. Faults have two bets: one on early faults, one on later ones. The gate tests the whole rollout and each
 * step.
 */
const SHARES = { bet: 0.8, gate: 0.2 };
const FAULTS = { early: 0.8, late: 0.2 };
const GATE = { rollout: 0.5, steps: 0.5 };

/**
 * The odds at which the split or the rejections make a verdict unhealthy: an error of 0.001, half for each of two
 * sides.
 */
export const UNHEALTHY_AT = 2 / 0.001;

/** The odds that the evidence of a single step must reach to pass, in addition to the evidence of the whole rollout. */
export const STEP_AT = 20;

/** The evidence of a single step is tested at the margin times this (for sizes: at the log margin times this). */
export const WIDE = 5 / 3;

/** Odds at which a metric rolls back. */
export interface FailOdds {
  readonly bet: number;
  /** Early faults; otherwise the same as `bet`. */
  readonly early: number;
  readonly gate: number;
  readonly gateStep: number;
}

/**
 * The odds that each metric needs to roll back. A metric that only advises gets the odds it would need if it acted
 * alone. `hasForm`: whether the route's calls may have a metric of form; one that they lack takes no part of the allowed error.
 */
export function failOdds(
  { errorRates, metrics }: JudgePolicy,
  steps: number,
  hasForm: (name: FormMetric) => boolean,
): Record<BettingMetric, FailOdds> {
  const isActing = (name: BettingMetric) => metrics[name]?.judge === 'act' && (!isForm(name) || hasForm(name));
  const weigh = (names: readonly BettingMetric[]) =>
    names.reduce((sum, name) => sum + (isActing(name) ? (metrics[name]?.weight ?? 0) : 0), 0);
  const [all, sizes] = [weigh(BETTING_METRICS), weigh(SIZES)];
  const entries = BETTING_METRICS.map((name) => {
    const weight = metrics[name]?.weight ?? 0;
    const part = (of: number) => errorRates.falseRollback * (isActing(name) ? weight / of : 1);
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
  return Object.fromEntries(entries) as Record<BettingMetric, FailOdds>;
}

function isForm(name: BettingMetric): name is FormMetric {
  return (FORM_METRICS as readonly BettingMetric[]).includes(name);
}
