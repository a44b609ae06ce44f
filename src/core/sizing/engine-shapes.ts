import type { CallShape } from '../route.ts';
import type { NamedEngine } from './engine.ts';

/** What serves a model on an endpoint; `huggingface` is the default toolkit, which no policy can name. */
export type Engine = NamedEngine | 'huggingface';

const GENERATING = ['chat', 'chat+stream', 'chat+tools', 'chat+structured', 'completion', 'completion+stream'] as const;

/**
 * What each engine may be able to answer, base kinds first: these shapes are probed while warming, if traffic has them,
 * and are eligible once they were answered. All others stay on serverless whatever an engine says.
 *
 * Tools and structured output hang on the engine's arguments and on the model, so they are asked and not assumed.
 * Pictures hang on the model alone, and no small question tells that it sees them well. `/v1/responses` has a memory: an
 * answer's id is good only where it was given. `/v1/messages` came to the engines late and version by version, and names
 * the model within its events, where it is not renamed. Tasks in Hugging Face's or a provider's own shape name the model in
 * the path, or not at all.
 */
const ENGINE_SHAPES: Readonly<Record<Engine, readonly CallShape[]>> = {
  // docs.vllm.ai, Online Serving: completions and chat for models that generate, embeddings for models that embed.
  vLLM: [...GENERATING, 'embedding'],
  // docs.sglang.io, OpenAI-compatible APIs: chat, completions; embeddings for models that embed.
  sGLang: [...GENERATING, 'embedding'],
  // llama.cpp tools/server/README.md: chat (tools with --jinja), completions; embeddings in that mode.
  llamacpp: [...GENERATING, 'embedding'],
  // TGI's Messages API and /v1/completions; it generates and never embeds.
  tgi: GENERATING,
  // TEI's one OpenAI route is /v1/embeddings; /embed, /rerank and /predict are its own.
  tei: ['embedding'],
  // The toolkit's one route is `POST /` with {"inputs": ...}: nothing under /v1.
  huggingface: [],
};

/** The shapes of call worth probing on an engine. */
export function engineShapes(engine: Engine): readonly CallShape[] {
  return ENGINE_SHAPES[engine];
}
