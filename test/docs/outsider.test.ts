import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { readMark } from '../../src/ledger/journal/mark.ts';
import { keyPathOf, readPublicKey } from '../../src/ledger/journal/key.ts';
import { START_MS, makeEntry, openFor, temporaryPath } from '../ledger/rig.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/audit.md'), 'utf8');
const [, SECTION = ''] = PAGE.split('### Without upshift');
const RECIPES = [...(SECTION.split('\n## ')[0] ?? '').matchAll(/^```sh\n([^]*?)^```$/gm)].map(
  ([, recipe = '']) => recipe,
);
const [CHECKPOINT = '', CHAIN = '', SIGNATURE = '', DIGEST = ''] = RECIPES;

const MISSING = ['sqlite3', 'openssl'].filter((program) => spawnSync(program, ['--version']).error !== undefined);
const skip = MISSING.length > 0 && `${MISSING.join(' and ')} not installed`;

/** A ledger with some seals, its public key and its checkpoints, named as in the recipes. Returns its path. */
async function makeKept(context: TestContext): Promise<string> {
  const path = temporaryPath(context);
  const { journal, close } = await openFor(context, path);
  for (let n = 1; n <= 3; n++) await journal.commit(makeEntry(n));
  const price = {
    model: 'org/ünlike',
    provider: 'acme',
    inputMicros: 5,
    outputMicros: null,
    isFree: false,
    isLive: true,
  };
  await journal.bookPrices([price], START_MS);
  await journal.keepCheckpoint(0);
  await journal.commit(makeEntry(4));
  await journal.keepCheckpoint(0);
  await close();
  writeFileSync(join(dirname(path), 'upshift.pub'), readPublicKey(keyPathOf(path)));
  return path;
}

function run(path: string, recipe: string): string {
  return execFileSync('sh', ['-c', recipe], {
    cwd: dirname(path),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

function forge(path: string, sql: string): void {
  const db = new Database(path);
  db.exec(`DROP TRIGGER seals_no_update; ${sql}`);
  db.close();
}

describe('what an outsider does with sqlite3 and openssl', { skip }, () => {
  it('verifies the newest checkpoint and finds its seal in the ledger', async (context) => {
    const path = await makeKept(context);
    const [said, here, there] = run(path, CHECKPOINT).split('\n');
    assert.match(said ?? '', /Verified Successfully/);
    assert.equal(here, readMark(path)?.hash);
    assert.equal(there, here);
    const file = `${path}.checkpoints`;
    writeFileSync(file, readFileSync(file, 'utf8').replace(/\n(\d+)\n(?=[^\n]*\n\n[^\n]*\n$)/, '\n99\n'));
    assert.throws(() => run(path, CHECKPOINT.split('\n').slice(0, 4).join('\n')));
  });

  it('follows the chain of seals, and sees which one was changed', async (context) => {
    const path = await makeKept(context);
    assert.equal(run(path, CHAIN), '');
    forge(path, "UPDATE seals SET sealed_at_ms = 1 WHERE id = 2; UPDATE seals SET hash = 'x' WHERE id = 4");
    assert.equal(run(path, CHAIN), 'seal 2 was changed\nseal 4 was changed\nseal 5 was changed\n');
  });

  it('verifies the signature of a seal', async (context) => {
    const path = await makeKept(context);
    assert.match(run(path, SIGNATURE), /Verified Successfully/);
    forge(path, 'UPDATE seals SET signature = (SELECT signature FROM seals WHERE id = 2) WHERE id = 1');
    assert.throws(() => run(path, SIGNATURE));
  });

  it('computes the digest of a row', async (context) => {
    const path = await makeKept(context);
    assert.equal(run(path, DIGEST), 'as it was sealed\n');
    forge(path, 'UPDATE provider_prices SET input_micros = 6');
    assert.throws(() => run(path, DIGEST));
  });
});
