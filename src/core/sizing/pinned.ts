import type { NamedEngine } from './engine.ts';

/** The instance that a rollout is pinned to, and how its engine is to be told of it. */
export interface PinnedInstance {
  readonly vendor: string;
  readonly region: string;
  readonly accelerator: 'cpu' | 'gpu' | 'neuron';
  readonly instanceType: string;
  readonly instanceSize: string;
  readonly numAccelerators: number;
  /** Accelerators that share the model; null where it lies on one. */
  readonly tensorParallelSize: number | null;
  readonly engine: NamedEngine;
  readonly image: string;
  /** The longest context that the engine is told to take; null where the model's own fits. */
  readonly maxContext: number | null;
  /** What llama.cpp must be told; null for other engines. */
  readonly gguf: { readonly path: string; readonly context: number; readonly calls: number } | null;
  /** Why this one, in words. */
  readonly reason: string;
}
