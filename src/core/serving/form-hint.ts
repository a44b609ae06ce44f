import { CONTEXT_FLAGS, flagValue } from '../sizing/engine-args.ts';
import type { NamedEngine } from '../sizing/engine.ts';
import { familyOf } from './families.ts';
import { riskyArgs, servingArgs } from './serving-args.ts';

/**
 * How the form of answers can differ: calls of tools that are broken (`tools`), or only miss the schema of their arguments (`schema`), or
 * are rarer (`calls`); tokens of the template in
 * the text (`leak`); JSON that is not as demanded (`format`); more answers that were cut off (`length`); long
 * prompts that are cut or refused (`context`); other counts of
 * prompt tokens for the same prompts (`promptTokens`); reasoning (`reasoning`); other texts (`agreement`); another number of
 * characters per token (`tokenizer`).
 */
export type FormSign =
  | 'tools'
  | 'schema'
  | 'calls'
  | 'leak'
  | 'format'
  | 'length'
  | 'context'
  | 'promptTokens'
  | 'reasoning'
  | 'agreement'
  | 'tokenizer';

/** The deployment whose answers differ. */
export interface Deployment {
  readonly model: string;
  /** Null if it is not known; then the setting is named as vLLM spells it. */
  readonly engine: NamedEngine | null;
  /** Its engine's arguments. Null if they are not known. */
  readonly args: readonly string[] | null;
}

/**
 * The likeliest cause of a difference, as a question, and the setting that mends it: `is a tool parser set?
 * (--enable-auto-tool-choice --tool-call-parser hermes)`.
 */
export function formHint(sign: FormSign, deployment: Deployment): string {
  switch (sign) {
    case 'tools':
    case 'calls':
    case 'leak':
      return toolHint(deployment);
    case 'schema':
      return schemaHint(deployment);
    case 'format':
      return formatHint(deployment);
    case 'length':
      return lengthHint(deployment);
    case 'context':
      return `is its context shorter, or are prompts cut before it? (${contextFlag(deployment)})`;
    case 'promptTokens':
      return templateHint(deployment);
    case 'reasoning':
      return reasoningHint(deployment);
    case 'agreement':
      return weightsHint(deployment);
    case 'tokenizer':
      return 'is it the same model and tokenizer? (--model, --revision, --tokenizer)';
  }
}

const isWithFlags = (engine: NamedEngine | null) => engine === null || engine === 'vLLM' || engine === 'sGLang';

/** The arguments of the engine that the table names and that are not known to be given; those for tools first. */
function wantedArgs({ model, engine, args }: Deployment): readonly string[] {
  return servingArgs(model, engine ?? 'vLLM', { tools: true, args: args ?? [] }).args;
}

function settingOf(flag: string, wanted: readonly string[]): string {
  const value = flagValue(wanted, flag);
  return value === null ? flag : `${flag} ${value}`;
}

function toolHint(deployment: Deployment): string {
  const { engine, args } = deployment;
  if (engine === 'tgi') return 'does this version of TGI know the notation of its tools? vLLM has parsers for it';
  if (engine === 'llamacpp') return "does it read tools by the model's own template? (--jinja, --chat-template-file)";
  const wanted = wantedArgs(deployment);
  const setting = settingOf('--tool-call-parser', wanted);
  const isGiven = args !== null && flagValue(args, '--tool-call-parser') !== null;
  if (isGiven && !wanted.includes('--enable-auto-tool-choice')) {
    return 'is its tool parser the right one, and its chat template? (--tool-call-parser, --chat-template)';
  }
  return `is a tool parser set? (${engine === 'sGLang' ? '' : '--enable-auto-tool-choice '}${setting})`;
}

/** Arguments that parse have come through a parser, unless it is known that none is set. */
function schemaHint(deployment: Deployment): string {
  const { engine, args } = deployment;
  const hasNone = isWithFlags(engine) && args !== null && flagValue(args, '--tool-call-parser') === null;
  if (hasNone) return toolHint(deployment);
  return `are the schemas of its tools enforced, or ignored? (${enforcing(engine)})`;
}

/** What enforces schemas. */
function enforcing(engine: NamedEngine | null): string {
  if (engine === 'sGLang') return '--grammar-backend xgrammar, not none';
  const setting = engine === 'vLLM' ? '--structured-outputs-config' : 'structured outputs of the engine';
  return `${setting}; proxies before it must pass them on`;
}

function formatHint(deployment: Deployment): string {
  const { engine, model } = deployment;
  const reasons = familyOf(model)?.isReasoning === true;
  if (reasons && isWithFlags(engine)) {
    const setting = settingOf('--reasoning-parser', wantedArgs(deployment));
    return `is response_format enforced? without its parser a model that reasons may ignore schemas (${setting})`;
  }
  return `is response_format passed on and enforced, or are its schemas ignored? (${enforcing(engine)})`;
}

function lengthHint(deployment: Deployment): string {
  const { args } = deployment;
  const context = args === null ? null : flagValue(args, ...CONTEXT_FLAGS);
  const cut = context === null ? contextFlag(deployment) : `the context is ${context} tokens`;
  return `is its default of max_tokens lower, or its context shorter? (${cut}, --generation-config)`;
}

function contextFlag({ engine }: Deployment): string {
  return engine === 'sGLang'
    ? '--context-length'
    : engine === 'llamacpp'
      ? '--ctx-size, --parallel'
      : '--max-model-len';
}

function templateHint(deployment: Deployment): string {
  const given = deployment.args === null ? null : flagValue(deployment.args, '--chat-template');
  if (given !== null) return `is ${given} the template that the model was published with? (--chat-template)`;
  return 'is its chat template or its system prompt another one, or is the prompt cut? (--chat-template)';
}

function reasoningHint(deployment: Deployment): string {
  const { engine, model } = deployment;
  const key = familyOf(model)?.thinkingKey ?? null;
  if (engine === 'llamacpp') return 'does it take reasoning out of the text? (--reasoning-format auto)';
  if (engine === 'tgi') return 'TGI leaves reasoning in the text: is it looked for there?';
  const setting = settingOf('--reasoning-parser', wantedArgs(deployment));
  const thinking =
    key === null ? '' : `; is reasoning on by default? (--default-chat-template-kwargs '{"${key}": true}')`;
  return `is a reasoning parser set, and is reasoning_effort passed on? (${setting})${thinking}`;
}

function weightsHint({ args }: Deployment): string {
  const [risk] = args === null ? [] : riskyArgs(args);
  return (
    risk ??
    'are its weights or its KV cache quantised, or its defaults of sampling others? (--quantization, --kv-cache-dtype, --generation-config)'
  );
}
