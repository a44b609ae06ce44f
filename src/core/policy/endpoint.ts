import { z } from 'zod';

/** The dedicated endpoint that a route may get. */
export type EndpointPolicy = Readonly<z.output<typeof endpointSchema>>;

export const name = z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'expected lower-case letters, digits and dashes');
const replicas = z.number().int().min(1).max(64);

export const endpointSchema = z
  .strictObject({
    namespace: z.string().regex(/^[\w.-]+$/, 'expected the name of a user or organization'),
    vendor: name.optional(),
    region: name.optional(),
    accelerator: z.enum(['cpu', 'gpu', 'neuron']).optional(),
    instanceType: name.optional(),
    instanceSize: name.optional(),
    regions: z
      .array(z.string().regex(/^[a-z0-9-]+\/[a-z0-9-]+$/, 'expected vendor/region such as aws/us-east-1'))
      .default([]),
    deny: z
      .array(z.string().regex(/^[a-z0-9-]+(?:\/[a-z0-9-]+)?$/, 'expected a vendor, a region or an instance type'))
      .default([]),
    minReplica: replicas.default(1),
    maxReplica: replicas.default(1),
    engine: z.enum(['vLLM', 'tei', 'tgi', 'sGLang', 'llamacpp']).optional(),
    image: z.string().regex(/^\S+$/, 'expected a container image without blanks').optional(),
    args: z.array(z.string()).default([]),
    env: z.record(z.string(), z.string()).default({}),
    maxPricePerHour: z.number().positive().optional(),
  })
  .refine((endpoint) => endpoint.maxReplica >= endpoint.minReplica, {
    path: ['maxReplica'],
    message: 'expected maxReplica to be at least minReplica',
  });
