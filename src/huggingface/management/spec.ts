import type { EndpointPolicy } from '../../core/policy/endpoint.ts';
import { firstScaling } from '../../core/scaling/scaling.ts';
import type { Measure } from '../../core/scaling/scaling.ts';
import { CONTEXT_FLAGS } from '../../core/sizing/engine-args.ts';
import { mostReplicas } from '../../core/sizing/pinned.ts';
import type { PinnedInstance } from '../../core/sizing/pinned.ts';
import { ledgerTag, OUR_TAG } from '../../core/sweep/sweep.ts';

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
 * The name of a rollout's endpoint: `up-`, as much of the model's name as fits, and the whole rollout id. The same
 * rollout always gets the same name, so that upshift finds an endpoint that a dead process created. The API allows
 * `[a-z0-9-]`, 32 characters.
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

/** The inputs of an endpoint's create body. */
export interface EndpointWish {
  readonly name: string;
  readonly policy: EndpointPolicy;
  /** Repository on the Hub. */
  readonly model: string;
  /** The model's `pipeline_tag`; left out if it is unknown, because the API refuses null. */
  readonly task?: string | null;
  /** The engine gets it as the secret `HF_TOKEN`; only gated models need one. */
  readonly token?: string | null;
  /** The instance that upshift chose or the policy names. */
  readonly instance: PinnedInstance;
  /** The ledger that holds its rollout. A tag on the endpoint names it, so that upshift can find the endpoint again. */
  readonly ledgerId?: string;
}

/** The create body for an endpoint; see `EndpointSpec`. */
export function endpointSpec(wish: EndpointWish): EndpointSpec {
  const { policy, task, token, instance } = wish;
  const { minReplica, maxReplica, measure } = firstScaling(policy, mostReplicas(policy, instance));
  return {
    name: wish.name,
    type: 'authenticated',
    provider: { vendor: instance.vendor, region: instance.region },
    compute: {
      accelerator: instance.accelerator,
      instanceType: instance.instanceType,
      instanceSize: instance.instanceSize,
      scaling: { minReplica, maxReplica, scaleToZeroTimeout: null, ...(measure !== null && { measure }) },
    },
    model: {
      repository: instance.adapter?.base ?? wish.model,
      revision: null,
      framework: instance.engine === 'llamacpp' ? 'llamacpp' : 'pytorch',
      ...(task ? { task } : {}),
      image: imageOf(wish),
      args: argsOf(wish),
      env: policy.env,
      secrets: token ? { HF_TOKEN: token } : {},
    },
    tags: wish.ledgerId === undefined ? [OUR_TAG] : [OUR_TAG, ledgerTag(wish.ledgerId)],
  };
}

/**
 * The engine's settings for sharing the machine. The API requires them: vLLM and SGLang on several accelerators need to
 * know how to share the model. llama.cpp needs its file, its total context, the number of calls that share the context,
 * and the number of HTTP threads.
 */
function imageOf({ policy, instance }: EndpointWish): EndpointSpec['model']['image'] {
  const { engine, tensorParallelSize, gguf } = instance;
  const image: Record<string, string | number> = { url: instance.image, healthRoute: '/health' };
  // Images of vLLM listen on 8000; the platform sets the port of the others.
  if (engine === 'vLLM') image['port'] = 8000;
  const canShare = engine === 'vLLM' || engine === 'sGLang';
  const isTold = hasFlag(policy.args, '--tensor-parallel-size', '-tp', '--tp', '--tp-size', '--data-parallel-size');
  if (canShare && !isTold && tensorParallelSize !== null) image['tensorParallelSize'] = tensorParallelSize;
  if (engine === 'llamacpp' && gguf !== null) {
    Object.assign(image, {
      modelPath: gguf.path,
      ctxSize: gguf.context,
      nParallel: gguf.calls,
      // One thread for each call, and a few for /health and /metrics while all calls are busy.
      threadsHttp: gguf.calls + 2,
    });
  }
  return { [engine]: image };
}

/**
 * The arguments of vLLM. By default vLLM serves the model under the path it loads from and answers 404 to any other
 * name, so it needs the repository's name. It does not start if one call of the model's full context does not fit into
 * memory; in that case it gets the longest context that fits. An adapter is a model of its own name beside its base; vLLM
 * loads it from the Hub.
 */
function argsOf({ policy, model, instance }: EndpointWish): readonly string[] {
  const { engine, maxContext } = instance;
  const own: string[] = [];
  const served = instance.adapter?.base ?? model;
  if (engine === 'vLLM' && !hasFlag(policy.args, '--served-model-name')) own.push('--served-model-name', served);
  if (instance.adapter !== undefined && !hasFlag(policy.args, '--lora-modules')) {
    own.push('--enable-lora', '--lora-modules', `${model}=${model}`, '--max-lora-rank', String(instance.adapter.rank));
  }
  const flag = engine === 'vLLM' ? '--max-model-len' : engine === 'sGLang' ? '--context-length' : null;
  if (flag !== null && maxContext !== null && !hasFlag(policy.args, ...CONTEXT_FLAGS))
    own.push(flag, String(maxContext));
  return [...own, ...policy.args];
}

function hasFlag(args: readonly string[], ...flags: readonly string[]): boolean {
  return args.some((arg) => flags.some((flag) => arg === flag || arg.startsWith(`${flag}=`)));
}
