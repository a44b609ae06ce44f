import type { PolicyIssue } from './policy-issue.ts';
import type { Policy, RoutePolicy } from './policy.ts';
import { checkScaling } from './scaling/check.ts';

/** What tokens of Hugging Face and of OpenAI-like services look like. */
const SECRET = /\b(?:hf_|sk-)[\w-]{8,}/;

/**
 * What can only be seen of a whole route: settings that contradict each other, and secrets, which would be stored with
 * every decision.
 */
export function checkPolicy({ watched, routes }: Policy): PolicyIssue[] {
  return [...checkRoute(watched, ['defaults']), ...routes.flatMap((route, i) => checkRoute(route, ['routes', i]))];
}

function checkRoute(route: RoutePolicy, path: readonly (string | number)[]): PolicyIssue[] {
  const issues: PolicyIssue[] = [];
  const say = (keys: readonly (string | number)[], message: string) =>
    issues.push({ path: [...path, ...keys], message });
  const { limits, steps, holdBack, endpoint } = route;
  if (limits.bake > limits.stepWithin) say(['limits', 'bake'], 'a step must last longer than limits.stepWithin allows');
  if (limits.bake * steps.length > limits.rolloutWithin) {
    say(['limits', 'rolloutWithin'], `${steps.length} steps of limits.bake each take longer than this`);
  }
  if (holdBack.share < 0.005 || holdBack.share > 0.5) {
    say(['holdBack', 'share'], 'expected 0.5% to 50%: without a control group the last step could not be judged');
  }
  const before = steps.at(-2) ?? 0;
  if (1 - holdBack.share <= before) say(['holdBack', 'share'], `leaves less than the step before, ${before}`);
  if ((steps[0] ?? 1) < 0.0001) say(['steps', 0], 'expected at least 0.01%');
  if (endpoint === null) return issues;
  for (const [key, message] of checkScaling(route)) say(['scaling', key], message);
  if (endpoint.engine !== 'vLLM' && endpoint.image.startsWith('vllm/')) {
    say(['endpoint', 'engine'], `${endpoint.engine} needs an image of its own: set endpoint.image`);
  }
  const remedy = 'a policy is stored with every decision: keep secrets out of it';
  endpoint.args.forEach((arg, i) => {
    if (SECRET.test(arg) || arg.startsWith('--api-key'))
      say(['endpoint', 'args', i], `this looks like a secret; ${remedy}`);
  });
  for (const [name, value] of Object.entries(endpoint.env)) {
    if (SECRET.test(value)) say(['endpoint', 'env', name], `this looks like a secret; ${remedy}`);
  }
  return issues;
}
