import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { engineShapes } from '../../../src/core/sizing/engine-shapes.ts';
import type { Engine } from '../../../src/core/sizing/engine-shapes.ts';
import { isEligible } from '../../../src/core/route.ts';

/** Who may get a call of a shape, once warming has shown that it can; the table in docs/clients.md, row by row. */
const TABLE: readonly [shape: string, engines: readonly Engine[]][] = [
  // /v1/chat/completions: all four that generate have it (facts: "OpenAI routes under {url}/v1").
  ['chat', ['vLLM', 'sGLang', 'llamacpp', 'tgi']],
  ['chat+stream', ['vLLM', 'sGLang', 'llamacpp', 'tgi']],
  // vLLM with --enable-auto-tool-choice, SGLang with --tool-call-parser, llama.cpp with --jinja; TGI by itself.
  ['chat+tools', ['vLLM', 'sGLang', 'llamacpp', 'tgi']],
  ['chat+stream+tools', ['vLLM', 'sGLang', 'llamacpp', 'tgi']],
  // response_format: each has its own grammar engine; whether it keeps to the schema is asked.
  ['chat+structured', ['vLLM', 'sGLang', 'llamacpp', 'tgi']],
  ['chat+stream+tools+structured', ['vLLM', 'sGLang', 'llamacpp', 'tgi']],
  // Whether a model understands images depends on the model, and no probe asks for it while warming.
  ['chat+media', []],
  ['chat+stream+media', []],
  // /v1/completions: the same four.
  ['completion', ['vLLM', 'sGLang', 'llamacpp', 'tgi']],
  ['completion+stream', ['vLLM', 'sGLang', 'llamacpp', 'tgi']],
  // /v1/embeddings: TEI serves nothing else, TGI never serves it, and the others serve it if the model embeds.
  ['embedding', ['vLLM', 'sGLang', 'llamacpp', 'tei']],
  // vLLM and SGLang serve /v1/responses, but an answer's id (previous_response_id) is known only on the upstream that gave it.
  ['response', []],
  ['response+stream', []],
  // vLLM, SGLang and llama.cpp serve /v1/messages in their newer versions; its events name the model deep inside.
  ['message', []],
  ['message+stream', []],
  // Tasks and providers' own shapes; the toolkit and TEI would take {"inputs": ...}, at POST / and without a model.
  ['native', []],
  // The list of models is the router's.
  ['models', []],
];

const ENGINES: readonly Engine[] = ['vLLM', 'sGLang', 'llamacpp', 'tgi', 'tei', 'huggingface'];

describe('the shapes that an engine may be sent', () => {
  for (const engine of ENGINES) {
    for (const [shape, engines] of TABLE) {
      const isAble = engines.includes(engine);
      it(`${shape} ${isAble ? 'may go to' : 'stays off'} ${engine}`, () => {
        assert.equal(isEligible(shape, new Set(engineShapes(engine))), isAble);
      });
    }
  }

  it('have each base kind before its features', () => {
    for (const engine of ENGINES) {
      const seen = new Set<string>();
      for (const shape of engineShapes(engine)) {
        const [kind = ''] = shape.split('+');
        assert.ok(kind === shape || seen.has(kind), `${engine}: ${shape} before ${kind}`);
        seen.add(shape);
      }
    }
  });
});
