import { signOf } from '../judge/form-sentence.ts';
import type { Verdict } from '../judge/verdict.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { formHint } from '../serving/form-hint.ts';
import type { Observation } from './observation.ts';

/**
 * The summary of a verdict. If the form of answers or prompts decided it, the likeliest cause follows as a question, with the
 * setting of the endpoint's engine that would mend it.
 */
export function withQuestion(rollout: Rollout, { policy }: Pick<Observation, 'policy'>, verdict: Verdict): string {
  const { summary, cause, metrics } = verdict;
  const deciding = metrics.find(({ metric }) => metric === cause);
  const sign = deciding === undefined ? null : signOf(deciding);
  // Nobody can change the settings of serverless.
  if (sign === null || rollout.toward === 'serverless') return summary;
  const { model, instance } = rollout;
  return `${summary}; ${formHint(sign, { model, engine: instance.engine, args: policy.endpoint?.args ?? null })}`;
}
