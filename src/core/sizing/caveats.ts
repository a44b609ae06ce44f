import type { EndpointPolicy } from '../policy/endpoint.ts';
import { servingArgs } from '../serving/serving-args.ts';
import type { ServingAdvice } from '../serving/serving-args.ts';
import { engineFor } from './engine.ts';
import { kindOf } from './facts.ts';
import type { ModelFacts } from './facts.ts';

const TRUST = '--trust-remote-code';

/** The settings of a policy that concern the engine. */
export type EngineWish = Pick<EndpointPolicy, 'engine' | 'image' | 'args'>;

/**
 * What the engine of a policy should be told for a model. `offersTools`: whether the route's calls offer tools; null if no
 * call is known. Null if the model writes nothing.
 */
export function servingAdvice(
  facts: ModelFacts,
  policy: EngineWish,
  offersTools: boolean | null,
): ServingAdvice | null {
  if (kindOf(facts) !== 'generates') return null;
  const model = facts.adapter?.base ?? facts.model;
  return servingArgs(model, engineFor(policy, facts), { tools: offersTools, args: policy.args });
}

/** What must be known of a model before money is spent, besides its size. In words, the most important first. */
export function caveatsOf(
  facts: ModelFacts,
  policy: EngineWish,
  offersTools: boolean | null = null,
): readonly string[] {
  const { args } = policy;
  const { model, adapter, access } = facts;
  const caveats: string[] = [];
  if (adapter !== undefined) {
    const of = adapter.base ?? 'a model that its config does not name';
    const canLoad = adapter.baseProblem === null && adapter.mustMerge === null;
    caveats.push(`${model} is an adapter of ${of}${canLoad ? ': the endpoint loads both' : ''}`);
    if (adapter.baseProblem !== null) caveats.push(adapter.baseProblem);
    if (adapter.mustMerge !== null) caveats.push(`${adapter.mustMerge}: merge it into its base first`);
  }
  for (const repository of access?.gated ?? []) {
    const isShut = access?.shut.includes(repository) === true;
    caveats.push(`${repository} is gated: ${isShut ? 'HF_TOKEN may not use it' : 'the endpoint gets HF_TOKEN'}`);
  }
  for (const repository of access?.private ?? []) caveats.push(`${repository} is private`);
  if (access?.hasCode === true) {
    const told = args.includes(TRUST)
      ? `${TRUST} is set, so the engine runs it`
      : `vLLM runs it only with ${TRUST} in args, and some models do not start without it`;
    caveats.push(`its config names code of the repository (auto_map): ${told}`);
  }
  caveats.push(...(servingAdvice(facts, policy, offersTools)?.warnings ?? []));
  return caveats;
}
