import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { circlesOf, importedBy, parseSource, readSources } from './support/source.ts';
import type { SourceFile } from './support/source.ts';

/** The floors of the house, as src/README.md tells them: who may import whom, and which library lives where. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  gateway: ['core'],
  ledger: ['core'],
  huggingface: ['core'],
  files: ['core'],
  simulation: ['core'],
  loadtest: ['core'],
  compare: ['core'],
  client: ['core'],
  daemon: ['core', 'gateway', 'ledger', 'huggingface', 'files'],
  cli: ['core', 'ledger', 'files', 'simulation', 'loadtest', 'compare'],
};

/** What single commands may import beyond the rest of the command line. */
const EXTRAS: readonly (readonly [RegExp, string])[] = [
  [/^cli\/(?:endpoints\/.*|commands\/(?:endpoints|advise|plan|compare))\.ts$/, 'huggingface'],
  [/^cli\/commands\/start\.ts$/, 'daemon'],
];

const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  zod: ['core'],
  undici: ['gateway', 'huggingface'],
  'structured-headers': ['gateway'],
  'better-sqlite3': ['ledger'],
  '@huggingface/hub': ['huggingface'],
  '@huggingface/inference': ['huggingface'],
  yaml: ['files'],
  'node-cron': ['daemon'],
  pino: ['daemon'],
  'prom-client': ['daemon'],
  yargs: ['cli'],
};

/** Files over 300 lines, each with the number of lines it may have and the reason. */
const LONG_FILES: readonly (readonly [path: string, lines: number, reason: string])[] = [];

/** Functions over 60 lines, likewise. */
const LONG_FUNCTIONS: readonly (readonly [path: string, name: string, lines: number, reason: string])[] = [];

/** Files that import each other, likewise. */
const CIRCLES: readonly (readonly [files: string, reason: string])[] = [];

/** Files that export what another file defines, likewise. */
const REEXPORTS: readonly (readonly [path: string, reason: string])[] = [
  ['index.ts', 'what a program imports from the package'],
];

const WORLDLY =
  /\b(?:process|fetch|console|performance|globalThis|Buffer|crypto|setTimeout|setInterval|setImmediate|queueMicrotask)\b|\bMath\.random\b|\bnew AbortController\b/g;

