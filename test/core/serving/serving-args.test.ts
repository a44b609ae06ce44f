import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { FAMILIES, familyOf } from '../../../src/core/serving/families.ts';
import { riskyArgs, servingArgs } from '../../../src/core/serving/serving-args.ts';
import type { NamedEngine } from '../../../src/core/sizing/engine.ts';

const FOUND: readonly (readonly [model: string, family: string | null])[] = [
  ['meta-llama/Llama-3.1-8B-Instruct', 'Llama 3.1 to 3.3'],
  ['meta-llama/Meta-Llama-3.1-70B-Instruct', 'Llama 3.1 to 3.3'],
  ['bartowski/Llama-3.3-70B-Instruct-GGUF', 'Llama 3.1 to 3.3'],
  ['meta-llama/Meta-Llama-3-8B-Instruct', null],
  ['meta-llama/Llama-4-Scout-17B-16E-Instruct', 'Llama 4'],
  ['NousResearch/Hermes-3-Llama-3.1-8B', 'Hermes'],
  ['deepseek-ai/DeepSeek-R1-Distill-Llama-70B', 'DeepSeek R1 distilled'],
  ['deepseek-ai/DeepSeek-R1-0528', 'DeepSeek R1'],
  ['deepseek-ai/DeepSeek-V3-0324', 'DeepSeek V3'],
  ['deepseek-ai/DeepSeek-V3.1', 'DeepSeek V3.1'],
  ['deepseek-ai/DeepSeek-V3.2-Exp', 'DeepSeek V3.2'],
  ['Qwen/Qwen2.5-7B-Instruct', 'Qwen2.5'],
  ['Qwen/Qwen2.5-Coder-32B-Instruct', 'Qwen2.5 Coder'],
  ['Qwen/Qwen3-8B', 'Qwen3'],
  ['Qwen/Qwen3-235B-A22B-Thinking-2507', 'Qwen3'],
  ['Qwen/Qwen3-235B-A22B-Instruct-2507', 'Qwen3 Instruct'],
  ['Qwen/Qwen3-Coder-30B-A3B-Instruct', 'Qwen3 Coder'],
  ['Qwen/Qwen3-Embedding-0.6B', null],
  ['Qwen/Qwen3.5-397B-A17B', 'Qwen3.5 and later'],
  ['Qwen/QwQ-32B', 'QwQ'],
  ['mistralai/Mistral-7B-Instruct-v0.3', 'Mistral'],
  ['mistralai/Magistral-Small-2509', 'Mistral that reasons'],
  ['moonshotai/Kimi-K2-Instruct-0905', 'Kimi K2'],
  ['moonshotai/Kimi-K2-Thinking', 'Kimi K2 that reasons'],
  ['zai-org/GLM-4.5-Air', 'GLM 4.5 and 4.6'],
  ['zai-org/GLM-4.7-Flash', 'GLM 4.7 and 5'],
  ['openai/gpt-oss-120b', 'gpt-oss'],
  ['MiniMaxAI/MiniMax-M2', 'MiniMax M2'],
  ['ibm-granite/granite-3.3-8b-instruct', 'Granite 3.2 and 3.3'],
  ['ibm-granite/granite-4.0-h-small', 'Granite 4'],
  ['microsoft/Phi-4-mini-instruct', 'Phi-4-mini'],
  ['google/gemma-3-27b-it', 'Gemma 3'],
  ['google/functiongemma-270m-it', 'FunctionGemma'],
  ['acme/house-model', null],
];

const AUTO = '--enable-auto-tool-choice';
const PARSER = '--tool-call-parser';

const WANTED: readonly (readonly [model: string, engine: NamedEngine, args: readonly string[]])[] = [
  ['Qwen/Qwen2.5-7B-Instruct', 'vLLM', [AUTO, PARSER, 'hermes']],
  ['Qwen/Qwen2.5-7B-Instruct', 'sGLang', [PARSER, 'qwen']],
  ['Qwen/Qwen2.5-7B-Instruct', 'llamacpp', ['--jinja']],
  ['Qwen/Qwen2.5-7B-Instruct', 'tgi', []],
  ['Qwen/Qwen2.5-7B-Instruct', 'tei', []],
  ['Qwen/Qwen3-8B', 'vLLM', [AUTO, PARSER, 'hermes', '--reasoning-parser', 'qwen3']],
  [
    'deepseek-ai/DeepSeek-V3-0324',
    'vLLM',
    [AUTO, PARSER, 'deepseek_v3', '--chat-template', '/vllm-workspace/examples/tool_chat_template_deepseekv3.jinja'],
  ],
  [
    'deepseek-ai/DeepSeek-V3.2',
    'vLLM',
    [AUTO, PARSER, 'deepseek_v32', '--reasoning-parser', 'deepseek_v3', '--tokenizer-mode', 'deepseek_v32'],
  ],
  ['openai/gpt-oss-20b', 'sGLang', [PARSER, 'gpt-oss', '--reasoning-parser', 'gpt-oss']],
  ['google/gemma-2-9b-it', 'vLLM', []],
  ['acme/house-model', 'vLLM', []],
  ['acme/house-model', 'llamacpp', ['--jinja']],
];

