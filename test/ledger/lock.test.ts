import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppError } from '../../src/core/errors.ts';
import { acquireLock, isLocked } from '../../src/ledger/lock.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { clock, startChild, temporaryPath, openFor } from './rig.ts';

describe('lock', () => {
  it('is free before, held during, free again after', (context) => {
    const path = temporaryPath(context);
    assert.equal(isLocked(path), false);
    const lock = acquireLock(path);
    assert.equal(isLocked(path), true);
    lock.release();
    assert.equal(isLocked(path), false);
  });

  it('refuses a second daemon, naming the file and the process, until the first is killed', async (context) => {
    const path = temporaryPath(context);
    const { child, line, ended } = startChild(context, 'lock', path);
    assert.equal(await line(), 'locked');
    for (let i = 0; i < 3; i++) {
      assert.equal(isLocked(path), true);
      await assert.rejects(openLedger(path, { clock }), (error: unknown) => {
        assert.ok(error instanceof AppError);
        assert.equal(error.code, 'conflict');
        assert.match(error.message, new RegExp(`in use by process ${child.pid}, which holds .*upshift\\.db\\.lock`));
        return true;
      });
    }
    child.kill('SIGKILL');
    await ended;
    assert.equal(isLocked(path), false);
    const ledger = await openFor(context, path);
    await ledger.close();
  });

  it('refuses a second daemon in the same process', async (context) => {
    const path = temporaryPath(context);
    const ledger = await openFor(context, path);
    await assert.rejects(openLedger(path, { clock }), { code: 'conflict' });
    await ledger.close();
    assert.equal(isLocked(path), false);
  });
});
