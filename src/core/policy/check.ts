import type { Question } from './approvals.ts';
import { criteriaSet, isSets } from './criteria.ts';
import type { CriteriaPolicy } from './criteria.ts';
import type { PolicyIssue } from './issue.ts';
import type { Policy, RoutePolicy } from './policy.ts';

/** The form of tokens of Hugging Face and of OpenAI-like services. */
const SECRET = /\b(?:hf_|sk-)[\w-]{8,}/;

/**
 * Checks that need a whole route: settings that contradict each other, and secrets. Secrets are refused because a
 * policy is stored with every decision.
 */
export function checkPolicy({ watched, routes }: Policy): PolicyIssue[] {
  return [...checkRoute(watched, ['defaults']), ...routes.flatMap((route, i) => checkRoute(route, ['routes', i]))];
}

function checkRoute(route: RoutePolicy, path: readonly (string | number)[]): PolicyIssue[] {
  const issues: PolicyIssue[] = [];
  const report = (keys: readonly (string | number)[], message: string) =>
    issues.push({ path: [...path, ...keys], message });
  const { limits, steps, holdBack, endpoint } = route;
  if (route.criteria.slo !== undefined && Object.keys(route.criteria.slo).length === 0) {
    report(['criteria', 'slo'], 'expected p95, availability or both');
  }
  for (const { keys, message } of checkRequire(route.criteria)) report(['criteria', 'require', ...keys], message);
  if (limits.bake > limits.stepWithin)
    report(['limits', 'bake'], 'expected at most limits.stepWithin: a step lasts at least limits.bake');
  if (limits.bake * steps.length > limits.rolloutWithin) {
    report(
      ['limits', 'rolloutWithin'],
      `expected more: ${steps.length} steps of limits.bake each take longer than this`,
    );
  }
  if (holdBack.share < 0.005 || holdBack.share > 0.5) {
    report(['holdBack', 'share'], 'expected 0.5% to 50%: the last step is judged against this control group');
  }
  const before = steps.at(-2) ?? 0;
  if (1 - holdBack.share <= before)
    report(['holdBack', 'share'], `expected less: the last step must be above the step before, ${before}`);
  if ((steps[0] ?? 1) < 0.0001) report(['steps', 0], 'expected at least 0.01%');
  for (const question of unasked(route)) {
    if (route.approvals[question] > 1) report(['approvals', question], 'expected 1: this policy asks nobody about it');
  }
  const { warnAt, askAt } = route.budget;
  if (warnAt > askAt)
    report(['budget', 'warnAt'], `expected at most askAt, ${askAt}: the warning comes before the question`);
  if (endpoint === null) return issues;
  for (const [key, message] of checkScaling(route)) report(['scaling', key], message);
  const { engine, image, region, regions } = endpoint;
  const hasNoImage = engine !== undefined && engine !== 'vLLM' && engine !== 'tei' && image === undefined;
  if (hasNoImage || (engine !== undefined && engine !== 'vLLM' && image?.startsWith('vllm/') === true)) {
    report(['endpoint', 'engine'], `${engine} needs an image of its own: set endpoint.image`);
  }
  if (region !== undefined && regions.length > 0) {
    report(['endpoint', 'regions'], 'set either region (one) or regions (several, the preferred first)');
  }
  const remedy = 'a policy is stored with every decision: keep secrets out of it';
  endpoint.args.forEach((arg, i) => {
    if (SECRET.test(arg) || arg.startsWith('--api-key'))
      report(['endpoint', 'args', i], `this looks like a secret; ${remedy}`);
  });
  for (const [name, value] of Object.entries(endpoint.env)) {
    if (SECRET.test(value)) report(['endpoint', 'env', name], `this looks like a secret; ${remedy}`);
  }
  return issues;
}

/** What the policy lets upshift decide by itself. */
function unasked({ approval, scaling }: RoutePolicy): Question[] {
  const steps: Question[] = approval === 'automatic' ? ['provision', 'step', 'promote'] : [];
  return scaling.adjust === 'automatic' ? [...steps, 'scaling'] : steps;
}

/** A criterion can only be required if it has a limit. */
function checkRequire(criteria: CriteriaPolicy): { readonly keys: (string | number)[]; readonly message: string }[] {
  const { require } = criteria;
  const known = criteriaSet(criteria);
  if (isSets(require)) {
    return require.flatMap((set, i) =>
      set.flatMap((name, j) =>
        known.includes(name) ? [] : [{ keys: [i, j], message: `${name} has no limit: set criteria.${name} too` }],
      ),
    );
  }
  if (typeof require === 'string' || require.atLeast <= known.length) return [];
  return [{ keys: ['atLeast'], message: `expected at most ${known.length}, as only ${known.join(', ')} have a limit` }];
}

/** The settings of a route's scaling that contradict each other or its endpoint: the key, and what is wrong. */
function checkScaling(route: Pick<RoutePolicy, 'endpoint' | 'scaling'>): [key: string, message: string][] {
  const { endpoint } = route;
  if (endpoint === null) return [];
  const { adjust, from, to } = route.scaling;
  const issues: [string, string][] = [];
  const most = to ?? endpoint.maxReplica;
  const least = from ?? endpoint.minReplica;
  if (least > most)
    issues.push([to === null ? 'from' : 'to', `expected at least as many as the ${least} that always run`]);
  if (adjust === 'automatic' && most > endpoint.maxReplica && endpoint.maxPricePerHour === undefined) {
    issues.push(['to', 'more than endpoint.maxReplica spends money without asking: set endpoint.maxPricePerHour']);
  }
  return issues;
}
