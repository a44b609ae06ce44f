import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { verifyAudit } from '../../../src/ledger/journal/audit.ts';
import { keyPathOf, readPublicKey } from '../../../src/ledger/journal/key.ts';
import { openForReading, openLedger } from '../../../src/ledger/open.ts';
import { clock, makeEntry, redecide, temporaryPath } from '../rig.ts';

describe('the key of a ledger', () => {
  it('may be kept elsewhere: what is written is signed with that one, and no other is made', async (context) => {
    const path = temporaryPath(context);
    const keyPath = join(dirname(path), 'elsewhere.key');
    for (const n of [1, 2]) {
      const { journal, close } = await openLedger(path, { clock, keyPath });
      await journal.commit(makeEntry(n));
      await close();
    }
    assert.ok(!existsSync(keyPathOf(path)));
    assert.equal(statSync(keyPath).mode & 0o777, 0o600);
    const db = openForReading(path);
    context.after(() => db.close());
    const unsigned = (key: string) => {
      const evidence = { publicKey: readPublicKey(key), marks: [] };
      return verifyAudit(db, redecide, 1, { evidence }).problems.filter(({ what }) => what.includes('signed'));
    };
    assert.deepEqual(unsigned(keyPath), []);
    const other = join(dirname(path), 'other.key');
    await (await openLedger(join(dirname(path), 'other.db'), { clock, keyPath: other })).close();
    assert.notDeepEqual(unsigned(other), []);
  });
});
