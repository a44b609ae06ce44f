/** What a fault plays, and what it does if its caller does not say how much of it. */
export interface FaultFacts {
  /** What happens while it is in force: a sentence without its full stop. */
  readonly plays: string;
  /** The share of the calls that it hits by default; 1 if it is missing. */
  readonly share?: number;
  /** Its factor by default; the fault has none if it is missing. */
  readonly factor?: number;
}

/**
 * The faults of each part. Those of `endpoint` are what its own server does, whatever state the management API shows.
 */
export const FAULTS = {
  endpoint: {
    dies: { plays: 'refuses connections; calls that wait for an answer and answers that have begun are cut' },
    refuses: { plays: 'refuses connections; calls that wait for an answer are cut, and answers that have begun end' },
    fails: { plays: 'the management API says that it failed' },
    unhealthy: { plays: 'the health route answers 503' },
    unavailable: { plays: 'calls get 503; the health route does not' },
    hangs: { plays: 'answers nothing, not even the health route' },
    stalls: { plays: 'calls never end: half of them before the first byte, half after half of the answer' },
    cuts: { plays: 'the connection breaks after half of the answer' },
    errors: { plays: 'calls get 500' },
    ratelimits: { plays: 'calls get 429' },
    slow: { plays: 'calls take `factor` times as long', factor: 3 },
    short: { plays: 'answers have `factor` times as many tokens', factor: 0.7 },
    narrow: {
      plays: 'the engine takes `factor` times the context that it states, and refuses longer calls',
      factor: 0.01,
    },
    rejects: { plays: 'calls get 400; with `shape`, only calls of that shape' },
    truncated: { plays: 'status 200 with the first half of an answer' },
    empty: { plays: 'status 200 with nothing; in a stream, with `[DONE]` alone' },
    garbage: { plays: 'status 200 with bytes that are neither JSON nor events' },
    html: { plays: 'status 200 with a page' },
    error200: { plays: 'status 200 with an error in JSON' },
    parser: { plays: 'no tool parser is set: calls of tools stay in the text as `<tool_call>`' },
    template: { plays: 'another chat template: 5 to 44 more prompt tokens, and other text' },
    schema: { plays: 'schemas are ignored: JSON answers and arguments of tools do not satisfy them', share: 0.25 },
    quantised: {
      plays:
        'more JSON answers and arguments of tools are wrong; at temperature 0 texts differ sooner; embeddings are rounded',
      share: 0.03,
    },
    reasoning: { plays: 'answers have no reasoning' },
    context: { plays: 'prompts are cut to `factor` times the context that the engine states', factor: 1 / 16 },
    capped: { plays: 'answers to calls that state no limit end after 256 tokens' },
    tokenizer: { plays: 'another tokenizer counts `factor` times the tokens', factor: 1.2 },
  },
  router: {
    errors: { plays: 'calls get 500' },
    slow: { plays: 'calls take `factor` times as long', factor: 3 },
    hangs: { plays: 'calls get no answer' },
    ratelimits: { plays: 'calls get 429' },
    unavailable: { plays: 'calls get 503' },
    credits: { plays: 'calls get 402, because the credits are used up' },
    cuts: { plays: 'the connection breaks after half of the answer' },
    provider: {
      plays:
        'calls are spread over all providers, of which the last has another chat template and makes more errors in JSON',
      share: 0.1,
    },
  },
  management: {
    down: { plays: 'the management API breaks connections without an answer' },
    errors: { plays: 'the management API answers 500' },
    slow: { plays: 'the management API takes `factor` seconds longer', factor: 3 },
    quota: { plays: 'the account has no quota; with `name`, for that instance, as `nvidia-l4/x1`' },
    capacity: { plays: 'the cloud has no such instance free; with `name`, that instance, as `nvidia-l4/x1`' },
    payment: { plays: 'the account cannot pay' },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, FaultFacts>>>>;

type Faults = typeof FAULTS;
export type FaultTarget = keyof Faults;
export type FaultKind = { [Target in FaultTarget]: keyof Faults[Target] }[FaultTarget];

/** The kinds of faults of a part. */
export function kindsOf(target: FaultTarget): readonly FaultKind[] {
  return Object.keys(FAULTS[target]) as FaultKind[];
}

/** What is known of a fault. */
export function factsOf(target: FaultTarget, kind: FaultKind): FaultFacts {
  const facts: Readonly<Record<string, FaultFacts>> = FAULTS[target];
  return facts[kind] ?? { plays: '' };
}

/** Faults of an endpoint that answers 200 with something that is no answer. */
export const BROKEN_ANSWERS = ['empty', 'garbage', 'html', 'error200'] as const satisfies readonly FaultKind[];

export type BrokenAnswer = (typeof BROKEN_ANSWERS)[number];
