import type { EndpointPolicy } from '../core/policy.ts';
import type { Measure } from '../core/scaling/scaling.ts';
import { firstScaling } from '../core/scaling/scaling.ts';
import { OUR_TAG } from './status.ts';

/** The body of `POST /v2/endpoint/{namespace}`. */
export interface EndpointSpec {
  readonly name: string;
  readonly type: 'authenticated';
  readonly provider: { readonly vendor: string; readonly region: string };
  readonly compute: {
    readonly accelerator: 'cpu' | 'gpu' | 'neuron';
    readonly instanceType: string;
    readonly instanceSize: string;
    readonly scaling: {
      readonly minReplica: number;
      readonly maxReplica: number;
      readonly scaleToZeroTimeout: null;
      readonly measure?: Measure;
    };
  };
  readonly model: {
    readonly repository: string;
    readonly revision: null;
    readonly framework: 'pytorch' | 'llamacpp';
    readonly task?: string;
    readonly image: Readonly<Record<string, Readonly<Record<string, string | number>>>>;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly secrets: Readonly<Record<string, string>>;
  };
  readonly tags: readonly string[];
}

const LONGEST_NAME = 32;

/**
 * The name of a rollout's endpoint: `up-`, as much of the model's name as fits, the rollout's id whole. The same for the
 * same rollout for ever, so that what a dead process made is found again. The API allows `[a-z0-9-]`, 32 characters.
 */
export function endpointName(model: string, rolloutId: string): string {
  const room = LONGEST_NAME - 'up--'.length - rolloutId.length;
  const own = model.split('/').at(-1) ?? '';
  const slug = own
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, Math.max(0, room))
    .replace(/-+$/, '');
  return slug === '' ? `up-${rolloutId}` : `up-${slug}-${rolloutId}`;
}

/** What an endpoint is made from. */
export interface EndpointWish {
  readonly name: string;
  readonly policy: EndpointPolicy;
  /** Repository on the Hub. */
  readonly model: string;
  /** The model's `pipeline_tag`; left out where it is not known (the API refuses null). */
  readonly task?: string | null;
  /** Handed to the engine as the secret `HF_TOKEN`; only gated models need one. */
  readonly token?: string | null;
  /** Accelerators of the instance, from its quote. */
  readonly numAccelerators?: number | null;
}

/** The create body for a wish; see `EndpointSpec`. */
export function endpointSpec(wish: EndpointWish): EndpointSpec {
  const { policy, task, token } = wish;
  const { minReplica, maxReplica, measure } = firstScaling(policy);
  return {
    name: wish.name,
    type: 'authenticated',
    provider: { vendor: policy.vendor, region: policy.region },
    compute: {
      accelerator: policy.accelerator,
      instanceType: policy.instanceType,
      instanceSize: policy.instanceSize,
      scaling: { minReplica, maxReplica, scaleToZeroTimeout: null, ...(measure !== null && { measure }) },
    },
    model: {
      repository: wish.model,
      revision: null,
      framework: policy.engine === 'llamacpp' ? 'llamacpp' : 'pytorch',
      ...(task ? { task } : {}),
      image: imageOf(wish),
      args: argsOf(wish),
      env: policy.env,
      secrets: token ? { HF_TOKEN: token } : {},
    },
    tags: [OUR_TAG],
  };
}

/** The API refuses vLLM and SGLang on several accelerators unless they are told how to share the model. */
function imageOf({ policy, numAccelerators }: EndpointWish): EndpointSpec['model']['image'] {
  const image: Record<string, string | number> = { url: policy.image, healthRoute: '/health' };
  // Images of vLLM listen on 8000; where the others listen is left to the platform.
  if (policy.engine === 'vLLM') image['port'] = 8000;
  const canShare = policy.engine === 'vLLM' || policy.engine === 'sGLang';
  const isTold = hasFlag(policy.args, '--tensor-parallel-size', '-tp', '--tp', '--tp-size', '--data-parallel-size');
  if (canShare && !isTold && (numAccelerators ?? 1) > 1) image['tensorParallelSize'] = numAccelerators ?? 1;
  return { [policy.engine]: image };
}

/** vLLM serves under the path it loads from unless it is told the repository's name, and answers 404 to any other. */
function argsOf({ policy, model }: EndpointWish): readonly string[] {
  const isNamed = policy.engine !== 'vLLM' || hasFlag(policy.args, '--served-model-name');
  return isNamed ? policy.args : ['--served-model-name', model, ...policy.args];
}

function hasFlag(args: readonly string[], ...flags: readonly string[]): boolean {
  return args.some((arg) => flags.some((flag) => arg === flag || arg.startsWith(`${flag}=`)));
}
