import assert from 'node:assert/strict';
import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import { DAY_MS } from '../../../src/core/time.ts';
import { readCheckpoints } from '../../../src/ledger/journal/checkpoint.ts';
import { checkpointsPath } from '../../../src/ledger/journal/daily.ts';
import { keyPathOf, openKey, readPublicKey } from '../../../src/ledger/journal/key.ts';
import { makeEntry, openFor, temporaryPath } from '../rig.ts';

describe('the file of daily checkpoints', () => {
  it('has a note for each time that the ledger had grown, each as it was signed', async (context) => {
    const path = temporaryPath(context);
    const { journal } = await openFor(context, path);
    const file = checkpointsPath(path);
    assert.equal(await journal.keepCheckpoint(0), null);
    const notes: string[] = [];
    for (let n = 1; n <= 3; n++) {
      await journal.commit(makeEntry(n));
      const written = await journal.keepCheckpoint(0);
      assert.ok(written?.note != null);
      notes.push(written.note);
      assert.equal((await journal.keepCheckpoint(0))?.note, null);
    }
    assert.equal(readFileSync(file, 'utf8'), notes.join('\n'));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const publicKey = readPublicKey(keyPathOf(path));
    const all = readCheckpoints(readFileSync(file, 'utf8'), publicKey);
    assert.deepEqual(
      all,
      notes.flatMap((note) => readCheckpoints(note, publicKey)),
    );
    // As `tail -n 5` takes the newest one out.
    assert.equal(readFileSync(file, 'utf8').split('\n').slice(-6).join('\n'), notes.at(-1));
    const other = openKey(`${path}.other`);
    assert.throws(() => readCheckpoints(readFileSync(file, 'utf8'), other.publicKey), /not signed with this key/);
  });

  it('gets none before the newest one is as old as is asked, by its time on the disk', async (context) => {
    const path = temporaryPath(context);
    const { journal } = await openFor(context, path);
    await journal.commit(makeEntry(1));
    await journal.keepCheckpoint(DAY_MS);
    await journal.commit(makeEntry(2));
    assert.equal((await journal.keepCheckpoint(DAY_MS))?.note, null);
    const yesterday = (Date.now() - DAY_MS) / 1_000;
    utimesSync(checkpointsPath(path), yesterday, yesterday);
    assert.ok((await journal.keepCheckpoint(DAY_MS))?.note != null);
  });

  it('is not overwritten if somebody has changed it, and the error says which file it is', async (context) => {
    const path = temporaryPath(context);
    const { journal } = await openFor(context, path);
    await journal.commit(makeEntry(1));
    await journal.keepCheckpoint(0);
    const file = checkpointsPath(path);
    for (const text of [`${readFileSync(file, 'utf8')}\nnothing\n`, '\n', 'x']) {
      writeFileSync(file, text);
      await assert.rejects(journal.keepCheckpoint(0), (error: AppError) => {
        assert.ok(error.message.startsWith(`${file} was changed`));
        return error.code === 'conflict';
      });
      assert.equal(readFileSync(file, 'utf8'), text);
    }
  });
});
