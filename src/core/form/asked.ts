import { objectOf, objectsOf } from '../answer/output.ts';
import { Remembered } from './remembered.ts';

/** A longer list of tools, or schema, is not read. */
const LONGEST = 256 * 1024;

/** The tools that a request offers, by name; undefined: without a schema. Null if the list cannot be read. */
export type Offered = ReadonlyMap<string, unknown> | null;

/** What a request asks of the form of its answer. Its texts are looked at only if the answer makes it necessary. */
export interface Asked {
  /** Null if it offers no tools, or forbids their use. */
  readonly tools: {
    readonly isDemanded: boolean;
    /** The one that it demands; null: any. */
    readonly only: string | null;
    readonly offered: () => Offered;
  } | null;
  /** Null if it demands no JSON. */
  readonly format: Format | null;
  /** Whether it asks for a temperature of 0. */
  readonly isGreedy: boolean;
  /** Whether a text stands in the request. */
  readonly isNamed: (text: string) => boolean;
}

/** JSON that is demanded. `schema`: undefined if any object will do. */
export interface Format {
  readonly schema?: unknown;
}

/** The parts of a request's body that say what it asks for: the text of a key's value, decoded; null without the key. */
export interface AskedTexts {
  /** `tools`, or `functions`. */
  readonly tools: string | null;
  /** `tool_choice`, or `function_call`. */
  readonly choice: string | null;
  /** Its key, and the text of its value. */
  readonly format: readonly [key: string, text: string] | null;
  readonly isGreedy: boolean;
  /** Whether a text stands in the body, escaped or not. */
  readonly isNamed: (text: string) => boolean;
}

/** Reads what requests ask for, in OpenAI's and Anthropic's formats. */
export class AskedReader {
  readonly #offered = new Remembered(readOffered);
  readonly #formats = new Remembered(readFormat);

  read({ tools, choice, format, isGreedy, isNamed }: AskedTexts): Asked {
    const how = tools === null ? null : readChoice(choice);
    return {
      tools: tools === null || how === null ? null : { ...how, offered: () => this.#offeredIn(tools) },
      format: format === null || format[1].length > LONGEST ? null : this.#formats.of(format.join('\n')),
      isGreedy,
      isNamed,
    };
  }

  #offeredIn(tools: string): Offered {
    return tools.length > LONGEST ? null : this.#offered.of(tools);
  }
}

/** Whether a call of a tool is demanded, and of which; null if tools are forbidden. */
function readChoice(text: string | null): { readonly isDemanded: boolean; readonly only: string | null } | null {
  const choice = text === null ? undefined : parsed(text);
  const object = objectOf(choice);
  const kind = object === null ? choice : (object.mode ?? object.type);
  if (kind === 'none') return null;
  const place = object === null ? null : (objectOf(object.function) ?? objectOf(object.custom) ?? object);
  const only = typeof place?.name === 'string' ? place.name : null;
  const mode = objectOf(object?.allowed_tools)?.mode;
  const isDemanded = only !== null || kind === 'required' || kind === 'any' || mode === 'required';
  return { isDemanded, only };
}

/** Chat has `function.parameters`, responses have `parameters`, messages have `input_schema`. Tools without a name are the server's. */
function readOffered(text: string): Offered {
  const list = parsed(text);
  if (!Array.isArray(list)) return null;
  const offered = new Map<string, unknown>();
  for (const tool of objectsOf(list)) {
    const { name, parameters, input_schema: schema } = objectOf(tool.function) ?? objectOf(tool.custom) ?? tool;
    if (typeof name === 'string') offered.set(name, parameters ?? schema);
  }
  return offered;
}

/** `text`: a key and its value, in two lines. */
function readFormat(text: string): Format | null {
  const end = text.indexOf('\n');
  const value = parsed(text.slice(end + 1));
  const key = text.slice(0, end);
  if (key === 'guided_json') {
    const schema = typeof value === 'string' ? parsed(value) : value;
    return schema === undefined || schema === null ? null : { schema };
  }
  const object = objectOf(value);
  const format = key === 'text' || key === 'output_config' ? objectOf(object?.format) : object;
  if (format === null) return null;
  if (format.type === 'json_object') return format.value === undefined ? {} : { schema: format.value };
  if (format.type === 'json_schema') return { schema: objectOf(format.json_schema)?.schema ?? format.schema ?? true };
  return format.type === 'json' ? { schema: format.value } : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
