import { objectOf } from '../answer/output.ts';
import type { Json } from '../answer/output.ts';
import { canonical, STEP_CHARS, Steps } from './canonical.ts';
import type { Score } from './form.ts';
import { checkNumber, checkType, inRange, isNumberOrNone } from './plain-rules.ts';
import { allOf, contained, negation, oneOf } from './scores.ts';

/** Steps of one check. One takes less than a microsecond. */
export const MOST_STEPS = 4_000;
/** Deeper schemas and values are not followed. Recursion without an end reaches it. */
const DEEPEST = 64;
/** Keywords whose meaning is not followed, in drafts up to 2020-12. */
const NOT_FOLLOWED: readonly string[] = ['$dynamicRef', '$recursiveRef', 'unevaluatedProperties', 'unevaluatedItems'];

/**
 * Whether a JSON value satisfies a JSON Schema, as tools use it: drafts 7 to 2020-12. `pattern`, `format`, references out
 * of the schema, and what takes more than the given steps or is nested too deep cannot be told. What is wrong by another
 * keyword is `bad` all the same. No code is generated, so that a schema costs no more than its steps.
 */
export function satisfies(value: unknown, schema: unknown, steps = new Steps(MOST_STEPS)): Score {
  return new Checking(schema, steps).check(value, schema, 0);
}

class Checking {
  readonly #root: unknown;
  readonly #steps: Steps;

  constructor(root: unknown, steps: Steps) {
    this.#root = root;
    this.#steps = steps;
  }

  check(value: unknown, schema: unknown, depth: number): Score {
    if (depth > DEEPEST || !this.#steps.take()) return 'unscored';
    if (typeof schema === 'boolean') return schema ? 'good' : 'bad';
    const rules = objectOf(schema);
    if (rules === null) return 'unscored';
    const next = depth + 1;
    return allOf([
      () => checkType(value, rules),
      () => this.#checkConstant(value, rules),
      () => this.#checkKind(value, rules, next),
      () => this.#checkCombined(value, rules, next),
      () => this.#checkReference(value, rules, next),
    ]);
  }

  #checkKind(value: unknown, rules: Json, depth: number): Score {
    if (typeof value === 'string') return this.#checkString(value, rules);
    if (typeof value === 'number') return checkNumber(value, rules);
    if (Array.isArray(value)) return this.#checkArray(value, rules, depth);
    const object = objectOf(value);
    return object === null ? 'good' : this.#checkObject(object, rules, depth);
  }

