import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';

/** A function, method or accessor and how many lines it has, from its head to its closing brace. */
export interface SourceFunction {
  readonly name: string;
  readonly lines: number;
}

/** What the checks of the architecture need to know of a file. */
export interface SourceFile {
  /** Relative to the folder that was read, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  /** Every module that the file imports, re-exports from or loads, as written. */
  readonly modules: readonly string[];
  /** Modules whose names the file exports again. */
  readonly reexports: readonly string[];
  readonly functions: readonly SourceFunction[];
  /** Members that are private for the compiler only (`private x`), where `#x` is private for everybody. */
  readonly compilerPrivates: readonly string[];
}

/** Reads every TypeScript and JavaScript file below a folder. */
export function readSources(root: string): SourceFile[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[jt]s$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => parseSource(path.slice(root.length + 1).replaceAll('\\', '/'), readFileSync(path, 'utf8')));
}

/** @throws Error if the text is no TypeScript. */
export function parseSource(path: string, text: string): SourceFile {
  const { program, module, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors.map(({ message }) => message).join('; ')}`);
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length;
  const functions: SourceFunction[] = [];
  const compilerPrivates: string[] = [];
  const names: string[] = [];
  const measure = (node: { readonly start: number; readonly end: number }) =>
    functions.push({ name: names.at(-1) ?? 'anonymous', lines: lineOf(node.end) - lineOf(node.start) + 1 });
  const member = (node: { readonly key: object; readonly accessibility?: string | null }) => {
    const name = 'name' in node.key && typeof node.key.name === 'string' ? node.key.name : 'computed';
    names.push(name);
    if (node.accessibility === 'private' && name !== 'constructor') compilerPrivates.push(name);
  };
  const leave = () => void names.pop();
  const visitor = new Visitor({
    FunctionDeclaration(node) {
      names.push(node.id?.name ?? 'default');
      measure(node);
    },
    'FunctionDeclaration:exit': leave,
    VariableDeclarator(node) {
      names.push(node.id.type === 'Identifier' ? node.id.name : 'pattern');
    },
    'VariableDeclarator:exit': leave,
    MethodDefinition: member,
    'MethodDefinition:exit': leave,
    PropertyDefinition: member,
    'PropertyDefinition:exit': leave,
    FunctionExpression: measure,
    ArrowFunctionExpression: measure,
  });
  visitor.visit(program);
  const quoted = (start: number, end: number) => text.slice(start, end).replaceAll(/^['"`]|['"`]$/g, '');
  const reexports = module.staticExports
    .flatMap(({ entries }) => entries.map(({ moduleRequest }) => moduleRequest?.value))
    .filter((value) => value !== undefined);
  return {
    path,
    text,
    lines: text.trimEnd().split('\n').length,
    modules: [
      ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
      ...new Set(reexports),
      ...module.dynamicImports.map(({ moduleRequest }) => quoted(moduleRequest.start, moduleRequest.end)),
      ...[...text.matchAll(/\bimport\('([^']+)'\)\./g)].map(([, name]) => name as string),
    ],
    reexports: [...new Set(reexports)],
    functions,
    compilerPrivates,
  };
}

/** The files among `files` that a file imports, types included. */
export function importedBy({ path, modules }: SourceFile): string[] {
  const targets = modules.filter((module) => module.startsWith('.'));
  return [...new Set(targets.map((module) => normalize(join(dirname(path), module)).replaceAll('\\', '/')))];
}

/**
 * The circles among files: each list is a largest set of files of which every one imports every other, directly or by
 * others (the strongly connected components with more than one file, after Tarjan 1972, and files that import
 * themselves).
 */
export function circlesOf(files: readonly SourceFile[]): string[][] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const seen = new Map<string, { readonly index: number; low: number; isOpen: boolean }>();
  const open: string[] = [];
  const circles: string[][] = [];
  const visit = (path: string) => {
    const own = { index: seen.size, low: seen.size, isOpen: true };
    seen.set(path, own);
    open.push(path);
    const targets = importedBy(byPath.get(path) as SourceFile).filter((target) => byPath.has(target));
    for (const target of targets) {
      const known = seen.get(target);
      if (known === undefined) own.low = Math.min(own.low, visit(target).low);
      else if (known.isOpen) own.low = Math.min(own.low, known.index);
    }
    if (own.low === own.index) {
      const circle = open.splice(open.indexOf(path));
      for (const member of circle) (seen.get(member) as typeof own).isOpen = false;
      if (circle.length > 1 || targets.includes(path)) circles.push(circle.toSorted());
    }
    return own;
  };
  for (const { path } of files) if (!seen.has(path)) visit(path);
  return circles;
}
