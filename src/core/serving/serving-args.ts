import { CONTEXT_FLAGS, flagValue } from '../sizing/engine-args.ts';
import type { NamedEngine } from '../sizing/engine.ts';
import { familyOf } from './families.ts';
import type { EngineSetting, Family } from './families.ts';

/** What is known of the calls of a route, and what the policy tells the engine already. */
export interface ServingUses {
  /** Whether some of its calls offer tools. Null if no call is known yet. */
  readonly tools: boolean | null;
  /** `endpoint.args`. */
  readonly args: readonly string[];
}

/** What an engine should be told so that it answers like other deployments of the model. */
export interface ServingAdvice {
  /** The family of the model, in words. Null if upshift does not know it. */
  readonly family: string | null;
  /** The arguments to add to those that are given. */
  readonly args: readonly string[];
  /** What breaks calls if nothing is added: one sentence each. */
  readonly warnings: readonly string[];
  /** What may make answers differ from those of another deployment. */
  readonly notes: readonly string[];
}

/** Where vLLM's image keeps its examples. */
const VLLM_EXAMPLES = '/vllm-workspace/examples/';
const [TOOL_FLAG, REASONING_FLAG, TEMPLATE_FLAG] = ['--tool-call-parser', '--reasoning-parser', '--chat-template'];
/** Without it vLLM refuses calls that leave the choice of a tool to the model. SGLang has no such switch. */
const AUTO = '--enable-auto-tool-choice';

/**
 * What an engine should be told for a model and its calls. Arguments for tools are left out if it is known that no call
 * offers any. Arguments that are given stay as they are.
 */
export function servingArgs(model: string, engine: NamedEngine, uses: ServingUses): ServingAdvice {
  const family = familyOf(model);
  const notes = [...(family?.notes ?? []), ...riskyArgs(uses.args)];
  const said = { family: family?.name ?? null, notes };
  switch (engine) {
    case 'vLLM':
    case 'sGLang':
      return { ...said, ...parsersOf(family, engine, uses) };
    case 'llamacpp':
      return { ...said, ...jinjaOf(uses) };
    case 'tgi':
      // TGI constrains calls of tools by a grammar of its own, and never takes reasoning out of the text.
      return { ...said, args: [], warnings: family?.isReasoning === true ? [REASONS_IN_TEXT] : [] };
    case 'tei':
      return { family: said.family, args: [], warnings: [], notes: [] };
  }
}

const REASONS_IN_TEXT = 'TGI leaves reasoning in the text, within <think>';

function parsersOf(family: Family | null, engine: 'vLLM' | 'sGLang', { tools, args }: ServingUses) {
  const setting = family?.[engine] ?? null;
  const missing = [
    ...(tools === false ? [] : toolArgs(setting, engine, args)),
    ...(setting?.reasoning == null || flagValue(args, REASONING_FLAG) !== null
      ? []
      : [REASONING_FLAG, setting.reasoning]),
    ...(setting?.more === undefined || flagValue(args, setting.more[0]) !== null ? [] : setting.more),
  ];
  const warnings = tools === true ? toolWarnings(setting, engine, { missing, args }) : [];
  return { args: missing, warnings };
}

function toolArgs(setting: EngineSetting | null, engine: 'vLLM' | 'sGLang', args: readonly string[]): string[] {
  if (setting?.tools == null) return [];
  const isAuto = engine === 'sGLang' || args.includes(AUTO);
  const template = engine === 'vLLM' && setting.template !== undefined ? setting.template : null;
  return [
    ...(isAuto ? [] : [AUTO]),
    ...(flagValue(args, TOOL_FLAG) === null ? [TOOL_FLAG, setting.tools] : []),
    ...(template === null || flagValue(args, TEMPLATE_FLAG) !== null
      ? []
      : [TEMPLATE_FLAG, `${VLLM_EXAMPLES}${template}`]),
  ];
}

function toolWarnings(
  setting: EngineSetting | null,
  engine: 'vLLM' | 'sGLang',
  { missing, args }: { readonly missing: readonly string[]; readonly args: readonly string[] },
): string[] {
  const given = flagValue(args, TOOL_FLAG);
  const isOff = engine === 'vLLM' && !args.includes(AUTO);
  const wanted = setting?.tools ?? null;
  if (wanted === null) {
    return given !== null && !isOff
      ? []
      : [`its calls offer tools, and endpoint.args names no tool parser; upshift knows none for it on ${engine}`];
  }
  if (given === null || isOff) {
    return [`its calls offer tools, and endpoint.args names no tool parser: add ${missing.join(' ')}`];
  }
  const isOther = given !== wanted && !isAlias(given, wanted);
  return isOther ? [`endpoint.args names the tool parser ${given}, and its family wants ${wanted}`] : [];
}

/** Names of one and the same parser. */
const ALIASES: readonly (readonly string[])[] = [
  ['qwen3_xml', 'qwen3_coder'],
  ['qwen', 'qwen25'],
  ['glm', 'glm45'],
  // Both read Granite 4's notation.
  ['hermes', 'granite4'],
];

function isAlias(one: string, other: string): boolean {
  return ALIASES.some((names) => names.includes(one) && names.includes(other));
}

/** llama.cpp reads calls of tools by the model's own template. Newer builds do so without being told. */
function jinjaOf({ tools, args }: ServingUses) {
  const isOff = args.includes('--no-jinja');
  const isMissing = tools !== false && !args.includes('--jinja') && !isOff;
  const warning = `its calls offer tools, and llama.cpp reads them only with --jinja, which ${isOff ? '--no-jinja turns off' : 'newer builds have as their default'}`;
  return { args: isMissing ? ['--jinja'] : [], warnings: tools === true && (isMissing || isOff) ? [warning] : [] };
}

/** What in an engine's arguments makes its answers differ from those of the model as it was published. In words. */
export function riskyArgs(args: readonly string[]): string[] {
  const cache = flagValue(args, '--kv-cache-dtype');
  const quantization = flagValue(args, '--quantization', '-q');
  const context = flagValue(args, ...CONTEXT_FLAGS);
  const sampling = flagValue(args, '--generation-config', '--sampling-defaults', '--override-generation-config');
  return [
    ...(cache !== null && cache !== 'auto' ? [`--kv-cache-dtype ${cache} changes answers, the more the longer`] : []),
    ...(quantization === null ? [] : [`--quantization ${quantization}: quantised weights answer differently`]),
    ...(context === null ? [] : [`longer calls than ${context} tokens are refused`]),
    ...(sampling === null
      ? []
      : ['the defaults of sampling are set here, so calls that set none are sampled otherwise']),
  ];
}
