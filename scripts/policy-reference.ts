import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Node, YAMLMap } from 'yaml';
import { z } from 'zod';
import { policySchema } from '../src/core/policy/schema.ts';

/**
 * Writes the reference in docs/policy.md. Forms and ranges come from the schema; sentences and defaults come from
 * policies/default.yaml, because that is the text that people copy and read.
 */

const ROOT = join(import.meta.dirname, '..');
const PAGE = join(ROOT, 'docs', 'policy.md');
const MARK = '<!-- Below this line everything is generated: npm run docs:policy -->';

/** What the schema says of one value. */
interface Form {
  /** Such as `span from 1m up to 6h`. */
  readonly form: string;
  /** What holds if the value is not given; null: nothing does. */
  readonly standard: string | null;
  readonly isRequired: boolean;
}

/** One key of default.yaml, in the order of the file. */
interface Entry {
  /** As docs name it: `criteria.calls`, `endpoint.regions`, `sweep.idle`. */
  readonly path: string;
  /** The comment above it; empty if there is none. */
  readonly comment: string;
  /** The value as written; null for a block of further keys. */
  readonly written: string | null;
  /** Keys of a block on one line: they have no comment of their own. */
  readonly keys: readonly string[];
  /** Whether the line counts, or has a # before it. */
  readonly isSet: boolean;
}

/** The form of every value that a policy may have, by its path. */
export function schemaForms(): ReadonlyMap<string, Form> {
  const forms = new Map<string, Form>();
  const { defaults, routes, sweep, gateway } = policySchema.shape;
  const settings = resolve(defaults) as z.ZodObject;
  addForms(forms, settings, []);
  const { model, endpoint } = (resolve(routes) as z.ZodObject).shape as Record<string, z.ZodType>;
  addForms(forms, model as z.ZodType, ['model']);
  addForms(forms, endpoint as z.ZodType, ['endpoint']);
  addForms(forms, sweep, ['sweep']);
  addForms(forms, gateway, ['gateway']);
  return forms;
}

function addForms(forms: Map<string, Form>, schema: z.ZodType, path: readonly string[]): void {
  const found = resolve(schema);
  if (typeof found !== 'string') {
    for (const [key, inner] of Object.entries(found.shape)) addForms(forms, inner as z.ZodType, [...path, key]);
    return;
  }
  const standard = schema instanceof z.ZodDefault ? JSON.stringify(schema.def.defaultValue) : null;
  const isRequired = !(schema instanceof z.ZodDefault || schema instanceof z.ZodOptional);
  forms.set(path.join('.'), { form: found, standard, isRequired });
}

/** What a schema describes itself as, or the block of keys that it comes down to. */
function resolve(schema: z.core.$ZodType): string | z.ZodObject {
  const described = (schema as z.ZodType).description;
  if (described !== undefined) return described;
  if (schema instanceof z.ZodObject) return schema;
  if (schema instanceof z.ZodEnum) return schema.options.map((option) => `\`${option}\``).join(', ');
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault) {
    return resolve(schema.def.innerType);
  }
  if (schema instanceof z.ZodPipe) return resolve(schema.in instanceof z.ZodTransform ? schema.out : schema.in);
  if (schema instanceof z.ZodArray) return resolve(schema.element);
  const block = schema instanceof z.ZodUnion ? schema.options.find((one) => one instanceof z.ZodObject) : undefined;
  if (block !== undefined) return resolve(block);
  throw new Error(`a ${schema.constructor.name} of the policy schema has no .describe(...)`);
}

/** The keys of default.yaml, those behind a # included. */
export function readEntries(text: string): Entry[] {
  const lines = new LineCounter();
  const open = uncomment(text);
  const original = text.split('\n');
  const shown = open.split('\n');
  const document = parseDocument(open, { lineCounter: lines });
  const [problem] = document.errors;
  if (problem !== undefined) throw problem;

  const visit = (map: YAMLMap, path: readonly string[]): Entry[] =>
    map.items.flatMap(({ key, value }) => {
      const name = String(isScalar(key) ? key.value : key);
      const line = lines.linePos((key as Node).range?.[0] ?? 0).line - 1;
      const below = path.length === 0 && (name === 'defaults' || name === 'routes') ? [] : [...path, name];
      const inner = isSeq(value) && isMap(value.items[0]) ? value.items[0] : value;
      const isOpen = isMap(inner) && inner.flow !== true;
      const [start, end] = (value as Node | null)?.range ?? [0, 0];
      const entry = {
        path: below.length === 0 ? name : below.join('.'),
        comment: commentAbove(shown, line),
        written: isOpen ? null : open.slice(start, end),
        keys: isMap(inner) && !isOpen ? inner.items.map((item) => String(item.key)) : [],
        isSet: !/^\s*#/.test(original[line] ?? ''),
      };
      return [entry, ...(isOpen ? visit(inner, below) : [])];
    });
  const entries = visit(document.contents as YAMLMap, []);
  // What a route may say differently was explained as a default.
  return entries.filter(({ path }, i) => entries.findIndex((one) => one.path === path) === i);
}

