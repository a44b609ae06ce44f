import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';

/** The floors of the house, as src/README.md tells them: who may import whom, and which library lives where. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  gateway: ['core'],
  ledger: ['core'],
  huggingface: ['core'],
  files: ['core'],
  simulation: ['core'],
  loadtest: ['core'],
  client: ['core'],
  daemon: ['core', 'gateway', 'ledger', 'huggingface', 'files', 'simulation'],
  cli: ['core', 'ledger', 'files', 'simulation', 'loadtest'],
};

/** What single commands may import beyond the rest of the command line. */
const EXTRAS: readonly (readonly [RegExp, string])[] = [
  [/^cli\/(?:endpoints\/.*|commands\/(?:endpoints|advise|plan|doctor))\.ts$/, 'huggingface'],
  [/^cli\/commands\/(?:start|demo)\.ts$/, 'daemon'],
];

const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  zod: ['core'],
  undici: ['gateway', 'huggingface'],
  'better-sqlite3': ['ledger'],
  '@huggingface/hub': ['huggingface'],
  '@huggingface/inference': ['huggingface'],
  yaml: ['files'],
  'node-cron': ['daemon'],
  pino: ['daemon'],
  'prom-client': ['daemon'],
  yargs: ['cli'],
};

/** The life of a call is told in one place, from its arrival to its row. */
const LONGER: Readonly<Record<string, number>> = { 'gateway/exchange.ts': 400 };

const WORLDLY =
  /\b(?:Date|process|fetch|console|performance|globalThis|Buffer|crypto|setTimeout|setInterval|setImmediate|queueMicrotask)\b|\bMath\.random\b|\bnew AbortController\b/g;

const SOURCE = join(import.meta.dirname, '..', 'src');
const files = readdirSync(SOURCE, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.[jt]s$/.test(entry.name))
  .map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return { path: path.slice(SOURCE.length + 1).replaceAll('\\', '/'), text: readFileSync(path, 'utf8') };
  });

/** What a file imports, re-exports or loads: module names as written. */
function importsOf(text: string): string[] {
  const forms =
    /^\s*(?:import|export)\b[^;'"]*?\bfrom\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
  return [...text.matchAll(forms)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

/** The text without comments and without what stands in quotes; what is computed within a template stays. */
function codeOf(text: string): string {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//g, ' ')
    .replaceAll(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, "''")
    .replaceAll(/\/\/.*$/gm, ' ');
}

function roomOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : '';
}

/** `@scope/name` or `name` of a module that is neither Node's nor a file. */
function libraryOf(module: string): string | null {
  if (module.startsWith('.') || module.startsWith('node:')) return null;
  const parts = module.split('/');
  return module.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? module);
}

/** `src/cli/upshift.js` is read by old Nodes too, which do not know `node:`. */
const isGuard = (path: string) => path === 'cli/upshift.js';

describe('the house', () => {
  it('has no rooms but those that are told here', () => {
    const strange = files.map(({ path }) => roomOf(path)).filter((room) => room !== '' && !(room in ROOMS));
    assert.deepEqual([...new Set(strange)], []);
  });

  it('has floors: no room imports from a floor above, or from a neighbour', () => {
    const wrong = files.flatMap(({ path, text }) => {
      const room = roomOf(path);
      if (room === '') return [];
      const extras = EXTRAS.filter(([pattern]) => pattern.test(path)).map(([, name]) => name);
      const allowed = new Set([room, ...(ROOMS[room] ?? []), ...extras]);
      return importsOf(text)
        .filter((module) => module.startsWith('.'))
        .map((module) => normalize(join(dirname(path), module)).replaceAll('\\', '/'))
        .filter((target) => target.startsWith('..') || !allowed.has(roomOf(target)))
        .map((target) => `${path} imports ${target}`);
    });
    assert.deepEqual(wrong, []);
  });

  it('keeps each library in its room, and names what is of Node by node:', () => {
    const wrong = files.flatMap(({ path, text }) =>
      importsOf(text)
        .map(libraryOf)
        .filter((library) => library !== null && !isGuard(path))
        .filter((library) => !(LIBRARIES[library ?? ''] ?? []).includes(roomOf(path)))
        .map((library) => `${path} imports ${library}`),
    );
    assert.deepEqual(wrong, []);
  });

  it('writes relative imports with their ending', () => {
    const wrong = files.flatMap(({ path, text }) =>
      importsOf(text)
        .filter((module) => module.startsWith('.') && !/\.(?:[jt]s|json)$/.test(module))
        .map((module) => `${path} imports ${module}`),
    );
    assert.deepEqual(wrong, []);
  });

  it('has a core that never met the world: no Node, no clock, no dice, no network, no timers', () => {
    const wrong = files
      .filter(({ path }) => roomOf(path) === 'core')
      .flatMap(({ path, text }) => [
        ...importsOf(text)
          .filter((module) => module.startsWith('node:'))
          .map((module) => `${path} imports ${module}`),
        ...[...codeOf(text).matchAll(WORLDLY)].map(([word]) => `${path} uses ${word}`),
      ]);
    assert.deepEqual(wrong, []);
  });

  it('has no file over 300 lines but those that were thought about', () => {
    const long = files
      .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
      .filter(({ path, lines }) => lines > (LONGER[path] ?? 300))
      .map(({ path, lines }) => `${path}: ${lines} lines`);
    assert.deepEqual(long, []);
  });

  it('has no folder for odds and ends', () => {
    const folders = new Set(files.flatMap(({ path }) => path.split('/').slice(0, -1)));
    const names = ['utils', 'util', 'helpers', 'types', 'services', 'common', 'lib', 'shared', 'misc'];
    assert.deepEqual(
      names.filter((name) => folders.has(name)),
      [],
    );
  });
});

describe('the reader of imports', () => {
  it('finds every form of import, over several lines too', () => {
    const text = [
      "import a from 'a';",
      "import {\n  b,\n  type c,\n} from './b.ts';",
      "import type { D } from 'd/e';",
      "export { f } from './f.ts';",
      "import 'g';",
      "const h = await import('./h.ts');",
      "const i = 'import nothing from here';",
    ].join('\n');
    assert.deepEqual(importsOf(text), ['a', './b.ts', 'd/e', './f.ts', 'g', './h.ts']);
    assert.deepEqual(['@a/b/c', 'd/e', 'node:fs', './x.ts'].map(libraryOf), ['@a/b', 'd', null, null]);
  });

  it('sees code and not what is said about it', () => {
    assert.doesNotMatch(codeOf("/** Date */ const a = 'Date'; // process\n"), WORLDLY);
    assert.match(codeOf('const a = `${Date.now()}`;'), WORLDLY);
  });
});
