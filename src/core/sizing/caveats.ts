import type { EndpointPolicy } from '../policy/endpoint.ts';
import type { ModelFacts } from './facts.ts';

const TRUST = '--trust-remote-code';

/** What must be known of a model before money is spent, besides its size. In words, the most important first. */
export function caveatsOf(facts: ModelFacts, { args }: Pick<EndpointPolicy, 'args'>): readonly string[] {
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
  return caveats;
}
