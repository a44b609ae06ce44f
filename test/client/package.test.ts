import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');

test('a program imports it from the package, with its types and without any other package', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-package-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const run = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
    return stdout;
  };
  const home = join(folder, 'node_modules', 'upshift');
  mkdirSync(home, { recursive: true });
  copyFileSync(join(ROOT, 'package.json'), join(home, 'package.json'));
  run(TSC, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(home, 'dist'));

  const lines = [
    "import { createUpshiftFetch, upshiftFetch } from 'upshift';",
    'const asFetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response> = upshiftFetch;',
    "const own = createUpshiftFetch({ agent: 'planner-7', spool: null });",
    '// @ts-expect-error no such option',
    'createUpshiftFetch({ agnet: 1 });',
    "const answer = await asFetch('data:text/plain,fine');",
    'console.log(await answer.text(), await own.report());',
  ];
  writeFileSync(join(folder, 'program.mts'), `${lines.join('\n')}\n`);
  const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules', '@types')];
  const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024', ...types];
  run(TSC, ...options, 'program.mts');
  assert.equal(run('program.mts'), 'fine true\n');
});
