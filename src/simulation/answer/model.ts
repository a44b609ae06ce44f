import type { Asked, OfferedTool } from './asked.ts';
import { chance, seedFor } from './chance.ts';
import type { Deployment } from './deployment.ts';
import { sampleJson, spoilJson } from './samples.ts';
import { joinTexts, writeText } from './text.ts';
import type { Wanted } from './wanted.ts';

/** What a model makes of a call. */
type Made = Pick<Wanted, 'outputTokens' | 'reasoningTokens' | 'finish' | 'reasoning' | 'text' | 'tool'>;

/** How long an answer is, in tokens of the model. */
interface Length {
  /** What the model would write. */
  readonly natural: number;
  /** The most that it may write; Infinity if nothing limits it. */
  readonly limit: number;
}

interface Seeds {
  /** Of what the model says. */
  readonly said: number;
  /** Of what this deployment does by itself. */
  readonly own: number;
  /** Of what even the same deployment does otherwise the next time, unless the temperature is 0. */
  readonly once: number;
}

/** Share of the calls in which a model that may call a tool does so. */
const CALLED = 0.85;
/** How far that share may move between two answers to the same call: at temperature 0, and otherwise. */
const [SURE, UNSURE] = [0.005, 0.1];
/** Share of tool calls and JSON answers that any model gets wrong, and the part of them that is no JSON. */
const [SLIPS, CUT] = [0.003, 0.4];
/** At temperature 0: shares of the calls in which a deployment chooses otherwise, or its text drifts away. */
const [OTHER_CHOICE, DRIFTS] = [0.03, 0.3];
/** JSON in answers up to this length keeps its bare values; it is lengthened in longer ones. */
const SHORT = 64;
/** No answer is whole within fewer tokens. */
const LEAST = 16;
const ANY_OBJECT = { type: 'object', properties: { answer: { type: 'string' } }, required: ['answer'] };

/**
 * The model's answer to a call, as a deployment gives it. At temperature 0 it depends on the prompt and the deployment
 * alone, otherwise also on `call`. `reasons`: share of reasoning if the call does not say, 0..1.
 */
export function answerCall(
  asked: Asked,
  { natural, limit }: Length,
  deployment: Deployment,
  { call, reasons }: { readonly call: string; readonly reasons: number },
): Made {
  const seeds = seedsOf(asked, deployment, call);
  const whole = Math.max(1, Math.min(natural, limit));
  const thought = Math.floor(whole * (asked.reasoning ?? reasons));
  const rest = Math.max(1, whole - thought);
  const kept = deployment.dropsReasoning ? 0 : thought;
  const reasoning = kept === 0 ? '' : writeText(seedFor(seeds.said, 'thought'), kept);
  const tool = chooseTool(asked, seeds);
  const schema = tool?.schema ?? asked.format;
  if (schema === null) {
    const finish = natural > limit || limit < LEAST ? 'length' : 'stop';
    const text = writeAnswer(asked, seeds, rest, deployment);
    return { outputTokens: kept + rest, reasoningTokens: kept, finish, reasoning, text, tool: undefined };
  }
  const json = writeJson(tool === undefined && isEmpty(schema) ? ANY_OBJECT : schema, seeds, rest, deployment);
  const most = Math.max(1, limit - thought);
  const isCut = json.length > most * 4;
  const args = isCut ? json.slice(0, most * 4) : json;
  const outputTokens = kept + Math.min(most, Math.max(rest, Math.ceil(json.length / 4)));
  const common = { outputTokens, reasoningTokens: kept, reasoning, tool: undefined };
  if (tool === undefined) return { ...common, finish: isCut ? 'length' : 'stop', text: args };
  const { name } = tool;
  if (deployment.lacksParser) return { ...common, finish: isCut ? 'length' : 'stop', text: rawCall(name, args) };
  return { ...common, finish: isCut ? 'length' : 'tool_calls', text: '', tool: { name, args } };
}

function seedsOf({ seed, isExact }: Asked, { side }: Deployment, call: string): Seeds {
  const own = seedFor(seed, side);
  const once = isExact ? own : seedFor(own, call);
  const isSame = isExact && chance(own, 'same') >= OTHER_CHOICE;
  return { said: isSame ? seed : once, own, once };
}

/**
 * The tool that is called: the one that the call names, or one of those that it offers. None if the choice is left to the
 * model and a tool has just answered.
 */
function chooseTool({ tools, choice, isUsersTurn, isExact, seed }: Asked, { once }: Seeds): OfferedTool | undefined {
  if (tools.length === 0 || choice === 'none') return undefined;
  if (typeof choice === 'object') return tools.find(({ name }) => name === choice.name);
  if (choice === 'auto') {
    const called = CALLED + (2 * chance(once, 'called') - 1) * (isExact ? SURE : UNSURE);
    if (!isUsersTurn || chance(seed, 'ask') >= called) return undefined;
  }
  return tools[Math.floor(chance(seed, 'tool') * tools.length)];
}

function writeAnswer({ isExact }: Asked, { said, own }: Seeds, tokens: number, { agreement }: Deployment): string {
  const text = writeText(said, tokens);
  const drifts = agreement !== null || chance(own, 'drifts') < DRIFTS;
  if (!isExact || !drifts) return text;
  return joinTexts(text, writeText(own, tokens), chance(own, 'drift') * (agreement ?? 1));
}

function writeJson(schema: OfferedTool['schema'], { said, own }: Seeds, tokens: number, how: Deployment): string {
  const json = sampleJson(schema, said, tokens > SHORT ? tokens : 0);
  const spoils = how.spoils ?? (chance(own, 'slips') < SLIPS ? 'any' : null);
  if (spoils === null) return json;
  return spoilJson(json, schema, spoils === 'any' && chance(own, 'cut') < CUT);
}

/** A tool call in the notation that many open models are taught. */
function rawCall(name: string, args: string): string {
  return `<tool_call>\n{"name": ${JSON.stringify(name)}, "arguments": ${args}}\n</tool_call>`;
}

function isEmpty(schema: object): boolean {
  return Object.keys(schema).length === 0;
}
