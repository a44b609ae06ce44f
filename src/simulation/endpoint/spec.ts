import { isObject } from '../exchange.ts';
import { CATALOGUE } from './catalogue.ts';
import type { Compute } from './catalogue.ts';

type Json = Record<string, unknown>;

/** A requested endpoint, checked. As in the real API, an unknown `type` becomes `private`. */
export interface EndpointSpec {
  readonly name: string;
  readonly type: 'public' | 'authenticated' | 'private';
  readonly compute: Compute;
  readonly scaling: Scaling;
  readonly model: {
    readonly repository: string;
    readonly revision: string | null;
    readonly framework: string;
    readonly task: string | undefined;
    /** The key of the image union, e.g. `vLLM`. */
    readonly engine: string;
    readonly image: Json;
    readonly env: Json;
    readonly secretNames: readonly string[];
    readonly args: readonly string[];
    readonly command: readonly string[];
  };
  readonly tags: readonly string[];
}

interface Scaling {
  readonly minReplica: number;
  readonly maxReplica: number;
  /** Minutes. */
  readonly scaleToZeroTimeout: number | null;
  readonly measure: Json | null;
}

/** A body that the API refuses with 400. */
export class ValidationError extends Error {}

const ENGINES = [
  'huggingface',
  'huggingfaceNeuron',
  'tgi',
  'tgiNeuron',
  'tei',
  'vLLM',
  'vLLMOmni',
  'vLLMNeuron',
  'sGLang',
  'llamacpp',
  'hfServe',
  'custom',
];
const WITHOUT_URL = ['huggingface', 'huggingfaceNeuron'];
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  llamacpp: ['ctxSize', 'modelPath', 'nParallel', 'threadsHttp'],
};

/** Reads the body of `POST /v2/endpoint/{namespace}`. Throws ValidationError with the API's own text. */
export function readSpec(body: Json): EndpointSpec {
  const name = body['name'];
  check(typeof name === 'string' && /^[a-z0-9-]{1,32}$/.test(name), 'name: must match [a-z0-9-] and be 1..32 long');
  const type = body['type'];
  check(typeof type === 'string', 'type: missing field');
  const provider = objectAt(body, 'provider');
  const compute = objectAt(body, 'compute');
  const instance = readInstance(provider, compute);
  const tags = body['tags'];
  const model = readModel(objectAt(body, 'model'), instance);
  return {
    name: name as string,
    type: type === 'public' || type === 'authenticated' ? type : 'private',
    compute: instance,
    scaling: readScaling(objectAt(compute, 'scaling', 'compute.')),
    model,
    tags: Array.isArray(tags) ? tags.map(String) : [],
  };
}

function readInstance(provider: Json, compute: Json): Compute {
  const { vendor, region } = provider;
  const { instanceType, instanceSize, accelerator } = compute;
  for (const [field, value] of Object.entries({ vendor, region })) {
    check(typeof value === 'string', `provider.${field}: missing field`);
  }
  check(['cpu', 'gpu', 'neuron'].includes(String(accelerator)), 'compute.accelerator: unknown variant');
  const found = CATALOGUE.find(
    (each) =>
      each.vendor === vendor &&
      each.region === region &&
      each.instanceType === instanceType &&
      each.instanceSize === instanceSize,
  );
  const place = `${String(vendor)} ${String(region)}`;
  check(found !== undefined, `compute: ${String(instanceType)} ${String(instanceSize)} does not exist in ${place}`);
  check(
    found?.accelerator === accelerator,
    `compute.accelerator: ${String(instanceType)} is no ${String(accelerator)}`,
  );
  return found as Compute;
}