/** Takes the # from settings that are not set: it has no blank after it, or two and more. */
function uncomment(text: string): string {
  const open = text.replaceAll(/^( *)#(?! \S)(?=.)/gm, '$1');
  return open === text ? text : uncomment(open);
}

function commentAbove(lines: readonly string[], line: number): string {
  const found: string[] = [];
  for (let i = line - 1; i >= 0; i--) {
    const comment = /^\s*# (.*)$/.exec(lines[i] ?? '')?.[1];
    if (comment === undefined) break;
    found.unshift(comment.trim());
  }
  return found.join(' ');
}

/** What is wrong with default.yaml as the source of the reference, a sentence each. */
export function findProblems(entries: readonly Entry[], forms: ReadonlyMap<string, Form>): string[] {
  const values = entries.filter(({ written }) => written !== null);
  const covered = new Set(values.flatMap(({ path, keys }) => [path, ...keys.map((key) => `${path}.${key}`)]));
  const explained = new Set(values.filter(({ keys }) => keys.length === 0).map(({ path }) => path));
  const isKnown = (path: string) => forms.has(path) || [...forms.keys()].some((one) => one.startsWith(`${path}.`));
  return [
    ...[...forms.keys()].filter((path) => !covered.has(path)).map((path) => `${path} is missing`),
    ...values.filter(({ path }) => !isKnown(path)).map(({ path }) => `${path} is not in the schema`),
    ...entries.filter(({ comment }) => comment === '').map(({ path }) => `${path} has no comment`),
    ...values.flatMap(({ path, keys }) =>
      keys
        .filter((key) => ![...explained].some((one) => isSibling(one, path, key)))
        .map((key) => `${path}.${key} is explained nowhere: write one such block out`),
    ),
  ];
}

/** `judge.faults.margin` explains the `margin` of `judge.speed`. */
function isSibling(explained: string, path: string, key: string): boolean {
  const parent = path.split('.').slice(0, -1).join('.');
  return (
    explained.startsWith(`${parent}.`) &&
    explained.split('.').length === path.split('.').length + 1 &&
    explained.endsWith(`.${key}`)
  );
}

/** The generated part of the page: a table for each block. */
export function renderReference(entries: readonly Entry[], forms: ReadonlyMap<string, Form>): string {
  const single = entries.filter(({ path, written }) => !path.includes('.') && written !== null && path !== 'model');
  const blocks = entries.filter(({ path, written }) => !path.includes('.') && written === null && path !== 'defaults');
  return [
    '## All settings',
    '',
    ...table(single, forms),
    ...blocks.flatMap(({ path, comment }) => {
      const own = path === 'routes' ? 'model' : path;
      const rows = entries.filter(
        (one) => (one.path === own && one.written !== null) || one.path.startsWith(`${own}.`),
      );
      return ['', `### \`${path}\``, '', withLinks(comment), '', ...table(rows, forms)];
    }),
  ].join('\n');
}

function table(rows: readonly Entry[], forms: ReadonlyMap<string, Form>): string[] {
  return [
    '| Setting | Value | Default | What it does |',
    '| - | - | - | - |',
    ...rows.map((row) => {
      const cells = [`\`${row.path}\``, formOf(row, forms), standardOf(row, forms), withLinks(row.comment)];
      return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
    }),
  ];
}

/** A page that a comment names, from the page beside it. */
function withLinks(comment: string): string {
  return comment.replaceAll(/\bdocs\/([\w-]+\.md)/g, '[$1]($1)');
}

function formOf({ path, keys }: Entry, forms: ReadonlyMap<string, Form>): string {
  return forms.get(path)?.form ?? (keys.length > 0 ? `as above: ${keys.join(', ')}` : '');
}

function standardOf({ path, written, isSet }: Entry, forms: ReadonlyMap<string, Form>): string {
  if (written === null) return '';
  if (isSet) return `\`${written}\``;
  const form = forms.get(path);
  if (form?.standard != null) return `\`${form.standard}\``;
  if (form?.isRequired !== true) return 'not set';
  return path.includes('.') ? `required in \`${path.split('.').slice(0, -1).join('.')}\`` : 'required';
}

/** The whole page, as it should be: what stands above the mark is kept. */
export async function policyPage(page: string, policy: string): Promise<string> {
  const entries = readEntries(policy);
  const forms = schemaForms();
  const problems = findProblems(entries, forms);
  if (problems.length > 0) throw new Error(`policies/default.yaml:\n${problems.join('\n')}`);
  const [prose = ''] = page.split(MARK);
  const text = `${prose.trimEnd()}\n\n${MARK}\n\n${renderReference(entries, forms)}\n`;
  return format(text, { ...(await resolveConfig(PAGE)), parser: 'markdown' });
}

if (import.meta.main) {
  const policy = readFileSync(join(ROOT, 'policies', 'default.yaml'), 'utf8');
  writeFileSync(PAGE, await policyPage(readFileSync(PAGE, 'utf8'), policy));
}
