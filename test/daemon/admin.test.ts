import assert from 'node:assert/strict';
import test from 'node:test';
import type { StatusReport } from '../../src/core/status.ts';
import { readReport } from '../../src/core/stored-status.ts';
import { createAdmin } from '../../src/daemon/admin.ts';
import { makeReport, makeRollout, makeRoute, NOON } from '../cli/reports.ts';

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

test('/metrics says what is in the way of a route, how its endpoint fails, and what ended its last rollout', async () => {
  const ended = {
    id: 'k3v9q2ab',
    phase: 'aborted' as const,
    at: NOON,
    reason: 'too slow',
    hint: null,
    cause: 'speed' as const,
  };
  const faultRow = { kinds: { server_error: 3, refused_connection: 2 }, lastAt: NOON };
  const decision = { action: 'wait', reason: 'gathering', cause: 'no_data', detail: '', at: NOON } as const;
  const report = makeReport([
    makeRoute({ model: 'a/failing', decision, rollout: makeRollout({ faultRow }) }),
    makeRoute({ model: 'b/ended', lastRollout: ended }),
  ]);
  const admin = createAdmin(
    () => readReport(JSON.stringify(report)),
    () => true,
  );
  const { port } = await admin.listen(0);
  try {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const lines = text.split('\n').filter((line) => /^upshift_(?:cause|faults_in_row|ended_cause)\{/.test(line));
    assert.deepEqual(lines.sort(), [
      'upshift_cause{model="a/failing",cause="no_data"} 1',
      'upshift_ended_cause{model="b/ended",outcome="aborted",cause="speed"} 1',
      'upshift_faults_in_row{model="a/failing",kind="refused_connection"} 2',
      'upshift_faults_in_row{model="a/failing",kind="server_error"} 3',
    ]);
  } finally {
    await admin.close();
  }
});
