import type { NamedEngine } from './engine.ts';

/** The instance to which a rollout is pinned, and the settings of its engine. */
export interface PinnedInstance {
  readonly vendor: string;
  readonly region: string;
  readonly accelerator: 'cpu' | 'gpu' | 'neuron';
  readonly instanceType: string;
  readonly instanceSize: string;
  readonly numAccelerators: number;
  /** Accelerators that share the model. Null if it is on one. */
  readonly tensorParallelSize: number | null;
  readonly engine: NamedEngine;
  readonly image: string;
  /** The context, in tokens, to set for the engine. Null if the model's own fits or the policy sets it. */
  readonly maxContext: number | null;
  /** llama.cpp's file, its whole context in tokens, and its calls at once. Null for other engines. */
  readonly gguf: { readonly path: string; readonly context: number; readonly calls: number } | null;
  /** The adapter's base, which the endpoint serves, and the rank that vLLM is told. Absent: the model is no adapter. */
  readonly adapter?: { readonly base: string; readonly rank: number };
  /** What must be known of the model before money is spent, in words. Absent: nothing. */
  readonly caveats?: readonly string[];
  /** Why this instance was chosen, in words. */
  readonly reason: string;
  /** The most replicas that the policy's price ceiling pays for. Absent: the policy's `maxReplica`. */
  readonly maxReplica?: number;
  /** The share of the calls that is expected to overflow to serverless, 0..1. Absent: none. */
  readonly overflowShare?: number;
}

/** The most replicas of an endpoint on an instance. */
export function mostReplicas(
  { maxReplica }: { readonly maxReplica: number },
  instance: Pick<PinnedInstance, 'maxReplica'>,
): number {
  return Math.min(maxReplica, instance.maxReplica ?? maxReplica);
}
