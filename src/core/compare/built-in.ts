import type { Dice } from '../dice.ts';
import { BUILT_IN_SCHEMAS, BUILT_IN_TOOLS } from './built-in-tools.ts';
import type { BuiltInTool } from './built-in-tools.ts';
import type { RequestKind } from './pair.ts';

/** Where a request goes, below the base URL. */
export const PATHS = ['/chat/completions', '/completions', '/embeddings'] as const;

export type ComparePath = (typeof PATHS)[number];

/** One request to both sides. */
export interface CompareRequest {
  readonly kind: RequestKind;
  readonly path: ComparePath;
  /** Without the model, which each side may call differently. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** How many of a hundred requests are of a kind. */
const MIX: readonly (readonly [kind: RequestKind, of100: number])[] = [
  ['tools', 38],
  ['json', 36],
  ['plain', 10],
  ['reason', 5],
  ['open', 7],
  ['long', 4],
];

/** Of a hundred requests with tools: so many demand a call, and so many need none. */
const [DEMANDING, NEEDLESS] = [15, 10];
/** Of a hundred requests with a schema, so many ask for any JSON object. */
const ANY_OBJECT = 20;
const STREAMED = 0.33;
/** Tokens of a long prompt, at about four characters each: beyond a context that was cut to 8k. */
const LONG_TOKENS = 9_000;

const WHO = ['Mina', 'Jonas', 'Priya', 'Tomasz', 'Leila', 'Oskar', 'Yuki', 'Carla', 'Samir', 'Ines', 'Bram', 'Wanda'];
const CITIES = ['Lisbon', 'Oslo', 'Graz', 'Turin', 'Ghent', 'Porto', 'Krakow', 'Nantes', 'Malmo', 'Bilbao', 'Split'];
const THINGS = ['bicycle', 'printer', 'kettle', 'tent', 'violin', 'drill', 'camera', 'boiler', 'loom', 'sofa', 'kayak'];

const PLAIN = [
  'Name three uses of a {thing}. One line each.',
  'What is the country of {city}? One sentence.',
  'Write two sentences about a {thing} that {who} found in {city}.',
  'Translate to French: "{who} bought {n} tickets to {city}."',
  'Give a short title for a story about {who} and a {thing}.',
  'Is {n} an even number? Explain in one sentence.',
];
const REASON = [
  '{who} has {n} apples, gives a third of them away and buys 7 more. How many are there, rounded down? End with the number.',
  'A train to {city} takes {n} minutes and leaves at 14:50. When does it arrive? End with the time.',
  'Which is larger, 9.{n} or 9.8? End with the larger one.',
];
const OPEN = [
  'Describe how a {thing} works, for a child, in about 400 words.',
  'Write a letter of about 400 words from {who} in {city} to a friend about a {thing}.',
];

/**
 * The built-in requests: the same number and dice give the same ones. They ask for a temperature of 0. `isEmbedding`: for a
 * model that only makes embeddings.
 */
export function builtInRequests(count: number, dice: Dice, isEmbedding = false): readonly CompareRequest[] {
  const maker = new Maker(dice);
  const kinds = isEmbedding ? Array.from({ length: count }, () => 'embedding' as const) : kindsOf(count);
  return maker.shuffled(kinds).map((kind) => maker.request(kind));
}

/** Each kind has its part of the count, and at least one request if there are enough. */
function kindsOf(count: number): RequestKind[] {
  const spread = MIX.flatMap(([kind, of100]) =>
    Array.from({ length: of100 }, (_, i) => ({ kind, at: (i + 0.5) / of100 })),
  ).sort((a, b) => a.at - b.at);
  return Array.from({ length: count }, (_, i) => (spread[i % spread.length] as { kind: RequestKind }).kind);
}

class Maker {
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  request(kind: RequestKind): CompareRequest {
    if (kind === 'embedding') return { kind, path: '/embeddings', body: { input: this.#fill(this.#pick(PLAIN)) } };
    const body = { ...this.#bodyOf(kind), temperature: 0 };
    const isStreamed = this.#dice.next() < STREAMED;
    const stream = isStreamed ? { stream: true, stream_options: { include_usage: true } } : {};
    return { kind, path: '/chat/completions', body: { ...body, ...stream } };
  }

  #bodyOf(kind: RequestKind): Readonly<Record<string, unknown>> {
    switch (kind) {
      case 'tools':
        return this.#withTools();
      case 'json':
        return this.#withSchema();
      case 'reason':
        return { ...this.#says(this.#pick(REASON)), max_tokens: 1_024 };
      case 'open':
        return this.#says(this.#pick(OPEN));
      case 'long':
        return { ...this.#says(this.#longText()), max_tokens: 32 };
      default:
        return { ...this.#says(this.#pick(PLAIN)), max_tokens: 128 };
    }
  }

  #withTools(): Readonly<Record<string, unknown>> {
    const [asked, ...others] = this.shuffled(BUILT_IN_TOOLS) as [BuiltInTool, ...BuiltInTool[]];
    const offered = this.shuffled([asked, ...others.slice(0, 2 + this.#below(3))]);
    const roll = this.#below(100);
    const tools = offered.map(({ name, description, parameters }) => {
      return { type: 'function', function: { name, description, parameters } };
    });
    const ask = roll >= DEMANDING && roll < DEMANDING + NEEDLESS ? this.#pick(PLAIN) : this.#pick(asked.asks);
    return { ...this.#says(ask), tools, tool_choice: roll < DEMANDING ? 'required' : 'auto', max_tokens: 256 };
  }

  #withSchema(): Readonly<Record<string, unknown>> {
    const { name, schema, asks } = this.#pick(BUILT_IN_SCHEMAS);
    const format =
      this.#below(100) < ANY_OBJECT
        ? { type: 'json_object' }
        : { type: 'json_schema', json_schema: { name, strict: true, schema } };
    return { ...this.#says(this.#pick(asks)), response_format: format, max_tokens: 400 };
  }

  /** A list of entries and a question about one of them. */
  #longText(): string {
    const lines: string[] = [];
    for (let length = 0; length < 4 * LONG_TOKENS; length += lines.at(-1)?.length ?? 1) {
      lines.push(this.#fill(`Entry ${lines.length + 1}: {who} in {city} keeps {n} parts of a {thing}.`));
    }
    const about = 1 + this.#below(lines.length);
    return `${lines.join('\n')}\n\nHow many parts does entry ${about} name? Answer with the number only.`;
  }

  #says(ask: string): { readonly messages: readonly object[] } {
    return { messages: [{ role: 'user', content: this.#fill(ask) }] };
  }

  #fill(ask: string): string {
    return ask
      .replaceAll('{n}', () => String(11 + this.#below(480)))
      .replaceAll('{who}', () => this.#pick(WHO))
      .replaceAll('{city}', () => this.#pick(CITIES))
      .replaceAll('{thing}', () => this.#pick(THINGS));
  }

  shuffled<T>(values: readonly T[]): T[] {
    const left = [...values];
    return values.map(() => left.splice(this.#below(left.length), 1)[0] as T);
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#below(values.length)] as T;
  }

  #below(count: number): number {
    return Math.floor(this.#dice.next() * count);
  }
}
