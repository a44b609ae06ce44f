import assert from 'node:assert/strict';
import test from 'node:test';
import { openDaemon } from '../support/inside.ts';
import type { InsideDaemon } from '../support/inside.ts';
import { inPhase } from '../support/rollout.ts';
import type { Stage } from '../support/stage.ts';
import { AT_ONCE, MODEL, NO_REFUSALS, openStage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

const SHAPE = 'chat+stream';

test(
  'a shape of which the endpoint rejects most calls goes to serverless, and comes back once it is mended',
  PATIENT,
  async (t) => {
    const stage = await openStage(t, { scale: 120, limits: NO_REFUSALS, policy: AT_ONCE });
    const first = await openDaemon(t, stage);
    const traffic = startTraffic(t, { url: first.gateway, model: MODEL });
    await inPhase(stage, 'promoted');
    const before = callsOf(stage);
    await stage.simulation.setFault({ target: 'endpoint', kind: 'rejects', shape: SHAPE });
    await eventually('it is withheld', () => ineligible(first) > 5);
    assert.ok(noteOf(first)?.includes('serverless gets them'), noteOf(first));
    await traffic.stop();
    const { rejected } = callsOf(stage);
    t.diagnostic(`${rejected} calls were rejected before the shape was withheld`);
    assert.ok(rejected >= 5 && rejected < 15, `${rejected} rejected`);
    assert.deepEqual(traffic.failures(), []);
    // Calls of the other shape still go to the endpoint.
    assert.equal(stage.report()?.routes[0]?.phase, 'promoted');
    await first.close();

    const second = await openDaemon(t, stage);
    const more = startTraffic(t, { url: second.gateway, model: MODEL, prefix: 'second' });
    await eventually('the next process knows it', () => ineligible(second) > 3);
    await stage.simulation.clearFaults();
    await eventually('it is given back', () => callsOf(stage).answered > before.answered + 10);
    await more.stop();
    assert.equal(noteOf(second), undefined);
    assert.ok(callsOf(stage).rejected <= rejected + 2, 'it was tried by single calls');
    assert.deepEqual(more.failures(), []);
  },
);

function ineligible({ daemon }: InsideDaemon): number {
  return daemon.report().gateway.ineligibleBecause.rejected ?? 0;
}

function noteOf({ daemon }: InsideDaemon): string | undefined {
  return daemon.report().routes[0]?.notes.find((note) => note.includes(SHAPE));
}

/** Streamed calls that the endpoint answered, and that it rejected. */
function callsOf(stage: Stage): { answered: number; rejected: number } {
  const sql = `SELECT total(outcome = 'ok' AND served_by = 'dedicated') AS answered,
    total(outcome = 'rejected_by_endpoint') AS rejected FROM call_log WHERE shape = ?`;
  return stage.read((db) => db.prepare<[string], ReturnType<typeof callsOf>>(sql).get(SHAPE)) as ReturnType<
    typeof callsOf
  >;
}
