import assert from 'node:assert/strict';
import test from 'node:test';
import { verifyAudit } from '../../src/ledger/journal/audit.ts';
import { decideAgain } from '../../src/core/decide-again.ts';
import { CORE_VERSION } from '../../src/core/decide/decision.ts';
import { forge } from '../support/forge.ts';
import { startDaemon } from '../support/processes.ts';
import { approve, askedFor, inPhase, isCarriedOut, newestRollout } from '../support/rollout.ts';
import { MODEL, openStage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

test(
  'an approval that somebody wrote into the ledger buys nothing, whether the daemon runs or not',
  PATIENT,
  async (t) => {
    const stage = await openStage(t);
    let daemon = await startDaemon(t, stage);
    const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL });
    const ask = await askedFor(stage, 0);
    const insert = (word: string) =>
      forge(stage.dbPath, (db) =>
        db
          .prepare(
            `INSERT INTO requests (kind, rollout_id, ask_id, step, by_user, by_host, by_uid, word, requested_at_ms)
           VALUES ('approve', ?, ?, 0, 'cfo', 'desk', 0, ?, 1)`,
          )
          .run(ask.rolloutId, ask.id, word),
      );
    insert('first');
    await eventually('the daemon tells of it', () => /request 1 came from another hand/.test(daemon.stderr()));
    await traffic.stop();
    assert.equal(await daemon.stop(), 0);
    insert('second');

    daemon = await startDaemon(t, stage);
    await eventually('the daemon tells of both', () => /request 2 came from another hand/.test(daemon.stderr()));
    assert.equal(stage.simulation.state().created, 0);
    assert.equal(newestRollout(stage)?.phase, 'proposed');
    const { problems } = stage.read((db) => verifyAudit(db, decideAgain, CORE_VERSION));
    assert.deepEqual(
      problems.map(({ what }) => what),
      [1, 2].map((id) => `the request ${id} was never sealed: it came from another hand`),
    );

    // A word of the same person still counts.
    assert.equal(await isCarriedOut(stage, approve(stage, await askedFor(stage, 0))), true);
    await inPhase(stage, 'provisioning');
    assert.equal(await daemon.stop(), 0);
  },
);
