import { CONTEXT_FLAGS, flagValue } from '../../core/sizing/engine-args.ts';
import type { EndpointSpec } from './spec.ts';

/** The context of an engine that nobody limits, tokens. */
const FULL_CONTEXT = 131_072;
const REPOSITORY = '/repository';

/** How an engine behaves where the engines differ. */
type Family = 'vLLM' | 'sGLang' | 'llamacpp' | 'tgi' | 'other';

/** The kind of engine that an endpoint runs. */
export function familyOf({ model: { engine, image } }: EndpointSpec): Family {
  if (engine.startsWith('vLLM')) return 'vLLM';
  if (engine.startsWith('tgi')) return 'tgi';
  if (engine === 'sGLang' || engine === 'llamacpp') return engine;
  const fields = image[engine] as { url?: unknown } | undefined;
  return engine === 'custom' && String(fields?.url).includes('vllm') ? 'vLLM' : 'other';
}

/** Only vLLM refuses a model name that it does not serve; the other engines accept any name. */
export function servesByName(spec: EndpointSpec): boolean {
  return familyOf(spec) === 'vLLM';
}

/**
 * The names under which an engine serves its model. vLLM: the repository's, or those of `--served-model-name`. SGLang
 * and TGI: the path that they loaded it from; llama.cpp: the path of the file, or its alias.
 */
export function servedNames(spec: EndpointSpec): string[] {
  const { repository, args, env, image } = spec.model;
  const words = args.flatMap((arg) => arg.trim().split(/\s+/));
  switch (familyOf(spec)) {
    case 'tgi':
      return [REPOSITORY];
    case 'llamacpp': {
      const path = String((image['llamacpp'] as { modelPath?: unknown }).modelPath);
      const alias = flagValue(words, '--alias', '-a') ?? env['LLAMA_ARG_ALIAS'];
      if (typeof alias === 'string') return [alias];
      return [path.startsWith('/') ? path : `${REPOSITORY}/${path}`];
    }
    case 'sGLang':
      return namesIn(words) ?? [REPOSITORY];
    default:
      return [...(namesIn(words) ?? [repository]), ...adaptersIn(words)];
  }
}

/** The adapters that vLLM serves beside its model, as `--lora-modules name=repository` names them. */
function adaptersIn(words: readonly string[]): string[] {
  const named = words.includes('--enable-lora') ? flagValue(words, '--lora-modules') : null;
  return named === null ? [] : [named.slice(0, named.indexOf('='))];
}

function namesIn(words: readonly string[]): string[] | undefined {
  const flag = '--served-model-name';
  const at = words.findIndex((word) => word === flag || word.startsWith(`${flag}=`));
  if (at < 0) return undefined;
  const inline = words[at]?.slice(flag.length + 1);
  if (inline) return [inline];
  const rest = words.slice(at + 1);
  const end = rest.findIndex((word) => word.startsWith('-'));
  return end < 0 ? rest : rest.slice(0, end);
}

/** The context of the engine by its settings, tokens; llama.cpp shares its context among its calls. */
export function contextOf(spec: EndpointSpec): number {
  const { engine, args, image } = spec.model;
  const words = args.flatMap((arg) => arg.trim().split(/\s+/));
  const fields = image[engine] as Readonly<Record<string, unknown>>;
  const stated = Number(flagValue(words, ...CONTEXT_FLAGS) ?? fields['maxTotalTokens'] ?? FULL_CONTEXT);
  const own = engine === 'llamacpp' ? Number(fields['ctxSize']) / Number(fields['nParallel']) : stated;
  return own >= 1 ? Math.floor(own) : FULL_CONTEXT;
}

/** The entries of `GET /v1/models`. Only vLLM and SGLang state their context. `createdAt`: epoch ms. */
export function listServed(spec: EndpointSpec, createdAt: number): object[] {
  const family = familyOf(spec);
  const states = family === 'vLLM' || family === 'sGLang';
  return servedNames(spec).map((id) => ({
    id,
    object: 'model',
    created: Math.floor(createdAt / 1000),
    owned_by: spec.model.engine.toLowerCase(),
    root: REPOSITORY,
    parent: null,
    ...(states && { max_model_len: contextOf(spec) }),
  }));
}

/** The refusal of a call that is too long for the engine, in the engine's own words; undefined if it fits. */
export function refuseLong(
  spec: EndpointSpec,
  { prompt, answer }: { readonly prompt: number; readonly answer: number },
  contextFactor: number,
): { status: number; body: object } | undefined {
  const context = Math.max(1, Math.floor(contextOf(spec) * contextFactor));
  const total = prompt + answer;
  const isLong = prompt >= context;
  switch (familyOf(spec)) {
    case 'llamacpp': {
      if (!isLong) return undefined;
      const message = `request (${prompt} tokens) exceeds the available context size (${context} tokens), try increasing it`;
      const type = 'exceed_context_size_error';
      return { status: 400, body: { error: { code: 400, message, type, n_prompt_tokens: prompt, n_ctx: context } } };
    }
    case 'tgi': {
      if (total <= context) return undefined;
      const given = `Given: ${prompt} \`inputs\` tokens and ${answer} \`max_new_tokens\``;
      const error = `Input validation error: \`inputs\` tokens + \`max_new_tokens\` must be <= ${context}. ${given}`;
      return { status: 422, body: { error, error_type: 'validation' } };
    }
    case 'sGLang': {
      if (!isLong && total <= context) return undefined;
      const message = isLong
        ? `The input (${prompt} tokens) is longer than the model's context length (${context} tokens).`
        : `Requested token count exceeds the model's maximum context length of ${context} tokens. You requested a total of ${total} tokens.`;
      return { status: 400, body: { object: 'error', message, type: 'BadRequestError', param: null, code: 400 } };
    }
    default: {
      if (!isLong && total <= context) return undefined;
      const parts = `(${prompt} in the messages, ${answer} in the completion)`;
      const message = `This model's maximum context length is ${context} tokens. However, you requested ${total} tokens ${parts}.`;
      return { status: 400, body: { error: { message, type: 'BadRequestError', param: null, code: 400 } } };
    }
  }
}
