import type { FaultBoard } from '../faults.ts';

/** How a deployment of a model answers a call, beside what the model would say. */
export interface Deployment {
  /** Names it: what it does by itself, another deployment does not do for the same call. */
  readonly side: string;
  /** Whether a tool call or a JSON answer breaks its schema (`wrong`), or either that or JSON itself (`any`). */
  readonly spoils: 'wrong' | 'any' | null;
  /** Whether calls of tools stay in the text, in the model's own notation. */
  readonly lacksParser: boolean;
  /** Whether it puts more into the prompt than others do, and not always the same. */
  readonly hasOtherTemplate: boolean;
  /** At temperature 0: the most that its text has in common with that of others, 0..1; null: as models usually do. */
  readonly agreement: number | null;
  readonly dropsReasoning: boolean;
  /** A longer prompt is cut to this silently, tokens. */
  readonly contextTokens: number;
  /** The longest answer to a call that states no limit, tokens. */
  readonly usualLimit: number;
  /** Tokens that it counts for each of the model's. */
  readonly tokensFactor: number;
}

/** A deployment that does what it should. */
function faithful(side: string): Deployment {
  return {
    side,
    spoils: null,
    lacksParser: false,
    hasOtherTemplate: false,
    agreement: null,
    dropsReasoning: false,
    contextTokens: Infinity,
    usualLimit: Infinity,
    tokensFactor: 1,
  };
}

/** The longest answer to a call that states no limit, with the fault `capped`. Tokens. */
const CAPPED = 256;
/** See `agreement`. */
const [QUANTISED_AGREEMENT, TEMPLATE_AGREEMENT] = [0.5, 0.3];

/** How an endpoint answers its next call. `context`: what its engine states, tokens. */
export function endpointDeployment(faults: FaultBoard, name: string, context: number): Deployment {
  const hits = (kind: 'parser' | 'template' | 'schema' | 'quantised' | 'reasoning' | 'capped') =>
    faults.strikes('endpoint', kind, name);
  const isQuantised = faults.find('endpoint', 'quantised', name) !== undefined;
  const cut = faults.factor('endpoint', 'context', name);
  const hasOtherTemplate = hits('template');
  return {
    side: 'endpoint',
    spoils: hits('schema') ? 'wrong' : hits('quantised') ? 'any' : null,
    lacksParser: hits('parser'),
    hasOtherTemplate,
    agreement: hasOtherTemplate ? TEMPLATE_AGREEMENT : isQuantised ? QUANTISED_AGREEMENT : null,
    dropsReasoning: hits('reasoning'),
    contextTokens: cut === 1 ? Infinity : Math.max(1, Math.floor(context * cut)),
    usualLimit: hits('capped') ? CAPPED : Infinity,
    tokensFactor: faults.factor('endpoint', 'tokenizer', name),
  };
}

/** How a provider behind the router answers its next call. `isOdd`: whether it is the one that the fault `provider` hits. */
export function providerDeployment(faults: FaultBoard, provider: string, isOdd: boolean): Deployment {
  const usual = faithful('router');
  if (!isOdd) return usual;
  const spoils = faults.strikes('router', 'provider') ? 'any' : null;
  return { ...usual, side: `router:${provider}`, hasOtherTemplate: true, agreement: TEMPLATE_AGREEMENT, spoils };
}
