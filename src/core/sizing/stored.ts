import { z } from 'zod';
import { storedAs } from '../stored.ts';
import type { PinnedInstance } from './pinned.ts';

/** The instance of a rollout as it is stored. */
export const instanceSchema = storedAs<PinnedInstance>()(
  z.strictObject({
    vendor: z.string(),
    region: z.string(),
    accelerator: z.enum(['cpu', 'gpu', 'neuron']),
    instanceType: z.string(),
    instanceSize: z.string(),
    numAccelerators: z.int().min(0),
    tensorParallelSize: z.int().min(1).nullable(),
    engine: z.enum(['vLLM', 'tei', 'tgi', 'sGLang', 'llamacpp']),
    image: z.string(),
    maxContext: z.int().min(1).nullable(),
    gguf: z.strictObject({ path: z.string(), context: z.int(), calls: z.int() }).nullable(),
    adapter: z.strictObject({ base: z.string(), rank: z.int().min(1) }).optional(),
    caveats: z.array(z.string()).optional(),
    reason: z.string(),
    maxReplica: z.int().min(1).optional(),
    overflowShare: z.number().min(0).max(1).optional(),
  }),
);
