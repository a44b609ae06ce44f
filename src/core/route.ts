import type { CarePolicy } from './policy/care.ts';

/** What an upstream is. Never confuse it with the role it plays in a rollout. */
export type UpstreamKind = 'serverless' | 'dedicated';

/** The part an upstream plays in a rollout. Toward dedicated the endpoint is the canary, on the way back serverless is. */
export type Role = 'stable' | 'canary';

/** Where a rollout moves traffic to: the kind of its canary. */
export type Toward = UpstreamKind;

/** Which kind of upstream plays a role. */
export function upstreamOf(role: Role, toward: Toward): UpstreamKind {
  if (role === 'canary') return toward;
  return toward === 'dedicated' ? 'serverless' : 'dedicated';
}

/** What the unit of assignment is: each call by itself, or an agent for a block of time. */
export type Affinity = 'call' | 'agent';

/** The kinds of call, by path. `native` is a provider's or task's own shape, always left on serverless. */
export type CallKind = 'chat' | 'completion' | 'embedding' | 'response' | 'message' | 'models' | 'native';

/** What in a request an engine may be unable to do. */
export type CallFeature = 'stream' | 'tools' | 'structured' | 'media';

/**
 * The shape of a call: its kind and the features it uses, e.g. `chat+stream+tools` (features in the order of
 * CALL_FEATURES). Only shapes that an endpoint has shown it can answer are split.
 */
export type CallShape = string;

const CALL_FEATURES: readonly CallFeature[] = ['stream', 'tools', 'structured', 'media'];

/** Joins a kind and its features to a shape. */
export function callShape(kind: CallKind, features: ReadonlySet<CallFeature>): CallShape {
  let shape: string = kind;
  for (const feature of CALL_FEATURES) if (features.has(feature)) shape += `+${feature}`;
  return shape;
}

/**
 * Whether a shape is covered by what was shown: its kind by itself, and its kind with each feature alone.
 * `chat+stream+tools` is eligible when `chat`, `chat+stream` and `chat+tools` were answered.
 */
export function isEligible(shape: CallShape, shown: ReadonlySet<CallShape>): boolean {
  const [kind, ...features] = shape.split('+');
  if (kind === undefined || !shown.has(kind)) return false;
  return features.every((feature) => shown.has(`${kind}+${feature}`));
}

/**
 * Whether an agent or a shape is kept out. A kind keeps out all of its shapes, and a kind with one feature all of them
 * that use it: `chat+tools` keeps out `chat+stream+tools` too.
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
  /** Copies that this process may make for the rollout, counted from its first one: not lowered as they are made. */
  readonly calls: number;
  /** Agents and shapes of call that are never copied, read as `isExcluded` does. */
  readonly exclude: ReadonlySet<string>;
}

/** How a route's calls are split with its endpoint. Derived from the rollout; immutable. */
export interface Canary {
  readonly rolloutId: string;
  /** The kind of the canary. On a way back the endpoint below is the stable upstream. */
  readonly toward: Toward;
  /** 1..n: the stop the rollout stands at; n + 1 once promoted; 0 before any weight. */
  readonly step: number;
  /** The canary's share of eligible calls, 0..1, in whole ten-thousandths: as the ledger keeps it. */
  readonly weight: number;
  readonly affinity: Affinity;
  /** Length of a block for `affinity: agent`, in clock ms. */
  readonly blockMs: number;
  /** Base URL of the endpoint, no trailing slash. */
  readonly url: string;
  /** The name the engine serves the model under, from its `/v1/models`. */
  readonly servedModel: string;
  readonly shapes: ReadonlySet<CallShape>;
  /** Null outside the shadow stage. */
  readonly shadow: ShadowShare | null;
}

/** Spans in real milliseconds: sockets do not run on the scaled clock. */
export interface Timeouts {
  readonly connectMs: number;
  /** From sending the request to the endpoint's first byte. */
  readonly firstByteMs: number;
  readonly betweenChunksMs: number;
  /** From sending the request to the end of the answer. */
  readonly totalMs: number;
}

/** What the gateway knows of one model. `canary` is null where all traffic stays on serverless. */
export interface RouteEntry {
  readonly model: string;
  readonly timeouts: Timeouts;
  readonly canary: Canary | null;
  /** How its calls to serverless are cared for; null: they are passed on as they are. */
  readonly care: CarePolicy | null;
}

/** The gateway's whole knowledge: replaced as a whole, never changed. Models not in it are passed through and watched. */
export interface RouteTable {
  readonly generation: number;
  readonly routes: ReadonlyMap<string, RouteEntry>;
  /** For models without an entry. */
  readonly fallback: Pick<RouteEntry, 'timeouts' | 'care'>;
}
