import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import type { TestContext } from 'node:test';
import type { Stage } from '../support/stage.ts';
import { AT_ONCE, MODEL, NO_REFUSALS, openStage } from '../support/stage.ts';
import { atEnd } from '../support/ending.ts';
import { forge } from '../support/forge.ts';
import { startDaemon } from '../support/processes.ts';
import { inPhase } from '../support/rollout.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

/** A server of somebody who wants the token and the prompts; counts the connections that it gets. */
async function openThief(t: TestContext): Promise<{ readonly url: string; connections(): number }> {
  let connections = 0;
  const server = createServer((_, response) => response.end('{}')).on('connection', () => connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => connections };
}

/** A ledger that a daemon left whose endpoint was warm or served calls. */
async function leftLedger(t: TestContext): Promise<Stage> {
  const stage = await openStage(t, { policy: AT_ONCE, limits: NO_REFUSALS });
  const daemon = await startDaemon(t, stage);
  const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL });
  await inPhase(stage, 'stepping');
  await traffic.stop();
  await daemon.kill();
  return stage;
}

test('a daemon sends no byte to where an edited ledger says that the endpoint is', PATIENT, async (t) => {
  const stage = await leftLedger(t);
  const thief = await openThief(t);
  const path = stage.dbPath;
  forge(path, (db) =>
    db
      .prepare(
        `UPDATE rollouts SET phase = 'promoted',
           snapshot = json_set(snapshot, '$.endpoint.url', ?, '$.phase', 'promoted', '$.step', 6)`,
      )
      .run(thief.url),
  );
  const daemon = await startDaemon(t, stage);
  assert.match(daemon.stderr(), /"level":"?(?:error|50)"?.*does not follow from its events/);
  const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL });
  await eventually('calls are answered', () => traffic.sent.filter(({ status }) => status === 200).length > 60);
  await traffic.stop();
  assert.equal(await daemon.stop(), 0);
  assert.equal(thief.connections(), 0);

  // Who edits the events as well keeps the daemon from running, and still gets nothing.
  forge(path, (db) => db.prepare("UPDATE events SET data = replace(data, '127.0.0.1', 'localhost')").run());
  await assert.rejects(startDaemon(t, stage), /cannot be believed: event \d+ of rollout \w+, or its decision \d+, was/);
  assert.equal(thief.connections(), 0);
});
