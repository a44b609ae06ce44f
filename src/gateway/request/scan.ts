import { skipSpace, walkMembers } from '../../core/json-scan.ts';
import type { TakeMember, TakeString } from '../../core/json-scan.ts';

/** What the gateway needs from a JSON body, found without parsing all of it. */
export interface Scan {
  /** The last top-level `model`, if it is a string; otherwise null. */
  model: string | null;
  /** Byte range [modelStart, modelEnd) of that string in the body, quotes included; both -1 if there is none. */
  modelStart: number;
  modelEnd: number;
  isStream: boolean;
  hasTools: boolean;
  isStructured: boolean;
  /** Pictures, sound, video or files, in the request or asked for in the answer. */
  hasMedia: boolean;
  /** The tokens that the answer may have at most, if the request says so; otherwise null. */
  maxTokens: number | null;
  /** What tells the conversation, as byte ranges in the body. */
  readonly session: SessionPlaces;
  /** What says which form the answer shall have. */
  readonly asks: AskPlaces;
  /** Whether its size shows nothing about the length of a prompt: it has several, or has the engine shorten it. */
  isBatch: boolean;
}

/** Byte ranges [start, end) of values in the body; start is -1 if there is none. */
export interface SessionPlaces {
  /** `prompt_cache_key`, else `user`, if they are strings. */
  keyStart: number;
  keyEnd: number;
  isCacheKey: boolean;
  /** `system` or `instructions`, beside the messages. */
  systemStart: number;
  systemEnd: number;
  /** The list of messages. */
  messagesStart: number;
  messagesEnd: number;
}

/** Byte ranges [start, end) of values in the body; start is -1 if there is none. */
export interface AskPlaces {
  /** `tools` or `functions`. */
  toolsStart: number;
  toolsEnd: number;
  /** `tool_choice` or `function_call`. */
  choiceStart: number;
  choiceEnd: number;
  /** What demands JSON, and its key. */
  formatStart: number;
  formatEnd: number;
  formatKey: string;
  /** Whether `temperature` is 0. */
  isGreedy: boolean;
}

const QUOTE = 0x22;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const BEYOND_ASCII = /[\x80-\xff]/;
/** As UTF-8, one character per byte. Some Windows programs begin a text with it. */
const BYTE_ORDER_MARK = '\xef\xbb\xbf';
const LONGEST_KEY = 128;
const LONGEST_MODEL = 1024;
const LONGEST_NUMBER = 24;

type Take = (found: Scan, text: string, start: number, end: number) => void;

const takeTools: Take = (found, text, start, end) => {
  if (!isGiven(text, start) || text.charCodeAt(skipSpace(text, start + 1)) === CLOSE_BRACKET) return;
  found.hasTools = true;
  [found.asks.toolsStart, found.asks.toolsEnd] = [start, end];
};
const takeChoice: Take = ({ asks }, text, start, end) => {
  if (isGiven(text, start)) [asks.choiceStart, asks.choiceEnd] = [start, end];
};
const takeFormat =
  (key: string): Take =>
  ({ asks }, text, start, end) => {
    if (isGiven(text, start)) [asks.formatStart, asks.formatEnd, asks.formatKey] = [start, end, key];
  };
const takeStructured: Take = (found, text, start) => {
  found.isStructured ||= isGiven(text, start);
};
const takeMaxTokens: Take = (found, text, start, end) => {
  const tokens = Number(text.slice(start, Math.min(end, start + LONGEST_NUMBER)));
  if (Number.isSafeInteger(tokens) && tokens >= 0) found.maxTokens = Math.min(tokens, found.maxTokens ?? tokens);
};
const takeBatch: Take = (found, text, start) => {
  found.isBatch ||= text.charCodeAt(start) === OPEN_BRACKET;
};

const takeKey =
  (isCacheKey: boolean): Take =>
  ({ session }, text, start, end) => {
    // An empty string names nothing, and a cache key says more than a user.
    if (text.charCodeAt(start) !== QUOTE || end - start <= 2 || (session.isCacheKey && !isCacheKey)) return;
    [session.keyStart, session.keyEnd, session.isCacheKey] = [start, end, isCacheKey];
  };
const takeSystem: Take = ({ session }, text, start, end) => {
  if (isGiven(text, start)) [session.systemStart, session.systemEnd] = [start, end];
};
const takeMessages: Take = ({ session }, text, start, end) => {
  if (text.charCodeAt(start) === OPEN_BRACKET) [session.messagesStart, session.messagesEnd] = [start, end];
};

function both(one: Take, other: Take): Take {
  return (...place) => {
    one(...place);
    other(...place);
  };
}

