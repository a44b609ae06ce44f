import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createUpshiftFetch } from '../../src/client/fetch.ts';
import { startDaemon } from '../support/processes.ts';
import { MODEL, openStage } from '../support/stage.ts';
import { PATIENT } from '../support/waiting.ts';

test('while a daemon is killed and started again, calls continue, and each is in the ledger', PATIENT, async (t) => {
  const stage = await openStage(t, { scale: 1, limits: { routerCalls: 1_000_000 } });
  const { env, dbPath, policyPath } = stage;
  const first = await startDaemon(t, { env, dbPath, policyPath });
  const port = Number(new URL(first.gateway).port);
  const spool = join(stage.folder, 'outcomes.jsonl');
  const agents = Array.from({ length: 6 }, (_, n) =>
    createUpshiftFetch({
      gateway: first.gateway,
      router: stage.simulation.routerUrl,
      spool,
      token: 'hf_client',
      awayMs: 300,
      agent: `agent-${n}`,
    }),
  );
  const body = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 });
  const over = new AbortController();
  let calls = 0;
  const failures: unknown[] = [];
  const work = agents.map(async (fetch) => {
    for (; !over.signal.aborted; await pause(20)) {
      calls++;
      try {
        const answer = await fetch('https://router.huggingface.co/v1/chat/completions', { method: 'POST', body });
        await answer.text();
        if (answer.status !== 200) failures.push(answer.status);
      } catch (error) {
        failures.push(error);
      }
    }
  });
  await pause(1_000);
  await first.kill();
  await pause(1_000);
  await startDaemon(t, { env, dbPath, policyPath, port });
  await pause(1_500);
  over.abort();
  await Promise.all(work);
  for (const fetch of agents) assert.equal(await fetch.report(), true);
  // An answer that has begun breaks off with the daemon, and its call must not be sent again.
  const others = failures.filter((error) => !(error instanceof TypeError && error.message === 'terminated'));
  assert.deepEqual(others, []);
  const count = (where: string) =>
    stage.read((db) => db.prepare<[], number>(`SELECT count(*) FROM call_log WHERE ${where}`).pluck().get() ?? 0);
  const [all, past] = [count('1'), count('bypassed_gateway')];
  assert.ok(past > 0 && past < all, `${past} of ${all}`);
  // A call that was lost after its row was written has a second row. Each agent has at most one call in flight.
  assert.ok(all >= calls - failures.length && all <= calls + agents.length, `${all} rows of ${calls} calls`);
  t.diagnostic(`${calls} calls, ${all} rows, ${past} past the gateway`);
});
