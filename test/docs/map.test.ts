import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';

const SOURCE = join(import.meta.dirname, '..', '..', 'src');

/** Code spans of the map that name a file or a folder: `core/call.ts`, `gateway/care`, `../docs/glossary.md`. */
function pathsIn(text: string): string[] {
  return [...text.matchAll(/`((?:\.\.\/)?[a-z][\w-]*(?:\/[\w.-]+)+)`/g)].map(([, path]) => path as string);
}

it('every file and folder that the map names exists', () => {
  const paths = pathsIn(readFileSync(join(SOURCE, 'README.md'), 'utf8'));
  assert.ok(paths.length > 50);
  assert.deepEqual(
    paths.filter((path) => !existsSync(join(SOURCE, path))),
    [],
  );
});

it('a path is seen as one, and other code is not', () => {
  assert.deepEqual(pathsIn('`core/call.ts`, `../docs/a.md`, `gateway/care`, `approve`, `a -> b`, `npx upshift plan`'), [
    'core/call.ts',
    '../docs/a.md',
    'gateway/care',
  ]);
});