/** What of Date reads the clock or the machine's time zone. `new Date(ms)`, `Date.UTC` and the UTC getters do neither. */
const LOCAL_TIME =
  /\bDate\b(?!\.UTC\b|\()|(?<!\bnew )\bDate\(|\bnew Date\(\s*(?:\)|['"`]|[^()]*,)|\.[gs]et(?:Year|FullYear|Month|Date|Day|Hours|Minutes|Seconds|Milliseconds|TimezoneOffset)\b|\.to(?:Date|Time)String\b|\.toLocale\w*|\bIntl\b/g;

const ROOT = join(import.meta.dirname, '..');
const files = readSources(join(ROOT, 'src'));

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

function extrasOf(path: string): string[] {
  return EXTRAS.filter(([pattern]) => pattern.test(path)).map(([, room]) => room);
}

// Each check takes the files and lists what is wrong, so that it can be tried on planted violations, too.

function climbing(sources: readonly SourceFile[]): string[] {
  return sources.flatMap((file) => {
    const room = roomOf(file.path);
    if (room === '') return [];
    const allowed = new Set([room, ...(ROOMS[room] ?? []), ...extrasOf(file.path)]);
    return importedBy(file)
      .filter((target) => target.startsWith('..') || !allowed.has(roomOf(target)))
      .map((target) => `${file.path} imports ${target}`);
  });
}

function strayLibraries(sources: readonly SourceFile[]): string[] {
  return sources
    .filter(({ path }) => !isGuard(path))
    .flatMap(({ path, modules }) =>
      modules
        .map(libraryOf)
        .filter((library) => library !== null)
        .filter((library) => !(LIBRARIES[library] ?? []).includes(roomOf(path)))
        .map((library) => `${path} imports ${library}`),
    );
}

function withoutEnding(sources: readonly SourceFile[]): string[] {
  return sources.flatMap(({ path, modules }) =>
    modules
      .filter((module) => module.startsWith('.') && !/\.(?:[jt]s|json)$/.test(module))
      .map((module) => `${path} imports ${module}`),
  );
}

function impure(sources: readonly SourceFile[]): string[] {
  return sources
    .filter(({ path }) => roomOf(path) === 'core')
    .flatMap(({ path, text, modules }) => [
      ...modules.filter((module) => module.startsWith('node:')).map((module) => `${path} imports ${module}`),
      ...[WORLDLY, LOCAL_TIME].flatMap((banned) =>
        [...codeOf(text).matchAll(banned)].map(([word]) => `${path} uses ${word}`),
      ),
    ]);
}

function circular(sources: readonly SourceFile[]): string[] {
  const allowed = new Set(CIRCLES.map(([names]) => names));
  return circlesOf(sources)
    .map((circle) => circle.join(' '))
    .filter((circle) => !allowed.has(circle));
}

function longFiles(sources: readonly SourceFile[]): string[] {
  const allowed = new Map(LONG_FILES.map(([path, lines]) => [path, lines]));
  return sources
    .filter(({ path, lines }) => lines > (allowed.get(path) ?? 300))
    .map(({ path, lines }) => `${path}: ${lines} lines`);
}

function longFunctions(sources: readonly SourceFile[]): string[] {
  const allowed = new Map(LONG_FUNCTIONS.map(([path, name, lines]) => [`${path} ${name}`, lines]));
  return sources.flatMap(({ path, functions }) =>
    functions
      .filter(({ name, lines }) => lines > (allowed.get(`${path} ${name}`) ?? 60))
      .map(({ name, lines }) => `${path} ${name}: ${lines} lines`),
  );
}

function reexporting(sources: readonly SourceFile[]): string[] {
  const allowed = new Set(REEXPORTS.map(([path]) => path));
  return sources.filter(({ path, reexports }) => reexports.length > 0 && !allowed.has(path)).map(({ path }) => path);
}

function compilerPrivate(sources: readonly SourceFile[]): string[] {
  return sources.flatMap(({ path, compilerPrivates }) => compilerPrivates.map((name) => `${path}: private ${name}`));
}

/** What is allowed above and that nobody needs. */
function unused(sources: readonly SourceFile[]): string[] {
  const targets = sources.map((file) => ({ path: file.path, rooms: new Set(importedBy(file).map(roomOf)) }));
  const libraries = new Set(
    sources.flatMap(({ path, modules }) => modules.map((m) => `${libraryOf(m)} ${roomOf(path)}`)),
  );
  const circles = new Set(circlesOf(sources).map((circle) => circle.join(' ')));
  const lines = new Map(sources.map((file) => [file.path, file.lines]));
  const longest = new Map<string, number>();
  for (const { path, functions } of sources) {
    for (const { name, lines: own } of functions) {
      longest.set(`${path} ${name}`, Math.max(own, longest.get(`${path} ${name}`) ?? 0));
    }
  }
  return [
    ...Object.entries(ROOMS).flatMap(([room, allowed]) =>
      allowed
        .filter((other) => !targets.some(({ path, rooms }) => roomOf(path) === room && rooms.has(other)))
        .map((other) => `${room} -> ${other}`),
    ),
    ...EXTRAS.filter(([who, room]) => !targets.some(({ path, rooms }) => who.test(path) && rooms.has(room))).map(
      ([who, room]) => `${who.source} -> ${room}`,
    ),
    ...Object.entries(LIBRARIES).flatMap(([library, rooms]) =>
      rooms.filter((room) => !libraries.has(`${library} ${room}`)).map((room) => `${room} -> ${library}`),
    ),
    ...CIRCLES.map(([names]) => names).filter((names) => !circles.has(names)),
    ...LONG_FILES.filter(([path]) => (lines.get(path) ?? 0) <= 300).map(([path]) => `${path} is not long`),
    ...LONG_FUNCTIONS.filter(([path, name]) => (longest.get(`${path} ${name}`) ?? 0) <= 60).map(
      ([path, name]) => `${path} ${name} is not long`,
    ),
    ...REEXPORTS.filter(([path]) => !sources.some((file) => file.path === path && file.reexports.length > 0)).map(
      ([path]) => `${path} exports nothing of another file`,
    ),
  ];
}

function foldersOf(paths: readonly string[]): Set<string> {
  return new Set(paths.flatMap((path) => path.split('/').slice(0, -1)));
}

describe('the architecture', () => {
  it('has no rooms but those that are listed here', () => {
    const strange = files.map(({ path }) => roomOf(path)).filter((room) => room !== '' && !(room in ROOMS));
    assert.deepEqual([...new Set(strange)], []);
  });

  it('has floors: no room imports from a floor above, or from a neighbour', () =>
    assert.deepEqual(climbing(files), []));

  it('keeps each library in its room, and names modules of Node by node:', () =>
    assert.deepEqual(strayLibraries(files), []));

  it('writes relative imports with their ending', () => assert.deepEqual(withoutEnding(files), []));

  it('has a core without Node, clock, dice, network and timers', () => assert.deepEqual(impure(files), []));

  it('has no circle among files, types included', () => assert.deepEqual(circular(files), []));

  it('has no file over 300 lines but those that are listed with a reason', () =>
    assert.deepEqual(longFiles(files), []));

  it('has no function over 60 lines but those that are listed with a reason', () =>
    assert.deepEqual(longFunctions(files), []));

  it('has no file that exports what another defines, but the entry of the package', () =>
    assert.deepEqual(reexporting(files), []));

  it('has no member that only the compiler keeps private', () => assert.deepEqual(compilerPrivate(files), []));

  it('has no exception and no permission that nothing needs', () => assert.deepEqual(unused(files), []));

  it('has no folder for odds and ends', () => {
    const folders = foldersOf(files.map(({ path }) => path));
    const names = ['utils', 'util', 'helpers', 'types', 'services', 'common', 'lib', 'shared', 'misc'];
    assert.deepEqual(
      names.filter((name) => folders.has(name)),
      [],
    );
  });

  it('has a folder of sources for each folder of tests', () => {
    const beyond = /^(?:bench|clients|docs|e2e|scenarios|support)(?:\/|$)|^(?:gateway\/fuzz|ledger\/children)$/;
    const known = new Set(files.map(({ path }) => path.split('/').slice(0, -1).join('/')));
    const tests = readdirSync(join(ROOT, 'test'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + '/test/'.length));
    assert.deepEqual(
      tests.filter((folder) => !known.has(folder) && !beyond.test(folder)),
      [],
    );
  });
});

describe('the checks of the architecture', () => {
  const planted = (path: string, text: string) => [...files, parseSource(path, text)];
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `  const v${i} = ${i};`).join('\n');

  it('find what is planted', () => {
    const found: readonly (readonly [string[], string])[] = [
      [climbing(planted('core/x.ts', "import { a } from '../ledger/open.ts';")), 'core/x.ts imports ledger/open.ts'],
      [
        climbing(planted('daemon/x.ts', "import '../simulation/server.ts';")),
        'daemon/x.ts imports simulation/server.ts',
      ],
      [strayLibraries(planted('cli/x.ts', "import a from 'pino';")), 'cli/x.ts imports pino'],
      [withoutEnding(planted('cli/x.ts', "import a from './b';")), 'cli/x.ts imports ./b'],
      [impure(planted('core/x.ts', 'export const a = Math.random();')), 'core/x.ts uses Math.random'],
      [impure(planted('core/x.ts', "import 'node:fs';")), 'core/x.ts imports node:fs'],
      [longFiles(planted('core/x.ts', lines(301))), 'core/x.ts: 301 lines'],
      [longFunctions(planted('core/x.ts', `function f() {\n${lines(59)}\n}`)), 'core/x.ts f: 61 lines'],
      [longFunctions(planted('core/x.ts', `class C {\n  #m = () => {\n${lines(59)}\n};\n}`)), 'core/x.ts m: 61 lines'],
      [reexporting(planted('core/x.ts', "export { a } from './y.ts';")), 'core/x.ts'],
      [reexporting(planted('core/x.ts', "export * from './y.ts';")), 'core/x.ts'],
      [compilerPrivate(planted('core/x.ts', 'class C { private a = 1; }')), 'core/x.ts: private a'],
    ];
    for (const [violations, expected] of found) assert.ok(violations.includes(expected), expected);
  });

  it('find a circle by types, by loading, over several files, and a file that imports itself', () => {
    const sources = (texts: Readonly<Record<string, string>>) =>
      Object.entries(texts).map(([path, text]) => parseSource(path, text));
    const three = sources({
      'a.ts': "import type { B } from './b.ts';",
      'b.ts': "export const c = await import('./c.ts');",
      'c.ts': "import './a.ts';\nimport './d.ts';",
      'd.ts': "export { d } from './d.ts';",
      'e.ts': "import './a.ts';",
    });
    assert.deepEqual(circular(three).toSorted(), ['a.ts b.ts c.ts', 'd.ts']);
  });

  it('find a permission that nothing needs', () => {
    const without = files.filter(({ path }) => roomOf(path) !== 'daemon');
    assert.ok(unused(without).includes('daemon -> gateway'));
    assert.ok(unused(without).includes('daemon -> pino'));
  });
});

describe('the reader of sources', () => {
  it('finds every form of import, over several lines too', () => {
    const text = [
      "import a from 'a';",
      "import {\n  b,\n  type c,\n} from './b.ts';",
      "import type { D } from 'd/e';",
      "export { f } from './f.ts';",
      "import 'g';",
      "const h = await import('./h.ts');",
      "const i = 'import nothing from here';",
      "type J = import('./j.ts').J;",
    ].join('\n');
    assert.deepEqual(
      parseSource('x.ts', text).modules.toSorted(),
      ['a', './b.ts', 'd/e', './f.ts', 'g', './h.ts', './j.ts'].toSorted(),
    );
    assert.deepEqual(['@a/b/c', 'd/e', 'node:fs', './x.ts'].map(libraryOf), ['@a/b', 'd', null, null]);
  });

  it('tells the clock and the time zone of the machine from times in UTC', () => {
    for (const pure of ['new Date(at).getUTCDay()', 'Date.UTC(2026, 10)', 'new Date(at * 60).toISOString()']) {
      assert.equal(codeOf(pure).search(LOCAL_TIME), -1, pure);
    }
    for (const impure of [
      '`${Date.now()}`',
      'new Date()',
      'new Date',
      'Date()',
      'new Date(2026, 10)',
      "new Date('2026-11-24')",
      "Date.parse('x')",
      'at.getHours()',
      'at.getDay()',
      'at.setMinutes(1)',
      'at.toLocaleString()',
      'const D = Date',
      'at.toDateString()',
      'new Intl.DateTimeFormat()',
    ]) {
      assert.notEqual(codeOf(impure).search(LOCAL_TIME), -1, impure);
    }
  });

  it('sees code and not what is said about it', () => {
    assert.doesNotMatch(codeOf("/** Date */ const a = 'Date'; // process\n"), WORLDLY);
    assert.match(codeOf('const a = `${Math.random()}`;'), WORLDLY);
  });
});
