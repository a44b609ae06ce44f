import type { CallShape } from '../route.ts';
import type { NamedEngine } from './engine.ts';

/** What serves a model on an endpoint. `huggingface` is the default toolkit, which a policy cannot name. */
export type Engine = NamedEngine | 'huggingface';

const GENERATING = ['chat', 'chat+stream', 'chat+tools', 'chat+structured', 'completion', 'completion+stream'] as const;

/**
 * The shapes that each engine may be able to answer, base kinds first. They are probed while warming if traffic has them, and
 * are eligible once a probe was answered. All other shapes stay on serverless.
 *
 * Tools and structured output depend on the engine's arguments and on the model, so they are probed and not assumed. The
 * shapes that are left out, and why: Images depend on the model alone, and a small probe cannot show that it understands
 * them. `/v1/responses` has state: an answer's id is valid only on the upstream that gave it. Engines got `/v1/messages` late
 * and in different versions, and it has the model's name inside its events, which are not rewritten. Tasks in Hugging Face's
 * or a provider's own shape name the model in the path or not at all.
 */
const ENGINE_SHAPES: Readonly<Record<Engine, readonly CallShape[]>> = {
  // docs.vllm.ai, Online Serving: completions and chat for models that generate, embeddings for models that embed.
  vLLM: [...GENERATING, 'embedding'],
  // docs.sglang.io, OpenAI-compatible APIs: chat, completions; embeddings for models that embed.
  sGLang: [...GENERATING, 'embedding'],
  // llama.cpp tools/server/README.md: chat (tools with --jinja), completions; embeddings in that mode.
  llamacpp: [...GENERATING, 'embedding'],
  // TGI's Messages API and /v1/completions. It does not embed.
  tgi: GENERATING,
  // TEI's only OpenAI route is /v1/embeddings. /embed, /rerank and /predict are its own.
  tei: ['embedding'],
  // The toolkit's only route is `POST /` with {"inputs": ...}. It has nothing under /v1.
  huggingface: [],
};

/** The shapes of call to probe on an engine. */
export function engineShapes(engine: Engine): readonly CallShape[] {
  return ENGINE_SHAPES[engine];
}
