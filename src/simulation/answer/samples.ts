import { isObject } from '../exchange.ts';
import { chance, seedFor } from './chance.ts';
import { writeText } from './text.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Objects and lists deeper than this hold only what their schema demands, so that a schema may refer to itself. */
const DEEP = 4;
/** Nothing is filled in below this. */
const DEEPEST = 12;

/**
 * JSON text that satisfies a schema: types, properties, enums, bounds, lists, alternatives and references within the
 * schema. Patterns and rarer keywords are not looked at. The first free string of it is lengthened so that the whole
 * has about so many tokens; 0 leaves it short. The seed chooses among what is allowed.
 */
export function sampleJson(schema: Schema, seed: number, tokens: number): string {
  const short = JSON.stringify(new Sampler(schema, seed, 0).valueOf(schema, 0));
  const missing = tokens - short.length / 4;
  return missing < 1 ? short : JSON.stringify(new Sampler(schema, seed, missing).valueOf(schema, 0));
}

class Sampler {
  readonly #root: Schema;
  #seed: number;
  /** Tokens that the first free string gets. */
  #fill: number;

  constructor(root: Schema, seed: number, fill: number) {
    this.#root = root;
    this.#seed = seed;
    this.#fill = fill;
  }

  valueOf(given: unknown, depth: number): unknown {
    const schema = this.#resolve(given, depth);
    if ('const' in schema) return schema['const'];
    if ('enum' in schema && Array.isArray(schema['enum'])) return this.#choose(schema['enum'] as unknown[]);
    for (const key of ['anyOf', 'oneOf']) {
      const alternatives = schema[key];
      if (!Array.isArray(alternatives) || alternatives.length === 0) continue;
      const { [key]: _, ...rest } = schema;
      const chosen = this.#resolve(this.#choose(alternatives as unknown[]), depth);
      return this.valueOf(merge(rest, chosen), depth + 1);
    }
    switch (typeOf(schema)) {
      case 'string':
        return this.#string(schema);
      case 'integer':
      case 'number':
        return numberOf(schema);
      case 'boolean':
        return true;
      case 'array':
        return this.#list(schema, depth);
      case 'null':
        return null;
      default:
        return this.#object(schema, depth);
    }
  }

