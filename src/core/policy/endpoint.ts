import { z } from 'zod';
import { count } from './values.ts';

/** The dedicated endpoint that a route may get. */
export type EndpointPolicy = Readonly<z.output<typeof endpointSchema>>;

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]*$/, 'expected lower-case letters, digits and dashes')
  .describe('name');
const replicas = count(1, 64);

export const endpointSchema = z
  .strictObject({
    namespace: z
      .string()
      .regex(/^[\w.-]+$/, 'expected the name of a user or organization')
      .describe('name of a user or organization'),
    vendor: name.optional(),
    region: name.optional(),
    accelerator: z.enum(['cpu', 'gpu', 'neuron']).optional(),
    instanceType: name.optional(),
    instanceSize: name.optional(),
    instances: z
      .array(
        z
          .string()
          .regex(
            /^(?:[a-z0-9-]+\/[a-z0-9-]+\/)?[a-z0-9-]+\/[a-z0-9-]+$/,
            'expected an instance such as nvidia-l4/x1 or aws/us-east-1/nvidia-l4/x1',
          ),
      )
      .min(1)
      .max(8)
      .refine((names) => new Set(names).size === names.length, 'expected each instance once')
      .describe('list of [vendor/region/]type/size')
      .optional(),
    regions: z
      .array(z.string().regex(/^[a-z0-9-]+\/[a-z0-9-]+$/, 'expected vendor/region such as aws/us-east-1'))
      .describe('list of vendor/region')
      .default([]),
    deny: z
      .array(z.string().regex(/^[a-z0-9-]+(?:\/[a-z0-9-]+)?$/, 'expected a vendor, a region or an instance type'))
      .describe('list of names')
      .default([]),
    minReplica: replicas.default(1),
    maxReplica: replicas.default(1),
    domains: z
      .array(
        z.string().regex(/^[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d{1,5})?$/, 'expected a domain such as models.example.com'),
      )
      .describe('list of domains')
      .optional(),
    engine: z.enum(['vLLM', 'tei', 'tgi', 'sGLang', 'llamacpp']).optional(),
    image: z
      .string()
      .regex(/^\S+$/, 'expected a container image without blanks')
      .describe('container image')
      .optional(),
    args: z.array(z.string()).describe('list of text').default([]),
    env: z.record(z.string(), z.string()).describe('names and values, both text').default({}),
    maxPricePerHour: z.number().positive().describe('dollars above 0').optional(),
  })
  .refine((endpoint) => endpoint.maxReplica >= endpoint.minReplica, {
    path: ['maxReplica'],
    message: 'expected maxReplica to be at least minReplica',
  })
  .refine(
    ({ instances, instanceType, instanceSize }) =>
      instances === undefined || (instanceType === undefined && instanceSize === undefined),
    { path: ['instances'], message: 'expected either instances or instanceType and instanceSize, not both' },
  );
