import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createUpshiftFetch } from '../../src/client/fetch.ts';
import type { InsideDaemon } from '../support/inside.ts';
import { openDaemon } from '../support/inside.ts';
import { MODEL, openStage } from '../support/stage.ts';

const CHAT = 'https://router.huggingface.co/v1/chat/completions';

test('calls that go past a daemon that is away are demand once it is back, once', async (t) => {
  const stage = await openStage(t, { scale: 1, limits: { routerCalls: 6 } });
  const first = await openDaemon(t, stage);
  const { gateway: port } = first.daemon.ports;
  const fetchOf = (agent: string) =>
    createUpshiftFetch({
      gateway: first.gateway,
      router: stage.simulation.routerUrl,
      spool: join(stage.folder, 'outcomes.jsonl'),
      token: 'hf_client',
      awayMs: 60_000,
      agent,
    });
  const body = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 });
  const call = async (fetch: typeof globalThis.fetch | ReturnType<typeof fetchOf>) => {
    const answer = await fetch(CHAT, { method: 'POST', body });
    await answer.text();
    return answer.status;
  };
  const [one, two] = [fetchOf('one'), fetchOf('two')];
  assert.equal(await call(one), 200);
  await first.close();
  const statuses = [];
  for (let n = 0; n < 4; n++) statuses.push(await call(one), await call(two));
  const refused = statuses.filter((status) => status === 429).length;
  assert.ok(refused > 0 && refused < 8, statuses.join());

  const demandOf = ({ daemon }: InsideDaemon) => {
    const { calls, agents, refused: share } = daemon.report().routes[0]?.demand ?? {};
    return { calls, agents, refused: share };
  };
  const expected = { calls: 9, agents: 2, refused };
  const second = await openDaemon(t, stage, { port });
  assert.deepEqual(demandOf(second), { calls: 1, agents: 1, refused: 0 });
  assert.equal(await one.report(), true);
  assert.deepEqual(demandOf(second), expected);
  assert.equal(await two.report(), true);
  assert.deepEqual(demandOf(second), expected);
  // What a restart reads from the ledger is the same.
  await second.close();
  const third = await openDaemon(t, stage, { port });
  assert.deepEqual(demandOf(third), expected);
  const past = stage.read((db) => db.prepare('SELECT count(*) FROM call_log WHERE bypassed_gateway').pluck().get());
  assert.equal(past, 8);
});