  #checkConstant(value: unknown, rules: Json): Score {
    const { enum: choices, const: constant } = rules;
    const one = 'const' in rules ? this.#isOneOf(value, [constant]) : 'good';
    if (one === 'bad' || choices === undefined) return one;
    return allOf([() => one, () => (Array.isArray(choices) ? this.#isOneOf(value, choices) : 'unscored')]);
  }

  #isOneOf(value: unknown, choices: readonly unknown[]): Score {
    if (typeof value !== 'object' || value === null) {
      for (const choice of choices) {
        if (!this.#steps.take()) return 'unscored';
        if (choice === value) return 'good';
      }
      return 'bad';
    }
    const own = canonical(value, this.#steps);
    if (own === null) return 'unscored';
    for (const choice of choices) {
      const other = canonical(choice, this.#steps);
      if (other === null) return 'unscored';
      if (other === own) return 'good';
    }
    return 'bad';
  }

  #checkString(value: string, rules: Json): Score {
    const unscored = 'pattern' in rules || 'format' in rules;
    const { minLength, maxLength } = rules;
    if (minLength === undefined && maxLength === undefined) return unscored ? 'unscored' : 'good';
    if (!this.#steps.take(Math.ceil(value.length / STEP_CHARS))) return 'unscored';
    // Lengths are those of characters, and some have two units.
    let length = 0;
    for (const _ of value) length++;
    return allOf([() => inRange(length, minLength, maxLength), () => (unscored ? 'unscored' : 'good')]);
  }

  #checkArray(value: readonly unknown[], rules: Json, depth: number): Score {
    const { items, minItems, maxItems, uniqueItems } = rules;
    const tuple = Array.isArray(items) ? items : (rules.prefixItems ?? []);
    const rest = Array.isArray(items) ? rules.additionalItems : items;
    if (!Array.isArray(tuple)) return 'unscored';
    const ruled = rest === undefined ? value.slice(0, tuple.length) : value;
    return allOf([
      () => inRange(value.length, minItems, maxItems),
      () => this.#checkEach(ruled, (at) => (at < tuple.length ? (tuple as unknown[])[at] : rest), depth),
      () => this.#checkContained(value, rules, depth),
      () => (uniqueItems === true ? this.#checkUnique(value) : 'good'),
    ]);
  }

  /** Checks each value against its schema; no schema: anything. */
  #checkEach(values: readonly unknown[], schemaOf: (at: number) => unknown, depth: number): Score {
    let score: Score = 'good';
    for (const [at, value] of values.entries()) {
      const schema = schemaOf(at);
      if (schema === undefined) continue;
      const each = this.check(value, schema, depth);
      if (each === 'bad' || this.#steps.areOver) return each;
      if (each === 'unscored') score = each;
    }
    return score;
  }

  /** The scores of all; null if there are too many. */
  #checkAll(all: readonly unknown[], check: (each: unknown) => Score): Score[] | null {
    const scores: Score[] = [];
    for (const each of all) {
      scores.push(check(each));
      if (this.#steps.areOver) return null;
    }
    return scores;
  }

  #checkContained(value: readonly unknown[], { contains, minContains = 1, maxContains }: Json, depth: number): Score {
    if (contains === undefined) return 'good';
    if (typeof minContains !== 'number' || !isNumberOrNone(maxContains)) return 'unscored';
    const scores = this.#checkAll(value, (each) => this.check(each, contains, depth));
    return scores === null ? 'unscored' : contained(scores, minContains, maxContains ?? Number.POSITIVE_INFINITY);
  }

  #checkUnique(value: readonly unknown[]): Score {
    const seen = new Set<string>();
    for (const each of value) {
      const text = canonical(each, this.#steps);
      if (text === null) return 'unscored';
      if (seen.has(text)) return 'bad';
      seen.add(text);
    }
    return 'good';
  }

  #checkObject(value: Json, rules: Json, depth: number): Score {
    const keys = Object.keys(value);
    if (!this.#steps.take(keys.length)) return 'unscored';
    return allOf([
      () => this.#checkRequired(value, rules.required),
      () => inRange(keys.length, rules.minProperties, rules.maxProperties),
      () => this.#checkProperties(value, keys, rules, depth),
      () => (rules.propertyNames === undefined ? 'good' : this.#checkEach(keys, () => rules.propertyNames, depth)),
      () => this.#checkDependent(value, rules.dependentRequired, depth),
      () => this.#checkDependent(value, rules.dependentSchemas, depth),
      () => this.#checkDependent(value, rules.dependencies, depth),
    ]);
  }

  #checkRequired(value: Json, required: unknown): Score {
    if (required === undefined) return 'good';
    if (!Array.isArray(required) || !this.#steps.take(required.length)) return 'unscored';
    return (required as unknown[]).every((key) => typeof key === 'string' && Object.hasOwn(value, key))
      ? 'good'
      : 'bad';
  }

  #checkProperties(value: Json, keys: readonly string[], rules: Json, depth: number): Score {
    const properties = rules.properties === undefined ? {} : objectOf(rules.properties);
    if (properties === null) return 'unscored';
    const { additionalProperties, patternProperties } = rules;
    const known = keys.filter((key) => Object.hasOwn(properties, key));
    // A key that is not known may fit a pattern, and then the rule for further ones is not for it.
    const hasUnknown = patternProperties !== undefined && keys.length > 0;
    const more =
      hasUnknown || additionalProperties === undefined ? [] : keys.filter((key) => !Object.hasOwn(properties, key));
    return allOf([
      () => this.#checkEach(valuesOf(value, known), (at) => properties[known[at] as string], depth),
      () => this.#checkEach(valuesOf(value, more), () => additionalProperties, depth),
      () => (hasUnknown ? 'unscored' : 'good'),
    ]);
  }

  #checkDependent(value: Json, dependent: unknown, depth: number): Score {
    if (dependent === undefined) return 'good';
    const rules = objectOf(dependent);
    if (rules === null) return 'unscored';
    const all = Object.keys(rules);
    if (!this.#steps.take(all.length)) return 'unscored';
    const given = all.filter((key) => Object.hasOwn(value, key));
    return allOf(
      given.map((key) => () => {
        const rule = rules[key];
        return Array.isArray(rule) ? this.#checkRequired(value, rule) : this.check(value, rule, depth);
      }),
    );
  }

  #checkCombined(value: unknown, rules: Json, depth: number): Score {
    const { allOf: all, anyOf: any, oneOf: one, not } = rules;
    const scoresOf = (schemas: unknown): Score[] | null =>
      Array.isArray(schemas) ? this.#checkAll(schemas, (schema) => this.check(value, schema, depth)) : null;
    return allOf([
      () => (NOT_FOLLOWED.some((key) => key in rules) ? 'unscored' : 'good'),
      () => (all === undefined ? 'good' : allOf(scoresOf(all)?.map((score) => () => score) ?? [() => 'unscored'])),
      () => (any === undefined ? 'good' : this.#checkAny(value, any, depth)),
      () => (one === undefined ? 'good' : oneOf(scoresOf(one))),
      () => (not === undefined ? 'good' : negation(this.check(value, not, depth))),
      () => (rules.if === undefined ? 'good' : this.#checkIf(value, rules, depth)),
    ]);
  }

  #checkAny(value: unknown, schemas: unknown, depth: number): Score {
    if (!Array.isArray(schemas)) return 'unscored';
    let score: Score = 'bad';
    for (const schema of schemas) {
      const each = this.check(value, schema, depth);
      if (each === 'good' || this.#steps.areOver) return each;
      if (each === 'unscored') score = each;
    }
    return score;
  }

  #checkIf(value: unknown, { if: condition, then = true, else: otherwise = true }: Json, depth: number): Score {
    const isMet = this.check(value, condition, depth);
    if (isMet !== 'unscored') return this.check(value, isMet === 'good' ? then : otherwise, depth);
    const [one, other] = [this.check(value, then, depth), this.check(value, otherwise, depth)];
    return one === other ? one : 'unscored';
  }

  #checkReference(value: unknown, rules: Json, depth: number): Score {
    const { $ref: reference } = rules;
    if (reference === undefined) return 'good';
    // An `$id` within the schema changes what references below it mean.
    if (typeof reference !== 'string' || ('$id' in rules && rules !== this.#root)) return 'unscored';
    const schema = this.#resolve(reference);
    return schema === undefined ? 'unscored' : this.check(value, schema, depth);
  }

  /** The schema at a JSON pointer within the root; undefined if it is not there. */
  #resolve(reference: string): unknown {
    if (reference !== '#' && !reference.startsWith('#/')) return undefined;
    if (!this.#steps.take(Math.ceil(reference.length / STEP_CHARS))) return undefined;
    const names = reference.split('/').slice(1);
    if (reference.includes('%') || names.length > DEEPEST || !this.#steps.take(names.length)) return undefined;
    return names.reduce<unknown>((at, name) => {
      const key = name.replaceAll('~1', '/').replaceAll('~0', '~');
      if (Array.isArray(at)) return (at as unknown[])[Number(key)];
      const object = objectOf(at);
      return object !== null && Object.hasOwn(object, key) && !('$id' in object && object !== this.#root)
        ? object[key]
        : undefined;
    }, this.#root);
  }
}

function valuesOf(object: Json, keys: readonly string[]): unknown[] {
  return keys.map((key) => object[key]);
}
