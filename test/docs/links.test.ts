import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { main } from '../../src/cli/main.ts';
import { parsePolicyText } from '../../src/files/policy.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PAGES = globSync('**/*.md', { cwd: ROOT, exclude: (path) => /(?:^|\/)(?:node_modules|dist)$/.test(path) });
/** The pages for people who use upshift. */
const MANUAL = PAGES.filter((page) => page === 'README.md' || page.startsWith('docs/'));

const read = (page: string) => readFileSync(join(ROOT, page), 'utf8');

/** A page without its code: what looks like a link or a heading there is none. */
const proseOf = (page: string) =>
  read(page)
    .replaceAll(/^```[^]*?^```$/gm, '')
    .replaceAll(/(`+)(?!`).*?\1/g, (code) => code.replaceAll(/[[\]()#]/g, ''));

/** The anchors that GitHub gives a page's headings. */
function anchorsOf(page: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of proseOf(page).matchAll(/^#{1,6} +(.+)$/gm)) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = text.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The lines of a page's code: of its blocks, and what stands between backquotes. */
function codeOf(page: string): string[] {
  const text = read(page);
  const blocks = [...text.matchAll(/^```[^\n]*\n([^]*?)^```$/gm)].flatMap(([, block = '']) => block.split('\n'));
  const spans = [...text.replaceAll(/^```[^]*?^```$/gm, '').matchAll(/(?<!`)`([^`]+)`/g)].map(([, span = '']) => span);
  return [...blocks, ...spans];
}

/** What stands in the first column of the README's table of commands, as command lines. */
function listedCommands(): string[] {
  const section =
    read('README.md')
      .split('\n## ')
      .find((each) => each.startsWith('Commands\n')) ?? '';
  const cells = [...section.matchAll(/^\| (`.*?`) +\| /gm)].map(([, cell = '']) => cell);
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, words = '']) => `npx upshift ${words}`));
}

interface CommandLine {
  readonly command: string;
  readonly options: readonly string[];
}

/** Every command line for upshift among lines of code: the command, and the options it is given. */
function commandsOf(code: readonly string[]): CommandLine[] {
  return code
    .flatMap((line) => line.split(/(?=npx upshift )|[;#]| \| /))
    .flatMap((line) => {
      const [, command] = /npx upshift (policy check|simulate (?:faults|fault|clear)|[a-z]+)/.exec(line) ?? [];
      const options = [...line.matchAll(/(?<=\s|\[)--?[a-z][\w-]*/g)].map(([option]) => option);
      return command === undefined ? [] : [{ command, options }];
    });
}

describe('documentation', () => {
  it('has no relative link and no anchor that leads nowhere', () => {
    const dead = PAGES.flatMap((page) =>
      [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
        if (/^[a-z]+:/.test(target)) return [];
        const [path = '', anchor] = target.split('#');
        const there = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
        const isGood = existsSync(join(ROOT, there)) && (anchor === undefined || anchorsOf(there).has(anchor));
        return isGood ? [] : [`${page}: ${target}`];
      }),
    );
    assert.deepEqual(dead, []);
  });

  it('has a README of at most 250 lines, from which every page of docs is linked', () => {
    const readme = read('README.md');
    assert.ok(readme.split('\n').length <= 251, `${readme.split('\n').length - 1} lines`);
    const unlinked = PAGES.filter((page) => page.startsWith('docs/') && !readme.includes(`](${page})`));
    assert.deepEqual(unlinked, []);
  });

  it('names no command and no option that the program does not know', async (t) => {
    const log = t.mock.method(console, 'log', () => undefined);
    const helps = new Map<string, string>();
    const helpOf = async (command: string) => {
      const known = helps.get(command);
      if (known !== undefined) return known;
      const status = await main([...command.split(' '), '--help'].filter((word) => word !== ''));
      const help = status === 0 ? String(log.mock.calls.at(-1)?.arguments[0]) : '';
      helps.set(command, help);
      return help;
    };
    const unknown: string[] = [];
    const check = async ({ command, options }: CommandLine, where: string) => {
      const help = await helpOf(command);
      const isOption = (option: string) => new RegExp(`^ +(?:-\\w, )?${option}[ ,]`, 'm').test(help);
      if (!help.startsWith(`upshift ${command}`)) unknown.push(`${where}: ${command}`);
      else unknown.push(...options.filter((each) => !isOption(each)).map((each) => `${where}: ${command} ${each}`));
    };
    for (const page of MANUAL) for (const one of commandsOf(codeOf(page))) await check(one, page);
    const listed = commandsOf(listedCommands());
    for (const one of listed) await check(one, 'the table of commands');
    assert.deepEqual(unknown, []);
    const all = [...(await helpOf('')).matchAll(/^ {2}upshift (\w+)/gm)].map(([, name]) => name);
    const names = listed.map(({ command }) => command.split(' ')[0]);
    assert.deepEqual(new Set(names), new Set(all));
  });

  it('names no script and no policy file that does not exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
    const missing = MANUAL.flatMap((page) =>
      codeOf(page).flatMap((line) => [
        ...[...line.matchAll(/npm run ([\w:-]+)/g)].filter(([, name = '']) => scripts[name] === undefined),
        ...[...line.matchAll(/policies\/[\w-]+\.yaml/g)].filter(([path]) => !existsSync(join(ROOT, path))),
      ]),
    );
    assert.deepEqual(
      missing.map(([found]) => found),
      [],
    );
  });

  it('says what each package is for', () => {
    const json = JSON.parse(read('package.json')) as Record<'dependencies' | 'devDependencies', object>;
    const rows = [...read('docs/dependencies.md').matchAll(/^\| (`[^|]+?) +\|/gm)].map(([, cell = '']) => cell);
    const named = rows.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name));
    assert.deepEqual(
      new Set(named),
      new Set([...Object.keys(json.dependencies), ...Object.keys(json.devDependencies)]),
    );
  });

  it('shows no policy that has a mistake', () => {
    const policies = MANUAL.flatMap((page) =>
      [...read(page).matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, text = '']) => ({ page, text })),
    );
    assert.ok(policies.length > 0);
    for (const { page, text } of policies) assert.doesNotThrow(() => parsePolicyText(text, page), page);
  });

  it('shows the same line for a client in the README as in docs/clients.md', () => {
    const lines = [...read('README.md').matchAll(/^(?:const \w+ = (new .+);|(curl .+))$/gm)].map(
      ([, client, curl]) => client ?? curl ?? '',
    );
    assert.equal(lines.length, 4);
    const clients = read('docs/clients.md');
    assert.deepEqual(
      lines.filter((line) => !clients.includes(`\`${line}\``)),
      [],
    );
  });
});