function readScaling(scaling: Json): Scaling {
  const { minReplica, maxReplica, scaleToZeroTimeout = null, measure = null } = scaling;
  const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;
  check(isCount(minReplica), 'compute.scaling.minReplica: missing field');
  check(isCount(maxReplica), 'compute.scaling.maxReplica: missing field');
  const [low, high] = [Number(minReplica), Number(maxReplica)];
  check(high >= Math.max(1, low), 'compute.scaling.maxReplica: must be at least 1 and at least minReplica');
  if (scaleToZeroTimeout !== null) {
    const minutes = Number(scaleToZeroTimeout);
    const isAllowed = Number.isInteger(scaleToZeroTimeout) && minutes >= 15 && minutes <= 2880;
    check(isAllowed, 'compute.scaling.scaleToZeroTimeout: must be between 15 and 2880 minutes');
    check(low === 0, 'compute.scaling.scaleToZeroTimeout: only allowed with minReplica 0');
  }
  if (measure !== null) {
    const keys = isObject(measure) ? Object.keys(measure) : [];
    const isUnion = keys.length === 1 && ['hardwareUsage', 'pendingRequests'].includes(keys[0] ?? '');
    check(isUnion, 'compute.scaling.measure: expected exactly one of hardwareUsage, pendingRequests');
  }
  const timeout = scaleToZeroTimeout === null ? null : Number(scaleToZeroTimeout);
  return {
    minReplica: low,
    maxReplica: high,
    scaleToZeroTimeout: timeout,
    measure: isObject(measure) ? measure : null,
  };
}

function readModel(model: Json, instance: Compute): EndpointSpec['model'] {
  const { repository, framework, revision = null, task } = model;
  check(typeof repository === 'string' && repository !== '', 'model.repository: missing field');
  const frameworks = ['custom', 'pytorch', 'llamacpp'];
  check(frameworks.includes(String(framework)), `model.framework: expected one of ${frameworks.join(', ')}`);
  if ('task' in model && typeof task !== 'string') {
    // The task may not be null, unlike the revision, because the parser of the real API fails on it.
    throw new ValidationError('Failed to parse the request body as JSON: model.task: expected value');
  }
  const image = objectAt(model, 'image', 'model.');
  const engine = readEngine(image, instance);
  return {
    repository: String(repository),
    revision: typeof revision === 'string' ? revision : null,
    framework: String(framework),
    task: typeof task === 'string' ? task : undefined,
    engine,
    image,
    env: isObject(model['env']) ? model['env'] : {},
    secretNames: isObject(model['secrets']) ? Object.keys(model['secrets']) : [],
    args: Array.isArray(model['args']) ? model['args'].map(String) : [],
    command: Array.isArray(model['command']) ? model['command'].map(String) : [],
  };
}

function readEngine(image: Json, instance: Compute): string {
  const keys = Object.keys(image);
  const engine = keys[0] ?? '';
  check(keys.length === 1, 'model.image: expected exactly one variant');
  check(ENGINES.includes(engine), `model.image: unknown variant \`${engine}\`, expected one of ${ENGINES.join(', ')}`);
  const fields = image[engine];
  check(isObject(fields), `model.image.${engine}: expected an object`);
  const needed = [...(WITHOUT_URL.includes(engine) ? [] : ['url']), ...(REQUIRED[engine] ?? [])];
  for (const field of needed) {
    check((fields as Json)[field] !== undefined, `model.image.${engine}: missing field \`${field}\``);
  }
  const { tensorParallelSize = null, dataParallelSize = null } = fields as Json;
  const isParallel = tensorParallelSize !== null || dataParallelSize !== null;
  const wantsSizes = instance.accelerator === 'gpu' && instance.numAccelerators > 1;
  if (wantsSizes && (engine === 'vLLM' || engine === 'sGLang')) {
    check(
      isParallel,
      `model.image.${engine}: set tensorParallelSize or dataParallelSize for more than one accelerator`,
    );
  }
  return engine;
}

function objectAt(body: Json, key: string, prefix = ''): Json {
  const value = body[key];
  check(isObject(value), `${prefix}${key}: missing field`);
  return value as Json;
}

function check(isRight: boolean, problem: string): void {
  if (!isRight) throw new ValidationError(`VALIDATION_FAILED: ${problem}`);
}

/** The path of the engine's health route. */
export function healthRoute(spec: EndpointSpec): string {
  const fields = spec.model.image[spec.model.engine] as { healthRoute?: unknown } | undefined;
  return typeof fields?.healthRoute === 'string' ? fields.healthRoute : '/health';
}