  /** The schema with what it refers to and with all of `allOf`; `{}` if it is none. */
  #resolve(given: unknown, depth: number): Schema {
    if (!isObject(given) || depth > DEEPEST) return {};
    const { $ref: reference, allOf, ...rest } = given;
    const parts = [...(reference === undefined ? [] : [this.#find(reference)]), ...(Array.isArray(allOf) ? allOf : [])];
    return parts.reduce<Schema>((all, part) => merge(all, this.#resolve(part, depth + 1)), rest);
  }

  #find(reference: unknown): unknown {
    if (typeof reference !== 'string' || !reference.startsWith('#')) return {};
    const names = reference.split('/').slice(1);
    return names.reduce<unknown>((at, name) => (isObject(at) ? at[name] : undefined), this.#root);
  }

  #choose(among: readonly unknown[]): unknown {
    this.#seed = seedFor(this.#seed, 'choice');
    return among[Math.floor(chance(this.#seed, 'choose') * among.length)];
  }

  #string({ minLength, maxLength, format, pattern }: Schema): string {
    const formatted = typeof format === 'string' ? FORMATS[format] : undefined;
    if (formatted !== undefined) return formatted;
    const isFree = maxLength === undefined && pattern === undefined && this.#fill > 0;
    let text = isFree ? writeText(this.#seed, this.#fill) : 'text';
    if (isFree) this.#fill = 0;
    if (typeof minLength === 'number' && text.length < minLength) text = text.padEnd(minLength, ' and so on');
    return typeof maxLength === 'number' ? text.slice(0, Math.max(0, maxLength)) : text;
  }

  #list({ items, prefixItems, minItems }: Schema, depth: number): unknown[] {
    const first: readonly unknown[] = Array.isArray(prefixItems) ? prefixItems : [];
    const least = typeof minItems === 'number' ? minItems : isObject(items) && depth < DEEP ? 1 : 0;
    const length = depth > DEEPEST ? 0 : Math.max(first.length, Math.min(16, least));
    return Array.from({ length }, (_, index) => this.valueOf(first[index] ?? items, depth + 1));
  }

  #object({ properties, required }: Schema, depth: number): Record<string, unknown> {
    const names: readonly unknown[] = Array.isArray(required) ? required : [];
    const known = isObject(properties) ? properties : {};
    const kept = Object.entries(known).filter(([name]) => depth < DEEP || names.includes(name));
    if (depth > DEEPEST) return {};
    return Object.fromEntries(kept.map(([name, part]) => [name, this.valueOf(part, depth + 1)]));
  }
}

const FORMATS: Readonly<Record<string, string>> = {
  date: '2026-01-31',
  time: '12:00:00Z',
  'date-time': '2026-01-31T12:00:00Z',
  email: 'agent@example.com',
  uri: 'https://example.com/',
  uuid: '2b0f3c9e-7f1d-4f0a-9c57-0d6f0b8a1e52',
};

function typeOf({ type, properties, items, prefixItems }: Schema): unknown {
  if (Array.isArray(type)) return type.find((each) => each !== 'null') ?? 'null';
  if (type !== undefined) return type;
  return properties === undefined && (items !== undefined || prefixItems !== undefined) ? 'array' : 'object';
}

function numberOf({ minimum, exclusiveMinimum, maximum, exclusiveMaximum, multipleOf, type }: Schema): number {
  const isWhole = type === 'integer';
  const step = typeof multipleOf === 'number' && multipleOf > 0 ? multipleOf : isWhole ? 1 : 0.5;
  const least = typeof minimum === 'number' ? minimum : -Infinity;
  const above = typeof exclusiveMinimum === 'number' ? exclusiveMinimum + step : -Infinity;
  const most = typeof maximum === 'number' ? maximum : Infinity;
  const below = typeof exclusiveMaximum === 'number' ? exclusiveMaximum - step : Infinity;
  const near = Math.min(Math.max(1, least, above), most, below);
  if (typeof multipleOf !== 'number' && !isWhole) return near;
  const rounded = Math.ceil(near / step) * step;
  return rounded > Math.min(most, below) ? rounded - step : rounded;
}

/** Two schemas as one: properties and required names of both, otherwise the second's word. */
function merge(left: Schema, right: Schema): Schema {
  const both: Record<string, unknown> = { ...left, ...right };
  const [before, after] = [left['properties'], right['properties']];
  if (isObject(before) && isObject(after)) both['properties'] = { ...before, ...after };
  const [had, has] = [left['required'], right['required']];
  if (Array.isArray(had) && Array.isArray(has)) both['required'] = [...new Set<unknown>([...had, ...has])];
  return both;
}

/**
 * The same JSON text so that it does not satisfy its schema: a demanded part is missing, or a part has the wrong type.
 * If nothing in the schema can be violated, or if `isCut`, it is no whole JSON.
 */
export function spoilJson(text: string, schema: Schema, isCut: boolean): string {
  const cut = text.slice(0, Math.max(1, text.length - 2));
  const value: unknown = isCut ? undefined : JSON.parse(text);
  if (!isObject(value)) return cut;
  const [missing] = Array.isArray(schema['required']) ? (schema['required'] as unknown[]) : [];
  if (typeof missing === 'string' && missing in value) {
    return JSON.stringify({ ...value, [missing]: undefined });
  }
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  for (const [name, part] of Object.entries(properties)) {
    const type = isObject(part) ? part['type'] : undefined;
    if (typeof type !== 'string' || !(name in value)) continue;
    return JSON.stringify({ ...value, [name]: type === 'string' ? 7 : 'seven' });
  }
  return cut;
}
