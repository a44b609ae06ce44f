import type { EndpointLimits } from './endpoint-limits.ts';
import type { CarePolicy } from './policy/care.ts';

/** What an upstream is. Never confuse it with the role it plays in a rollout. */
export type UpstreamKind = 'serverless' | 'dedicated';

/**
 * The part an upstream plays in a rollout. Toward dedicated the endpoint is the canary. On a way back serverless is.
 */
export type Role = 'stable' | 'canary';

/** Where a rollout moves traffic to: the kind of its canary. */
export type Toward = UpstreamKind;

/** Which kind of upstream plays a role. */
export function upstreamOf(role: Role, toward: Toward): UpstreamKind {
  if (role === 'canary') return toward;
  return toward === 'dedicated' ? 'serverless' : 'dedicated';
}

/** The units of assignment: each call by itself, an agent for a block of time, or a conversation. */
export const AFFINITIES = ['call', 'agent', 'session'] as const;
export type Affinity = (typeof AFFINITIES)[number];

/** The kinds of call, by path. `native` is a provider's or a task's own format; it always stays on serverless. */
export type CallKind = 'chat' | 'completion' | 'embedding' | 'response' | 'message' | 'models' | 'native';

/** Whether calls of a kind, and so their answers, are in one of OpenAI's or Anthropic's formats. */
export function isOpenAi(kind: CallKind): boolean {
  return kind !== 'models' && kind !== 'native';
}

/** A feature of a request that an engine may not support. */
export type CallFeature = 'stream' | 'tools' | 'structured' | 'media';

/**
 * The shape of a call: its kind and the features it uses, e.g. `chat+stream+tools` (features in the order of
 * CALL_FEATURES). Only shapes that an endpoint has shown it can answer are split.
 */
export type CallShape = string;

const CALL_FEATURES: readonly CallFeature[] = ['stream', 'tools', 'structured', 'media'];

/** The shape of a kind and its features. */
export function callShape(kind: CallKind, features: ReadonlySet<CallFeature>): CallShape {
  let shape: string = kind;
  for (const feature of CALL_FEATURES) if (features.has(feature)) shape += `+${feature}`;
  return shape;
}

/** Whether calls of a shape offer tools. */
export function hasTools(shape: CallShape): boolean {
  return shape.split('+').includes('tools');
}

/**
 * Whether the endpoint has shown that it can answer a shape: its kind alone, and its kind with each single feature.
 * `chat+stream+tools` is eligible when `chat`, `chat+stream` and `chat+tools` were answered.
 */
export function isEligible(shape: CallShape, shown: ReadonlySet<CallShape>): boolean {
  const [kind, ...features] = shape.split('+');
  if (kind === undefined || !shown.has(kind)) return false;
  return features.every((feature) => shown.has(`${kind}+${feature}`));
}

/**
 * Whether an agent or a shape is excluded. A kind excludes all of its shapes. A kind with one feature excludes all of
 * its shapes with that feature: `chat+tools` also excludes `chat+stream+tools`.
 */
export function isExcluded(agent: string, shape: CallShape, excluded: ReadonlySet<string>): boolean {
  if (excluded.size === 0) return false;
  if (excluded.has(agent) || excluded.has(shape)) return true;
  const [kind = '', ...features] = shape.split('+');
  return excluded.has(kind) || features.some((feature) => excluded.has(`${kind}+${feature}`));
}

/** What is copied to the endpoint while all traffic is served by serverless. */
export interface ShadowShare {
  /** Share of eligible calls, 0..1. */
  readonly share: number;
  /** Copies of the rollout in flight at once, at most. */
  readonly concurrency: number;
  /** The total of copies that this process may make for the rollout, from the first one on. It does not count down. */
  readonly calls: number;
  /** Agents and shapes of call that are never copied, as in `isExcluded`. */
  readonly exclude: ReadonlySet<string>;
}

/** How a route's calls are split with its endpoint. Derived from the rollout; immutable. */
export interface Canary {
  readonly rolloutId: string;
  /** The kind of the canary. On a way back the endpoint below is the stable upstream. */
  readonly toward: Toward;
  /** 1..n: the step that the rollout is at; n + 1 once promoted; 0 before any weight. */
  readonly step: number;
  /** The canary's share of eligible calls, 0..1, in whole ten-thousandths, as the ledger stores it. */
  readonly weight: number;
  readonly affinity: Affinity;
  /** Length of a block for `affinity: agent`, in clock ms. */
  readonly blockMs: number;
  /** Base URL of the endpoint, no trailing slash. */
  readonly url: string;
  /** The model's name on the engine, from its `/v1/models`. */
  readonly servedModel: string;
  readonly shapes: ReadonlySet<CallShape>;
  /** Shapes that it lately rejected, and until when (clock ms) it gets no call of them; absent: none. */
  readonly withheld?: ReadonlyMap<CallShape, number>;
  /** What its engine takes at most; absent: nothing is known. */
  readonly limits?: EndpointLimits;
  /** Null outside the shadow stage. */
  readonly shadow: ShadowShare | null;
  /** Present while serverless is out and the endpoint takes its calls. */
  readonly through?: ThroughShare;
}

/** How many calls at once the endpoint takes while serverless is out. */
interface ThroughShare {
  readonly atOnce: number;
}

/** Spans in real milliseconds, because sockets do not run on the scaled clock. */
export interface Timeouts {
  readonly connectMs: number;
  /** From sending the request to the endpoint's first byte. */
  readonly firstByteMs: number;
  /** Of the endpoint's answer. */
  readonly betweenChunksMs: number;
  /** From sending the request to the end of the endpoint's answer. */
  readonly totalMs: number;
  /** The same of serverless's answers. */
  readonly serverless: { readonly betweenChunksMs: number; readonly totalMs: number };
}

/** What the gateway knows of one model. `canary` is null if all traffic stays on serverless. */
export interface RouteEntry {
  readonly model: string;
  readonly timeouts: Timeouts;
  readonly canary: Canary | null;
  /** How its calls to serverless are paced, retried and queued; null: they are passed on unchanged. */
  readonly care: CarePolicy | null;
}

/**
 * All routes of the gateway. It is replaced as a whole, never changed. Calls of other models are passed on and counted.
 */
export interface RouteTable {
  readonly generation: number;
  readonly routes: ReadonlyMap<string, RouteEntry>;
  /** For models without an entry. */
  readonly fallback: Pick<RouteEntry, 'timeouts' | 'care'>;
}
