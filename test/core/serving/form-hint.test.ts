import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { formHint } from '../../../src/core/serving/form-hint.ts';
import type { Deployment, FormSign } from '../../../src/core/serving/form-hint.ts';

const QWEN: Deployment = { model: 'Qwen/Qwen2.5-7B-Instruct', engine: 'vLLM', args: [] };
const THINKS: Deployment = { model: 'Qwen/Qwen3-8B', engine: 'vLLM', args: null };
const PARSER = ['--enable-auto-tool-choice', '--tool-call-parser', 'hermes'];

const HINTS: readonly (readonly [title: string, sign: FormSign, deployment: Deployment, hint: string | RegExp])[] = [
  ['no parser', 'tools', QWEN, 'is a tool parser set? (--enable-auto-tool-choice --tool-call-parser hermes)'],
  ['an unknown engine', 'leak', { ...QWEN, engine: null, args: null }, /--tool-call-parser hermes\)$/],
  ['SGLang', 'calls', { ...QWEN, engine: 'sGLang' }, 'is a tool parser set? (--tool-call-parser qwen)'],
  ['llama.cpp', 'tools', { ...QWEN, engine: 'llamacpp' }, /--jinja/],
  ['a model that nobody knows', 'tools', { ...QWEN, model: 'acme/house' }, /--tool-call-parser\)$/],
  ['a parser that is set', 'tools', { ...QWEN, args: PARSER }, /is its tool parser the right one/],
  ['a parser that is not switched on', 'tools', { ...QWEN, args: PARSER.slice(1) }, /^is a tool parser set\?/],
  ['JSON of a model that reasons', 'format', THINKS, /\(--reasoning-parser qwen3\)$/],
  ['JSON', 'format', QWEN, /^is response_format passed on and enforced, or are its schemas ignored\?/],
  ['JSON on SGLang', 'format', { ...QWEN, engine: 'sGLang' }, /schemas ignored\? \(--grammar-backend xgrammar/],
  ['a parser that is set', 'schema', { ...QWEN, args: PARSER }, /^are the schemas of its tools enforced, or ignored\?/],
  ['arguments that are not known', 'schema', { ...QWEN, args: null }, /^are the schemas of its tools enforced/],
  ['no parser', 'schema', QWEN, /^is a tool parser set\?/],
  ['a context that is set', 'length', { ...QWEN, args: ['--max-model-len', '8192'] }, /the context is 8192 tokens/],
  ['a context that is not set', 'length', QWEN, /--max-model-len/],
  ['a cut context', 'context', QWEN, /--max-model-len\)$/],
  ['a cut context of llama.cpp', 'context', { ...QWEN, engine: 'llamacpp' }, /--ctx-size/],
  ['a template that is set', 'promptTokens', { ...QWEN, args: ['--chat-template', 'a.jinja'] }, /^is a\.jinja the/],
  ['a template', 'promptTokens', QWEN, /chat template/],
  ['reasoning', 'reasoning', THINKS, /\(--reasoning-parser qwen3\); is reasoning on.*"enable_thinking": true/],
  ['a quantised cache', 'agreement', { ...QWEN, args: ['--kv-cache-dtype=fp8'] }, /^--kv-cache-dtype fp8/],
  ['weights', 'agreement', QWEN, /quantised/],
  ['another tokenizer', 'tokenizer', QWEN, /same model and tokenizer/],
];

describe('the hint at the cause of a difference', () => {
  for (const [title, sign, deployment, hint] of HINTS) {
    it(`${sign}, ${title}`, () => {
      const said = formHint(sign, deployment);
      if (typeof hint === 'string') assert.equal(said, hint);
      else assert.match(said, hint);
    });
  }

  it('names a setting for each sign, engine and model', () => {
    const signs = fc.constantFrom<FormSign>(...HINTS.map(([, sign]) => sign));
    const engine = fc.constantFrom('vLLM', 'sGLang', 'llamacpp', null);
    const model = fc.constantFrom(QWEN.model, THINKS.model, 'acme/house', 'openai/gpt-oss-20b');
    fc.assert(
      fc.property(signs, fc.record({ model, engine, args: fc.constantFrom(null, [], PARSER) }), (sign, deployment) => {
        assert.match(formHint(sign, deployment), /--[a-z]|structured outputs/);
      }),
    );
  });
});