const engines: readonly NamedEngine[] = ['vLLM', 'sGLang', 'tgi', 'llamacpp', 'tei'];
const uses = fc.record({
  tools: fc.constantFrom(true, false, null),
  args: fc.subarray([AUTO, `${PARSER}=hermes`, '--reasoning-parser=qwen3', '--jinja', '--chat-template=a']),
});
const anyModel = fc.constantFrom(...FOUND.map(([model]) => model));

describe('the family of a model', () => {
  for (const [model, family] of FOUND) {
    it(`${model}: ${family ?? 'not known'}`, () => assert.equal(familyOf(model)?.name ?? null, family));
  }

  it('is found for each one of the table', () => {
    const found = new Set(FOUND.map(([, family]) => family));
    const others = ['DeepSeek V4', 'Granite 3.0', 'Granite 3.1', 'Gemma 2', 'Gemma 4'];
    assert.deepEqual(
      FAMILIES.map(({ name }) => name).filter((name) => !found.has(name) && !others.includes(name)),
      [],
    );
  });
});

describe('what an engine should be told', () => {
  for (const [model, engine, args] of WANTED) {
    it(`${engine} for ${model}`, () =>
      assert.deepEqual(servingArgs(model, engine, { tools: null, args: [] }).args, args));
  }

  it('is nothing more once it is told', () => {
    fc.assert(
      fc.property(anyModel, fc.constantFrom(...engines), uses, (model, engine, given) => {
        const { args } = servingArgs(model, engine, given);
        const again = servingArgs(model, engine, { ...given, args: [...given.args, ...args] });
        assert.deepEqual(again.args, []);
      }),
    );
  });

  it('has nothing about tools if no call offers any, and warns only if some do', () => {
    fc.assert(
      fc.property(anyModel, fc.constantFrom(...engines), uses, (model, engine, given) => {
        const without = servingArgs(model, engine, { ...given, tools: false });
        assert.ok(!without.args.some((arg) => [AUTO, PARSER, '--jinja', '--chat-template'].includes(arg)));
        const about = (tools: boolean | null) =>
          servingArgs(model, engine, { ...given, tools }).warnings.filter((text) => /tool/.test(text));
        assert.deepEqual([about(false), about(null)], [[], []]);
      }),
    );
  });

  const model = 'Qwen/Qwen3-Coder-30B-A3B-Instruct';
  const warned: readonly (readonly [
    title: string,
    engine: NamedEngine,
    args: readonly string[],
    warning: RegExp | null,
  ])[] = [
    ['no parser', 'vLLM', [], /names no tool parser: add --enable-auto-tool-choice --tool-call-parser qwen3_xml$/],
    ['a parser that is not switched on', 'vLLM', [PARSER, 'qwen3_xml'], /: add --enable-auto-tool-choice$/],
    ['the parser', 'vLLM', [AUTO, PARSER, 'qwen3_xml'], null],
    ['the parser by its other name', 'vLLM', [AUTO, `${PARSER}=qwen3_coder`], null],
    [
      'another parser',
      'vLLM',
      [AUTO, PARSER, 'hermes'],
      /names the tool parser hermes, and its family wants qwen3_xml$/,
    ],
    ['no parser', 'sGLang', [], /: add --tool-call-parser qwen3_coder$/],
    ['its own grammar', 'tgi', [], null],
    ['no template', 'llamacpp', [], /only with --jinja, which newer builds have/],
    ['a template that is switched off', 'llamacpp', ['--no-jinja'], /--no-jinja turns off$/],
    ['the template', 'llamacpp', ['--jinja'], null],
  ];
  for (const [title, engine, args, warning] of warned) {
    it(`warns of tools with ${title} on ${engine}: ${warning === null ? 'no' : 'yes'}`, () => {
      const { warnings } = servingArgs(model, engine, { tools: true, args });
      assert.equal(warnings.length, warning === null ? 0 : 1);
      if (warning !== null) assert.match(warnings[0] ?? '', warning);
    });
  }

  it('says so if it knows no parser, and trusts the one that is named', () => {
    const warnings = (args: readonly string[]) =>
      servingArgs('acme/house-model', 'vLLM', { tools: true, args }).warnings;
    assert.match(warnings([])[0] ?? '', /upshift knows none for it on vLLM$/);
    assert.deepEqual(warnings([AUTO, PARSER, 'house']), []);
  });
});

it('names what in the arguments changes answers', () => {
  const cases: readonly (readonly [args: readonly string[], found: readonly RegExp[]])[] = [
    [[], []],
    [['--kv-cache-dtype', 'auto'], []],
    [['--kv-cache-dtype', 'fp8'], [/^--kv-cache-dtype fp8 changes answers/]],
    [['--quantization=fp8'], [/quantised weights/]],
    [['--max-model-len', '8192'], [/^longer calls than 8192 tokens are refused$/]],
    [['--generation-config', 'vllm'], [/defaults of sampling/]],
  ];
  for (const [args, found] of cases) {
    const said = riskyArgs(args);
    assert.equal(said.length, found.length, args.join(' '));
    found.forEach((pattern, i) => assert.match(said[i] ?? '', pattern));
  }
});
