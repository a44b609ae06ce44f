/** What an engine must be told about the answers of a family of models. */
export interface EngineSetting {
  /** Its `--tool-call-parser`. Null if the engine has none for the family. */
  readonly tools: string | null;
  /** Its `--reasoning-parser`. Null if the family does not reason or the engine has none for it. */
  readonly reasoning: string | null;
  /** A chat template of vLLM's examples, to set if calls offer tools. Absent: the model's own will do. */
  readonly template?: string;
  /** A further flag and its value, without which the family does not work. */
  readonly more?: readonly [flag: string, value: string];
}

/** A family of models that want the same settings of an engine. */
export interface Family {
  readonly name: string;
  /** Finds the family in the last part of a repository's name, in lower case. */
  readonly pattern: RegExp;
  /** Whether its models reason before they answer. */
  readonly isReasoning: boolean;
  /** The chat template's switch for reasoning. Absent: none, or the model reasons without being told. */
  readonly thinkingKey?: string;
  readonly vLLM: EngineSetting;
  readonly sGLang: EngineSetting;
  /** What else makes answers differ from those of another deployment: context, dtype, template. Absent: nothing known. */
  readonly notes?: readonly string[];
}

const NONE: EngineSetting = { tools: null, reasoning: null };

/** Both engines with the same parser for tools and none for reasoning, unless `reasoning` names one. */
const same = (tools: string, reasoning: string | null = null) => {
  const setting: EngineSetting = { tools, reasoning };
  return { vLLM: setting, sGLang: setting };
};

const YARN = 'its config allows 32 768 tokens; more needs rope scaling (YaRN), which some hosts set and some do not';
const FP8 = 'it was published in FP8; weights that were quantised further answer differently';
const BF16 = 'it computes in bfloat16; float16 overflows (--dtype bfloat16)';

/**
 * The families, the narrower name first. Sources, read on 2026-12-01: vLLM's pages "Tool Calling" and "Reasoning Outputs" and
 * its registries of parsers; SGLang's pages "Tool Parser" and "Reasoning Parser" and its registries. Granite 4 writes Hermes'
 * notation, which every version of vLLM reads; its own parser is newer than the image that upshift starts.
 */
