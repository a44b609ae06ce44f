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
  // Whether a model sees is a matter of the model, and nobody asks it while warming.
  ['chat+media', []],
  ['chat+stream+media', []],
  // /v1/completions: the same four.
  ['completion', ['vLLM', 'sGLang', 'llamacpp', 'tgi']],
  ['completion+stream', ['vLLM', 'sGLang', 'llamacpp', 'tgi']],
  // /v1/embeddings: TEI for nothing else, TGI never, the rest where the model embeds.
  ['embedding', ['vLLM', 'sGLang', 'llamacpp', 'tei']],
  // vLLM and SGLang serve /v1/responses, but an answer's id (previous_response_id) is known only where it was given.
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

describe('what an engine may be given', () => {
  for (const engine of ENGINES) {
    for (const [shape, engines] of TABLE) {
      const isAble = engines.includes(engine);
      it(`${shape} ${isAble ? 'may go to' : 'stays off'} ${engine}`, () => {
        assert.equal(isEligible(shape, new Set(engineShapes(engine))), isAble);
      });
    }
  }

  it('is probed kind by kind, before any feature of it', () => {
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
