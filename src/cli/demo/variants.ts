import { MINUTE_MS } from '../../core/time.ts';
import type { FaultInput } from '../../simulation/faults.ts';
import { DEFAULT_LIMITS } from '../../simulation/limits.ts';
import { wrap } from '../terminal/print.ts';

/** The width at which yargs wraps. */
const HELP_WIDTH = 80;
/** Factor that makes a healthy endpoint, which is faster, as slow as serverless. */
const AS_SERVERLESS = 1 / DEFAULT_LIMITS.endpointFactor;

/** A fault that a migration may meet. */
export interface Variant {
  /** One sentence without its full stop. */
  readonly what: string;
  readonly faults: readonly FaultInput[];
  /**
   * When the fault begins. `start`: with the endpoint. `warm`: once the endpoint is warm, because the first calls
   * decide which shapes it gets. `live`: with its first live calls. `weight`: at the weight of `--at`.
   */
  readonly from: 'start' | 'warm' | 'live' | 'weight';
  /** The possible endings under policies/demo.yaml, the most likely first. */
  readonly expected: readonly ('rolled back' | 'held' | 'promoted')[];
  /** Failures that agents see whatever upshift decides: the status that they get, and why. */
  readonly unavoidable?: { readonly status: number; readonly why: string };
}

/** The values of `--fault`. */
export const VARIANTS = {
  dies: {
    what: 'the endpoint refuses connections; answers that have begun still end',
    faults: [{ target: 'endpoint', kind: 'refuses' }],
    from: 'weight',
    expected: ['rolled back'],
  },
  slow: {
    what: "the endpoint's answers take 30 % longer than those of serverless",
    faults: [{ target: 'endpoint', kind: 'slow', factor: 1.3 * AS_SERVERLESS }],
    from: 'start',
    expected: ['rolled back', 'held'],
  },
  errors: {
    what: "3 % of the endpoint's calls fail with status 500",
    faults: [{ target: 'endpoint', kind: 'errors', share: 0.03 }],
    from: 'warm',
    expected: ['rolled back'],
  },
  tail: {
    what: "8 % of the endpoint's calls take four times as long as on serverless",
    faults: [{ target: 'endpoint', kind: 'slow', share: 0.08, factor: 4 * AS_SERVERLESS }],
    from: 'start',
    expected: ['rolled back', 'held'],
  },
  hang: {
    what: "5 % of the endpoint's calls never end, half of them after a part of the answer",
    faults: [{ target: 'endpoint', kind: 'stalls', share: 0.05 }],
    from: 'warm',
    expected: ['rolled back'],
    unavoidable: {
      status: 200,
      why: 'hung after a part of the answer had reached the agent: such a call cannot be tried again',
    },
  },
  empty: {
    what: "5 % of the endpoint's answers have status 200 and nothing in them",
    faults: [{ target: 'endpoint', kind: 'empty', share: 0.05 }],
    from: 'warm',
    expected: ['rolled back'],
  },
  'short-answers': {
    what: "the endpoint's answers are 40 % shorter, and so it is faster",
    faults: [{ target: 'endpoint', kind: 'short', factor: 0.6 }],
    from: 'start',
    expected: ['rolled back', 'held'],
  },
  parser: {
    what: "the endpoint's engine has lost its tool parser: calls of tools come as text",
    faults: [{ target: 'endpoint', kind: 'parser' }],
    from: 'warm',
    expected: ['rolled back', 'held'],
  },
  template: {
    what: 'the endpoint has another chat template: other prompt tokens and other texts',
    faults: [{ target: 'endpoint', kind: 'template' }],
    from: 'start',
    expected: ['rolled back', 'held'],
  },
  schema: {
    what: "a quarter of the endpoint's JSON answers and calls of tools do not satisfy their schema",
    faults: [{ target: 'endpoint', kind: 'schema' }],
    from: 'warm',
    expected: ['rolled back', 'held'],
  },
  quantised: {
    what: "3 % more of the endpoint's JSON answers and calls of tools are wrong, as from a quantised model",
    faults: [{ target: 'endpoint', kind: 'quantised' }],
    from: 'warm',
    expected: ['rolled back', 'held'],
  },
  reasoning: {
    what: 'the endpoint does not reason where a call asks for it',
    faults: [{ target: 'endpoint', kind: 'reasoning' }],
    from: 'start',
    expected: ['rolled back', 'held'],
  },
  context: {
    what: 'the endpoint cuts prompts to 8,192 tokens and does not say so',
    faults: [{ target: 'endpoint', kind: 'context' }],
    from: 'start',
    expected: ['rolled back', 'held'],
  },
  truncated: {
    what: 'the endpoint ends answers after 256 tokens where a call states no limit',
    faults: [{ target: 'endpoint', kind: 'capped' }],
    from: 'start',
    expected: ['rolled back', 'held'],
  },
  cold: {
    what: 'the endpoint is five times slower in the first five minutes of its live traffic',
    faults: [{ target: 'endpoint', kind: 'slow', factor: 5, lastsMs: 5 * MINUTE_MS }],
    from: 'live',
    expected: ['rolled back', 'held'],
  },
  'serverless-incident': {
    what: "serverless is three times slower and fails 5 % of its calls in the first ten minutes of the endpoint's live traffic",
    faults: [
      { target: 'router', kind: 'slow', factor: 3, lastsMs: 10 * MINUTE_MS },
      { target: 'router', kind: 'errors', share: 0.05, lastsMs: 10 * MINUTE_MS },
    ],
    from: 'live',
    expected: ['promoted'],
    unavoidable: { status: 500, why: 'failed by serverless, and no other upstream could answer' },
  },
} as const satisfies Readonly<Record<string, Variant>>;

export type VariantName = keyof typeof VARIANTS;

export const VARIANT_NAMES = Object.keys(VARIANTS) as VariantName[];

/** The values of `--fault` with their meaning, for `--help`. */
export function variantsText(): string {
  const width = Math.max(...VARIANT_NAMES.map((name) => name.length));
  const lines = VARIANT_NAMES.flatMap((name) => {
    const { what, expected }: Variant = VARIANTS[name];
    const lines = wrap(`${what} (${expected.join(' or ')})`, HELP_WIDTH - width - 4);
    return lines.map((line, i) => `  ${(i === 0 ? name : '').padEnd(width)}  ${line}`);
  });
  return ['The values of --fault, and how the demo should end with each:', ...lines].join('\n');
}