export const FAMILIES: readonly Family[] = [
  {
    name: 'DeepSeek R1 distilled',
    pattern: /deepseek-r1-distill/,
    isReasoning: true,
    vLLM: { tools: null, reasoning: 'deepseek_r1' },
    sGLang: { tools: null, reasoning: 'deepseek-r1' },
  },
  {
    name: 'DeepSeek R1',
    pattern: /deepseek-r1/,
    isReasoning: true,
    vLLM: { tools: 'deepseek_v3', reasoning: 'deepseek_r1', template: 'tool_chat_template_deepseekr1.jinja' },
    sGLang: { tools: 'deepseekv3', reasoning: 'deepseek-r1' },
    notes: [FP8],
  },
  {
    name: 'DeepSeek V4',
    pattern: /deepseek-v4/,
    isReasoning: true,
    vLLM: { tools: 'deepseek_v4', reasoning: 'deepseek_v4' },
    sGLang: { tools: 'deepseekv4', reasoning: 'deepseek-v4' },
    notes: [FP8],
  },
  {
    name: 'DeepSeek V3.2',
    pattern: /deepseek-v3\.2/,
    isReasoning: true,
    thinkingKey: 'thinking',
    vLLM: { tools: 'deepseek_v32', reasoning: 'deepseek_v3', more: ['--tokenizer-mode', 'deepseek_v32'] },
    sGLang: { tools: 'deepseekv32', reasoning: 'deepseek-v3' },
    notes: [FP8],
  },
  {
    name: 'DeepSeek V3.1',
    pattern: /deepseek-v3\.1/,
    isReasoning: true,
    thinkingKey: 'thinking',
    vLLM: { tools: 'deepseek_v31', reasoning: 'deepseek_v3', template: 'tool_chat_template_deepseekv31.jinja' },
    sGLang: { tools: 'deepseekv31', reasoning: 'deepseek-v3' },
    notes: [FP8],
  },
  {
    name: 'DeepSeek V3',
    pattern: /deepseek-v3/,
    isReasoning: false,
    vLLM: { tools: 'deepseek_v3', reasoning: null, template: 'tool_chat_template_deepseekv3.jinja' },
    sGLang: { tools: 'deepseekv3', reasoning: null },
    notes: [FP8],
  },
  { name: 'Hermes', pattern: /hermes-[234]/, isReasoning: false, ...same('hermes') },
  {
    name: 'Kimi K2 that reasons',
    pattern: /kimi-k2(?:\.\d|-thinking)/,
    isReasoning: true,
    ...same('kimi_k2', 'kimi_k2'),
    notes: ['it was published in INT4; weights that were quantised otherwise answer differently'],
  },
  { name: 'Kimi K2', pattern: /kimi-k2/, isReasoning: false, ...same('kimi_k2'), notes: [FP8] },
  {
    name: 'GLM 4.7 and 5',
    pattern: /glm-(?:4\.7|5)/,
    isReasoning: true,
    thinkingKey: 'enable_thinking',
    ...same('glm47', 'glm45'),
  },
  {
    name: 'GLM 4.5 and 4.6',
    pattern: /glm-4\.[56]/,
    isReasoning: true,
    thinkingKey: 'enable_thinking',
    ...same('glm45', 'glm45'),
  },
  {
    name: 'gpt-oss',
    pattern: /gpt-oss/,
    isReasoning: true,
    vLLM: { tools: 'openai', reasoning: 'openai_gptoss' },
    sGLang: { tools: 'gpt-oss', reasoning: 'gpt-oss' },
    notes: [
      'it was published in MXFP4; weights that were quantised otherwise answer differently',
      'its reasoning_effort is medium if a call does not say it, and some hosts ignore it',
    ],
  },
  {
    name: 'MiniMax M2',
    pattern: /minimax-m2/,
    isReasoning: true,
    vLLM: { tools: 'minimax_m2', reasoning: 'minimax_m2_append_think' },
    sGLang: { tools: 'minimax-m2', reasoning: 'minimax-append-think' },
    notes: ['with these parsers its reasoning stays in the text within <think>, because the next turn needs it'],
  },
  {
    name: 'Qwen3 Coder',
    pattern: /qwen3-coder/,
    isReasoning: false,
    vLLM: { tools: 'qwen3_xml', reasoning: null },
    sGLang: { tools: 'qwen3_coder', reasoning: null },
  },
  {
    name: 'Qwen3.5 and later',
    pattern: /qwen3\.[5-9]/,
    isReasoning: true,
    thinkingKey: 'enable_thinking',
    ...same('qwen3_coder', 'qwen3'),
  },
  {
    name: 'Qwen3 Instruct',
    pattern: /qwen3-.*instruct/,
    isReasoning: false,
    vLLM: { tools: 'hermes', reasoning: null },
    sGLang: { tools: 'qwen', reasoning: null },
  },
  {
    name: 'Qwen3',
    pattern: /qwen3-(?!embedding|reranker)/,
    isReasoning: true,
    thinkingKey: 'enable_thinking',
    vLLM: { tools: 'hermes', reasoning: 'qwen3' },
    sGLang: { tools: 'qwen', reasoning: 'qwen3' },
    notes: [YARN],
  },
  {
    name: 'QwQ',
    pattern: /qwq/,
    isReasoning: true,
    vLLM: { tools: 'hermes', reasoning: 'deepseek_r1' },
    sGLang: { tools: 'qwen', reasoning: 'deepseek-r1' },
    notes: [YARN],
  },
  {
    name: 'Qwen2.5 Coder',
    pattern: /qwen2\.5-coder/,
    isReasoning: false,
    vLLM: { tools: 'hermes', reasoning: null },
    sGLang: { tools: 'qwen', reasoning: null },
    notes: [YARN, 'it often writes calls of tools as blocks of code, which no parser of vLLM reads'],
  },
  {
    name: 'Qwen2.5',
    pattern: /qwen2\.5/,
    isReasoning: false,
    vLLM: { tools: 'hermes', reasoning: null },
    sGLang: { tools: 'qwen', reasoning: null },
    notes: [YARN],
  },
  {
    name: 'Llama 4',
    pattern: /llama-4/,
    isReasoning: false,
    vLLM: { tools: 'llama4_pythonic', reasoning: null, template: 'tool_chat_template_llama4_pythonic.jinja' },
    sGLang: { tools: 'pythonic', reasoning: null },
  },
  {
    name: 'Llama 3.1 to 3.3',
    pattern: /llama-?3\.[123]/,
    isReasoning: false,
    vLLM: { tools: 'llama3_json', reasoning: null },
    sGLang: { tools: 'llama3', reasoning: null },
    notes: [
      "vLLM's examples have a template for its tools (tool_chat_template_llama3.1_json.jinja); it changes the prompts",
    ],
  },
  {
    name: 'Mistral that reasons',
    pattern: /magistral|ministral-3-.*reasoning/,
    isReasoning: true,
    ...same('mistral', 'mistral'),
  },
  {
    name: 'Mistral',
    pattern: /mistral|mixtral|ministral|devstral/,
    isReasoning: false,
    ...same('mistral'),
    notes: [
      "with Mistral's own format and with Transformers' the prompts differ by some tokens (--tokenizer_mode, --config_format)",
    ],
  },
  {
    name: 'Granite 4',
    pattern: /granite-4/,
    isReasoning: false,
    vLLM: { tools: 'hermes', reasoning: null },
    sGLang: NONE,
  },
  {
    name: 'Granite 3.2 and 3.3',
    pattern: /granite-3\.[23]/,
    isReasoning: true,
    thinkingKey: 'thinking',
    vLLM: { tools: 'granite', reasoning: 'granite' },
    sGLang: NONE,
  },
  {
    name: 'Granite 3.0',
    pattern: /granite-3\.0/,
    isReasoning: false,
    vLLM: { tools: 'granite', reasoning: null, template: 'tool_chat_template_granite.jinja' },
    sGLang: NONE,
  },
  {
    name: 'Granite 3.1',
    pattern: /granite-3\.1/,
    isReasoning: false,
    vLLM: { tools: 'granite', reasoning: null },
    sGLang: NONE,
  },
  {
    name: 'Phi-4-mini',
    pattern: /phi-4-mini-instruct/,
    isReasoning: false,
    vLLM: { tools: 'phi4_mini_json', reasoning: null, template: 'tool_chat_template_phi4_mini.jinja' },
    sGLang: NONE,
  },
  {
    name: 'FunctionGemma',
    pattern: /functiongemma/,
    isReasoning: false,
    vLLM: { tools: 'functiongemma', reasoning: null, template: 'tool_chat_template_functiongemma.jinja' },
    sGLang: NONE,
    notes: [BF16],
  },
  {
    name: 'Gemma 4',
    pattern: /gemma-4/,
    isReasoning: true,
    thinkingKey: 'enable_thinking',
    ...same('gemma4', 'gemma4'),
    notes: [BF16],
  },
  {
    name: 'Gemma 3',
    pattern: /gemma-3/,
    isReasoning: false,
    vLLM: { tools: 'pythonic', reasoning: null, template: 'tool_chat_template_gemma3_pythonic.jinja' },
    sGLang: NONE,
    notes: [BF16],
  },
  { name: 'Gemma 2', pattern: /gemma-2/, isReasoning: false, vLLM: NONE, sGLang: NONE, notes: [BF16] },
];

/** The family of a model by the name of its repository, or of a file of it. Null if upshift does not know it. */
export function familyOf(model: string): Family | null {
  const name = (model.split('/').at(-1) ?? '').toLowerCase();
  return FAMILIES.find(({ pattern }) => pattern.test(name)) ?? null;
}