/** What the keys beside `model` say. */
const KEYS: ReadonlyMap<string, Take> = new Map<string, Take>([
  ['stream', (found, text, start) => (found.isStream = text.charCodeAt(start) === 0x74)],
  ['tools', takeTools],
  // What OpenAI had before `tools`.
  ['functions', takeTools],
  ['tool_choice', takeChoice],
  ['function_call', takeChoice],
  ['response_format', both(takeStructured, takeFormat('response_format'))],
  // OpenAI's responses, and Anthropic's messages.
  ['text', takeFormat('text')],
  ['output_format', takeFormat('output_format')],
  ['output_config', takeFormat('output_config')],
  // vLLM, "Structured Outputs": the keys before and since 0.12. SGLang: regex, ebnf, json_schema. llama.cpp: grammar.
  ['guided_json', both(takeStructured, takeFormat('guided_json'))],
  ['guided_regex', takeStructured],
  ['guided_choice', takeStructured],
  ['guided_grammar', takeStructured],
  ['structured_outputs', takeStructured],
  ['regex', takeStructured],
  ['ebnf', takeStructured],
  ['json_schema', takeStructured],
  ['grammar', takeStructured],
  [
    'temperature',
    (found, text, start, end) =>
      (found.asks.isGreedy =
        Number(text.slice(start, Math.min(end, start + LONGEST_NUMBER))) === 0 && isGiven(text, start)),
  ],
  ['max_tokens', takeMaxTokens],
  ['max_completion_tokens', takeMaxTokens],
  ['prompt', takeBatch],
  [
    'input',
    (found, text, start, end) => {
      takeBatch(found, text, start, end);
      takeMessages(found, text, start, end);
    },
  ],
  ['messages', takeMessages],
  ['system', takeSystem],
  ['instructions', takeSystem],
  ['prompt_cache_key', takeKey(true)],
  ['user', takeKey(false)],
  ['truncate_prompt_tokens', (found, text, start) => (found.isBatch ||= isGiven(text, start))],
  ['modalities', (found, text, start, end) => (found.hasMedia ||= text.slice(start, end).includes('"audio"'))],
]);
/** The strings, as keys or as values, that only parts of a message with media have. */
const MEDIA: ReadonlySet<string> = new Set([
  'image_url',
  'video_url',
  'audio_url',
  'input_audio',
  'image_embeds',
  'audio_embeds',
]);
const TYPE_BEFORE = /"type"\s*:\s*$/;

/**
 * Scans a JSON object in one pass, by the rules of strings and nesting alone. If `model` or `stream` is repeated, the
 * last one counts, as in JSON.parse; a feature counts if any key asks for it. Numbers, literals and the insides of
 * nested values are not checked. Returns null if the bytes cannot be a JSON object.
 */
export function scanObject(body: Buffer): Scan | null {
  // With one byte per character, positions in the text are positions in the body, and indexOf can search for quotes.
  const text = body.toString('latin1');
  const found: Scan = {
    model: null,
    modelStart: -1,
    modelEnd: -1,
    isStream: false,
    hasTools: false,
    isStructured: false,
    hasMedia: false,
    maxTokens: null,
    session: {
      keyStart: -1,
      keyEnd: -1,
      isCacheKey: false,
      systemStart: -1,
      systemEnd: -1,
      messagesStart: -1,
      messagesEnd: -1,
    },
    asks: {
      toolsStart: -1,
      toolsEnd: -1,
      choiceStart: -1,
      choiceEnd: -1,
      formatStart: -1,
      formatEnd: -1,
      formatKey: '',
      isGreedy: false,
    },
    isBatch: false,
  };
  const takeString: TakeString = (_, quote, end) => noteMedia(text, quote, end, found);
  const takeMember: TakeMember = (_, quote, keyEnd, start, end) => {
    const key = nameOf(text, quote, keyEnd);
    if (key === 'model') return takeModel(text, start, end, found);
    if (key !== null) KEYS.get(key)?.(found, text, start, end);
    return key !== null;
  };
  const from = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
  return walkMembers(text, from, takeMember, takeString) ? found : null;
}

/** A key's text; '' if it is too long to be one that is looked for; null if its escapes are invalid. */
function nameOf(text: string, start: number, end: number): string | null {
  const length = end - start - 1;
  if (length > LONGEST_KEY) return '';
  const key = text.slice(start + 1, end);
  return key.includes('\\') ? decodeString(text, start, end + 1) : key;
}

/** Notes the model. Returns whether its value can be read. */
function takeModel(text: string, start: number, end: number, found: Scan): boolean {
  found.model = null;
  found.modelStart = found.modelEnd = -1;
  if (text.charCodeAt(start) !== QUOTE) return true;
  if (end - start > LONGEST_MODEL) return false;
  const model = decodeString(text, start, end);
  if (model === null) return false;
  found.model = model;
  found.modelStart = start;
  found.modelEnd = end;
  return true;
}

/** Whether a value is not null. */
function isGiven(text: string, start: number): boolean {
  return text.charCodeAt(start) !== 0x6e;
}

/** Decodes a JSON string token, quotes included; null if its escapes or characters are not valid JSON. */
function decodeString(text: string, start: number, end: number): string | null {
  try {
    const token = text.slice(start, end);
    const value: unknown = JSON.parse(BEYOND_ASCII.test(token) ? Buffer.from(token, 'latin1').toString() : token);
    // Half a surrogate pair is not a character: no model's name contains one, and it could not be stored unchanged.
    return typeof value === 'string' && value.isWellFormed() ? value : null;
  } catch {
    return null;
  }
}

/**
 * Notes media by the unescaped strings `"image_url"` and the like, as keys or as values. `"file"` counts only as a type,
 * because tools often have a parameter of that name.
 */
function noteMedia(text: string, quote: number, end: number, found: Scan): void {
  const length = end - quote - 1;
  // The lengths and first letters of the names come first, because this runs for each string of a body.
  if (length > 12 || (length < 9 && length !== 4) || found.hasMedia) return;
  const first = text.charCodeAt(quote + 1);
  if (length === 4) {
    const isFile = first === 0x66 && text.startsWith('file', quote + 1);
    if (isFile) found.hasMedia = TYPE_BEFORE.test(text.slice(Math.max(0, quote - 64), quote));
  } else if (first === 0x61 || first === 0x69 || first === 0x76) {
    found.hasMedia = MEDIA.has(text.slice(quote + 1, end));
  }
}
