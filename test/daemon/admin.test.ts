import assert from 'node:assert/strict';
import test from 'node:test';
import type { StatusReport } from '../../src/core/status.ts';
import { readReport } from '../../src/core/stored-status.ts';
import { createAdmin } from '../../src/daemon/admin.ts';
import { makeReport } from '../cli/reports.ts';

const QUIET = makeReport([]);
const TROUBLE = { attempts: 3, lastAt: 1_000, error: 'too many open files (EMFILE)' };

/** What /healthz says of a status. */
async function healthOf(report: StatusReport): Promise<Record<string, unknown>> {
  const admin = createAdmin(
    () => report,
    () => true,
  );
  const { port } = await admin.listen(0);
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
    assert.equal(answer.status, 200);
    return (await answer.json()) as Record<string, unknown>;
  } finally {
    await admin.close();
  }
}

test('/healthz says what this machine could not send, and that is no failed health', async () => {
  for (const localTrouble of [null, TROUBLE]) {
    const report = { ...QUIET, gateway: { ...QUIET.gateway, localTrouble } };
    const { status, localTrouble: said } = await healthOf(report);
    assert.deepEqual([status, said], ['ok', localTrouble]);
    assert.deepEqual(readReport(JSON.stringify(report)).gateway.localTrouble, localTrouble);
  }
});

test('/healthz is degraded if the ledger is, or has lost a call', async () => {
  for (const ledger of [
    { pending: 1, lost: 0, isDegraded: true, fault: null },
    { pending: 0, lost: 1, isDegraded: false, fault: null },
  ]) {
    const health = await healthOf({ ...QUIET, ledger });
    assert.deepEqual([health['status'], health['ledger']], ['degraded', ledger]);
  }
});

test('/healthz fails while a file of the ledger is gone, and /metrics says so', async () => {
  const admin = createAdmin(
    () => ({ ...QUIET, ledger: { ...QUIET.ledger, fault: 'upshift.db was deleted' } }),
    () => true,
  );
  const { port } = await admin.listen(0);
  try {
    const health = await fetch(`http://127.0.0.1:${port}/healthz`);
    assert.equal(health.status, 503);
    const { status, ledger } = (await health.json()) as Pick<StatusReport, 'ledger'> & { status: string };
    assert.deepEqual([status, ledger.fault], ['degraded', 'upshift.db was deleted']);
    assert.match(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(), /^upshift_ledger_fault 1$/m);
  } finally {
    await admin.close();
  }
});

test('/metrics has the newest checkpoint, and no older one beside it', async () => {
  const admin = createAdmin(
    () => QUIET,
    () => true,
  );
  const { port } = await admin.listen(0);
  const lines = async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return text.split('\n').filter((line) => line.startsWith('upshift_checkpoint_info'));
  };
  try {
    assert.deepEqual(await lines(), []);
    for (const [digit, seals] of [
      ['a', 3],
      ['b', 5],
    ] as const) {
      admin.checkpointed({ seals, hash: digit.repeat(64), at: 1_000 });
      assert.deepEqual(await lines(), [`upshift_checkpoint_info{hash="${digit.repeat(16)}"} 1`]);
    }
  } finally {
    await admin.close();
  }
});
